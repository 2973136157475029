"""The twin of Unregister-SkGuard.ps1."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from sitekeeper_lab.engines.api import ErrorRecord
from sitekeeper_lab.functions.assert_sk_lease import BUSY
from sitekeeper_lab.functions.shared.twin import Call, number, run_tool, text, thrown, twin, value_of, written_error

SHA256 = "975ff0ac4d41f9985dc57902a318c065a4c6cd575ee228a0b053f3420376c8ec"

_BUSY = 19


def run(call: Call) -> Iterator[object]:
    """Deletes a guard's task and folder, unless it is at work."""
    try:
        _delete(call)
    except (ErrorRecord, OSError):
        call.function("Clear-SkFence")
        raise
    yield from ()


def _delete(call: Call) -> None:
    drive, run_id, guard, host = text(call, "Drive"), text(call, "Run"), number(call, "Number"), call.host
    if not run_id:
        raise thrown("SkInvalidRun")
    name = f"sitekeeper-{run_id}-{guard}"
    parent = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="guard")
    folder = f"{parent}\\{guard}"
    there = host.exists(folder)
    if there and not call.one("Open-SkLock", Drive=drive):
        written_error(call, BUSY, "SkLeaseBusy", _BUSY, run_id)
        return
    if host.exists(f"{folder}\\acting.txt") and not host.exists(f"{folder}\\done.txt"):
        call.function("Clear-SkFence")
        written_error(call, f"the guard is at work, and goes by itself: {name}", "SkGuardActing", _BUSY, name)
        return
    for task in (name, f"{name}-start"):
        run_tool(call, "schtasks.exe", "/delete", "/tn", task, "/f")
    if value_of(call.one("Test-SkGuard", Drive=drive, Run=run_id, Number=guard), "Registered"):
        call.function("Clear-SkFence")
        written_error(call, f"task still there: {name}", "SkGuardLeft", _BUSY, name)
        return
    if not there:
        return
    host.delete_file(f"{folder}\\guard.cmd")
    with host.io_lock:
        shutil.rmtree(host.files.resolve(folder))
    host.audit.write("change", host.name, kind="folder", what=folder, to="deleted")
    if not any(host.files.resolve(parent).iterdir()):
        host.delete_folder(parent)
    call.function("Clear-SkFence")


TWIN = twin("Unregister-SkGuard", SHA256, run, Drive="string", Run="string", Number="int")
