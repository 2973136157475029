"""The twin of Get-SkWorkFile.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, text, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "3317ad937fdf4143bf1c47f9c85a2b5864f2e3caffc531e03fe96f60a8a19744"


def run(call: Call) -> Iterator[PsObject]:
    """The files in a run's folder with their lengths, or the runs that have a folder."""
    run_id = text(call, "Run")
    folder = real(call, folder_of(call, run_id))
    if not folder.is_dir():
        return
    for one in sorted(folder.iterdir()):
        if run_id and one.is_file():
            yield custom(Name=one.name, Length=PSInt64(one.stat().st_size))
        elif (
            not run_id and one.is_dir() and not one.is_symlink() and re.fullmatch(r"[0-9a-z][0-9a-z-]{0,63}", one.name)
        ):
            yield custom(Name=one.name, Length=PSInt64(-1))


TWIN = twin("Get-SkWorkFile", SHA256, run, Root="string", Run="string")
