"""The twin of Remove-SkShadowSet.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from sitekeeper_lab.functions.shared.twin import Call, run_tool, text, twin, written_error
from sitekeeper_lab.windows.model import ShadowCopy

_BUSY, _EXISTS = 19, 20

SHA256 = "638f548260723de7513e661fb7ec760571c3b9e2ddccbfd45b3743c69a9a63bd"

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
    if not ids and (perhaps := _perhaps_ours(call, folder)):
        said = f"perhaps made by this run, and not marked: {' '.join(perhaps)}"
        written_error(call, said, "SkShadowCopyUnmarked", _EXISTS, run_id)
        return
    for entry in sorted(host.files.resolve(folder).iterdir()):
        # A mount point is a folder to Windows, even when what it led to is gone.
        if re.search(r"^[0-9]+$", entry.name) and (entry.is_dir() or entry.is_symlink()):
            run_tool(call, "mountvol.exe", f"{drive}:\\sitekeeper\\{run_id}\\shadow\\{entry.name}", "/D")
    for copy in list(host.machine.shadows):
        if _braced(copy) in ids:
            with suppress(KeyError):  # dropped meanwhile
                call.wmi.remove(f"Win32_ShadowCopy.ID='{_braced(copy).upper()}'")
    left = [_braced(copy).upper() for copy in host.machine.shadows if _braced(copy) in ids]
    if left:
        written_error(call, f"shadow copies still there: {' '.join(left)} ", "SkShadowCopyLeft", _BUSY, run_id)
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
    found = {_braced(copy) for copy in call.host.machine.shadows if f"{{{copy.set_id}}}" in sets}
    # A set that is gone is still known: nothing that came later is it.
    return ids | found | sets


def _perhaps_ours(call: Call, folder: str) -> list[str]:
    """Copies on the volumes that were not there before."""
    file = f"{folder}\\before.txt"
    if not call.host.exists(file):
        return []
    known = call.host.read(file).decode("utf-8").replace("\r", "").lower().split("\n")
    return [
        _braced(copy).upper()
        for copy in call.host.machine.shadows
        if f"volume {copy.volume_id}".lower() in known and f"copy {_braced(copy)}" not in known
    ]


def _braced(copy: ShadowCopy) -> str:
    return f"{{{copy.id}}}"


TWIN = twin("Remove-SkShadowSet", SHA256, run, Drive="string", Run="string")
