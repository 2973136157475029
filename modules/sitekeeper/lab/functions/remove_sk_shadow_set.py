"""The twin of Remove-SkShadowSet.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, run_tool, text, twin, written_error
from sitekeeper.lab.windows.model import ShadowCopy

_BUSY = 19

SHA256 = "aa534d2e833e0ef04b3dfd476e751167adb9f876aaa59bd262c5fb171649daaa"

_SET = re.compile(r"^(set |SET V?SHADOW_SET_ID=)(\{[0-9a-f-]{36}\})\s*$", re.IGNORECASE)


def run(call: Call) -> Iterator[object]:
    """Drops this run's shadow copies by the ids that were written down, and their links."""
    drive, run_id = text(call, "Drive"), text(call, "Run")
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="shadow")
    host = call.host
    if not host.exists(folder):
        call.function("Remove-SkFolder", Drive=drive, Run=run_id, Name="shadow")
        return
    ids = _written_down(call, folder)
    for entry in sorted(host.files.resolve(folder).iterdir()):
        # A mount point is a folder to Windows, even when what it led to is gone.
        if re.search(r"^[0-9]+$", entry.name) and (entry.is_dir() or entry.is_symlink()):
            run_tool(call, "mountvol.exe", f"{drive}:\\sitekeeper\\{run_id}\\shadow\\{entry.name}", "/D")
    for copy in list(host.machine.shadows):
        if _braced(copy) in ids:
            call.wmi.remove(f"Win32_ShadowCopy.ID='{_braced(copy).upper()}'")
    left = [_braced(copy).upper() for copy in host.machine.shadows if _braced(copy) in ids]
    if left:
        written_error(call, f"shadow copies still there: {' '.join(left)}", "SkShadowCopyLeft", _BUSY, run_id)
        return
    call.function("Remove-SkFolder", Drive=drive, Run=run_id, Name="shadow")
    yield from ()


def _written_down(call: Call, folder: str) -> set[str]:
    ids: set[str] = set()
    sets: set[str] = set()
    for name in ("mark.txt", "setvar.cmd"):
        file = f"{folder}\\{name}"
        if not call.host.exists(file):
            continue
        for line in call.host.read(file).decode("utf-8").replace("\r", "").split("\n"):
            word = line.split(" ")
            if word[0].lower() == "copy":
                ids.add(word[3].lower())
            if match := _SET.match(line):
                sets.add(match[2].lower())
    return ids | {_braced(copy) for copy in call.host.machine.shadows if f"{{{copy.set_id}}}" in sets}


def _braced(copy: ShadowCopy) -> str:
    return f"{{{copy.id}}}"


TWIN = twin("Remove-SkShadowSet", SHA256, run, Drive="string", Run="string")
