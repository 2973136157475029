"""The twin of Exit-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, same, text, twin, value_of

SHA256 = "44ac75ed348e0573c8c292e8a5b3bb71e3e6d880ec889a4fd0f792997a7f1f1f"


def run(call: Call) -> Iterator[object]:
    """Gives the lease back if this run holds it; drops the run's folder if it is empty."""
    drive, run_id = text(call, "Drive"), text(call, "Run")
    held = call.function("Read-SkLease", Drive=drive)
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id)
    host = call.host
    if host.exists(folder) and not any(host.files.resolve(folder).iterdir()):
        host.delete_folder(folder)
    ours = held and same(value_of(held[0], "Run"), run_id) and same(value_of(held[0], "Owner"), text(call, "Owner"))
    if ours:
        host.delete_file(call.one("Get-SkFolder", Drive=drive) + "\\lease.txt")
    yield from ()


TWIN = twin("Exit-SkLease", SHA256, run, Drive="string", Run="string", Owner="string")
