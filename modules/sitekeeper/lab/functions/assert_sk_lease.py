"""The twin of Assert-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, number, same, text, twin, value_of, written_error

SHA256 = "2d05ed1b2e8aa297c789a7ccd20b15dfe46dcec3f32aaf79bfc2a656ef247718"


_STOPPED = 14


def run(call: Call) -> Iterator[object]:
    """Writes an error unless the run still holds the lease in this generation."""
    run_id, generation = text(call, "Run"), number(call, "Generation")
    held = call.function("Read-SkLease", Drive=text(call, "Drive"))
    if (
        not held
        or not same(value_of(held[0], "Run"), run_id)
        or not same(value_of(held[0], "Owner"), text(call, "Owner"))
        or value_of(held[0], "Generation") != generation
        or value_of(held[0], "Expires") <= call.host.now()
    ):
        written_error(call, f"lease lost: run {run_id} generation {generation}", "SkLeaseLost", _STOPPED, run_id)
    yield from ()


TWIN = twin("Assert-SkLease", SHA256, run, Drive="string", Run="string", Owner="string", Generation="long")
