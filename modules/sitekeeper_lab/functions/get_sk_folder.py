"""The twin of Get-SkFolder.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin

SHA256 = "d644e29a26ca0266fb2847e3afbc55568da294c18c3177ff0fb8f04bee53954e"


def run(call: Call) -> Iterator[str]:
    """The work folder of a run, as a native path."""
    drive, name, run_id = text(call, "Drive"), text(call, "Name"), text(call, "Run")
    if not re.fullmatch(r"[A-Z]", drive):
        raise thrown("SkInvalidDrive")
    path = f"{drive}:\\sitekeeper"
    if run_id:
        if not re.fullmatch(r"[0-9a-z][0-9a-z-]{0,63}", run_id):
            raise thrown("SkInvalidRun")
        path += "\\" + run_id
    if name:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?", name):
            raise thrown("SkInvalidName")
        path += "\\" + name
    yield from call.stream("Get-SkNative", Path=path)


TWIN = twin("Get-SkFolder", SHA256, run, Drive="string", Run="string", Name="string")
