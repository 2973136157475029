"""The twin of Read-SkSetup.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, text, thrown, twin

SHA256 = "d7011d223c077923c1557c991a2cf1169cc6393d7281a1ea74068d609412e8b5"


def run(call: Call) -> Iterator[PsObject]:
    """How far a step of setup is."""
    drive, step, host = text(call, "Drive"), text(call, "Step"), call.host
    if not re.fullmatch(r"(prerequisites|setup)", step):
        raise thrown("SkInvalidStep")
    folder = call.one("Get-SkFolder", Drive=drive, Run=text(call, "Run"), Name="setup")
    started, file = host.exists(f"{folder}\\{step}.started"), f"{folder}\\{step}.code"
    code = host.read(file).decode("utf-8").strip() if started and host.exists(file) else ""
    log = f"{drive}:\\{'ConfigMgrPrereq.log' if step == 'prerequisites' else 'ConfigMgrSetup.log'}"
    data = host.read(log) if host.exists(log) else b""
    yield custom(Started=started, Code=code, Length=PSInt64(len(data)), Tail=data[-4096:].decode("utf-8", "replace"))


TWIN = twin("Read-SkSetup", SHA256, run, Drive="string", Run="string", Step="string")
