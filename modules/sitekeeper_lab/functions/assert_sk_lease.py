"""The twin of Assert-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.functions.shared.twin import Call, number, same, text, twin, value_of, written_error

SHA256 = "138f1b6efa3aa5da4b5b6c247c43819bb99a78b76350216b07deda4c24cbd1b1"

_STOPPED, _BUSY = 14, 19
BUSY = "somebody else is changing this host just now"


def run(call: Call) -> Iterator[object]:
    """Writes an error unless the run still holds the lease in this generation; holds the lock if it does."""
    drive, run_id, generation = text(call, "Drive"), text(call, "Run"), number(call, "Generation")
    try:
        held: list[PsObject] = []
        if call.host.exists(call.one("Get-SkFolder", Drive=drive)):
            if not call.one("Open-SkLock", Drive=drive):
                written_error(call, BUSY, "SkLeaseBusy", _BUSY, run_id)
                return
            held = call.function("Read-SkLease", Drive=drive)
    except (ErrorRecord, OSError):
        call.function("Clear-SkFence")
        raise
    current = ours(held, run_id, text(call, "Owner"), generation) and value_of(held[0], "Expires") > call.host.now()
    if not current:
        call.function("Clear-SkFence")
        written_error(call, f"lease lost: run {run_id} generation {generation}", "SkLeaseLost", _STOPPED, run_id)
    yield from ()


def ours(held: list[PsObject], run_id: str, owner: str, generation: int) -> bool:
    """Whether the lease that is written down is this process' of this run, in this generation."""
    return (
        bool(held)
        and same(value_of(held[0], "Run"), run_id)
        and same(value_of(held[0], "Owner"), owner)
        and bool(value_of(held[0], "Generation") == generation)
    )


TWIN = twin("Assert-SkLease", SHA256, run, Drive="string", Run="string", Owner="string", Generation="long")
