"""The twin of Exit-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, same, text, twin, value_of

SHA256 = "9c5ac8e9edf412840ab38c9369991c84aad995db4bd394bb295a3e97c9ca084d"


def run(call: Call) -> Iterator[object]:
    """Gives the lease back if this run holds it; drops the run's folder if it is empty."""
    drive, run_id = text(call, "Drive"), text(call, "Run")
    held = call.function("Read-SkLease", Drive=drive)
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id)
    host = call.host
    if host.exists(folder) and not any(host.files.resolve(folder).iterdir()):
        host.delete_folder(folder)
    if held and same(value_of(held[0], "Run"), run_id):
        host.delete_file(call.one("Get-SkFolder", Drive=drive) + "\\lease.txt")
    yield from ()


TWIN = twin("Exit-SkLease", SHA256, run, Drive="string", Run="string")
