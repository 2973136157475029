"""The twin of Get-SkFolder.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, text, thrown, twin

SHA256 = "5b1b0374c4e37221115da5a5a2d471c377ece15983bcb24018e32fd9b217e35f"


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
    yield from call.stream("Get-SkNative", Path=path)


TWIN = twin("Get-SkFolder", SHA256, run, Drive="string", Run="string", Name="string")
