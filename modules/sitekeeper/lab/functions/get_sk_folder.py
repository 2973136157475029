"""The twin of Get-SkFolder.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, method_failed, text, thrown, twin

SHA256 = "c0613e2a581d46aec58cd7b3eddba34c788f4d74e983324f6d8d749cad09e4d2"


def run(call: Call) -> Iterator[str]:
    """The work folder of a run, as a native path."""
    drive, name, run_id = text(call, "Drive"), text(call, "Name"), text(call, "Run")
    if not re.search(r"^[A-Z]$", drive):
        raise thrown("SkInvalidDrive")
    path = f"{drive}:\\sitekeeper"
    if run_id:
        if not re.search(r"^[0-9a-z][0-9a-z-]{0,63}$", run_id):
            raise thrown("SkInvalidRun")
        path += "\\" + run_id
    if name:
        if not re.search(r"^[a-z0-9][a-z0-9.-]{0,31}$", name):
            raise thrown("SkInvalidName")
        path += "\\" + name
    if not any(volume.letter == f"{drive}:" for volume in call.host.machine.volumes):
        message = f"Cannot find drive. A drive with the name '{drive}' does not exist."
        raise method_failed(call, "GetUnresolvedProviderPathFromPSPath", 1, "DriveNotFoundException", message)
    yield path


TWIN = twin("Get-SkFolder", SHA256, run, Drive="string", Run="string", Name="string")
