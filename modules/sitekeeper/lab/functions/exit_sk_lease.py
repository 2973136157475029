"""The twin of Exit-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, same, text, twin, value_of

SHA256 = "19173160a779c37361551c492ea6bca642fec92546c277b41676b83b12a16f94"


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
