"""The twin of Read-SkTaskControl.ps1."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, check_path, custom, text, thrown, twin

SHA256 = "7e1e990700db97fd63b9d514597d4ec95e6be10f93b49fce77f0951c84d3ab12"


def run(call: Call) -> Iterator[PsObject]:
    """SHA-256 of the two files that steer the site's backup task."""
    drive, path = text(call, "Drive"), text(call, "Path")
    if not re.search(r"^[A-Z]$", drive):
        raise thrown("SkInvalidDrive")
    check_path(path)
    box = call.one("Get-SkNative", Path=f"{drive}:\\{path}") + "\\inboxes\\smsbkup.box\\"
    sums = [
        hashlib.sha256(call.host.read(box + name)).hexdigest() if call.host.exists(box + name) else ""
        for name in ("smsbkup.ctl", "AfterBackup.bat")
    ]
    yield custom(Control=sums[0], After=sums[1])


TWIN = twin("Read-SkTaskControl", SHA256, run, Drive="string", Path="string")
