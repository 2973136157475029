"""The twin of Get-SkMonitored.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.engines.opsmgr_cmdlets import monitoring_object
from sitekeeper_lab.functions.shared.opsmgr import group_of
from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin
from sitekeeper_lab.opsmgr.group import COMPUTER, HEALTH_SERVICE, WATCHER

SHA256 = "8b083de64c10f9404780b6c58ae517b8ab7b60257c228a6075c7235a14fad55f"


def run(call: Call) -> Iterator[PsObject]:
    """Computer, Health Service and Health Service Watcher."""
    kind, computer = text(call, "Kind"), text(call, "Computer")
    if kind not in {"scom", "opsmgr2007"}:
        raise thrown("SkInvalidKind")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,254}", computer, re.IGNORECASE | re.ASCII):
        raise thrown("SkInvalidComputer")
    group = group_of(call, kind)
    for class_name in (COMPUTER, HEALTH_SERVICE, WATCHER):
        for one in group.instances(class_name):
            if one.computer.casefold() == computer.casefold():
                yield monitoring_object(group, one)


TWIN = twin("Get-SkMonitored", SHA256, run, Kind="string", Computer="string")
