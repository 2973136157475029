"""The twin of Enter-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.assert_sk_lease import BUSY
from sitekeeper_lab.functions.shared.twin import (
    Call,
    PSInt64,
    custom,
    number,
    round_trip,
    same,
    text,
    twin,
    value_of,
    written_error,
)

SHA256 = "dbe10147f94e07c2fc9b8539f877cd07c7120c9be42d5c6aaf60fabd5d69ab7b"


_BUSY = 19


def run(call: Call) -> Iterator[PsObject]:
    """Takes the lease and answers its generation."""
    drive, run_id, owner = text(call, "Drive"), text(call, "Run"), text(call, "Owner")
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id)
    call.function("Protect-SkFolder", Drive=drive)
    root = call.one("Get-SkFolder", Drive=drive)
    host = call.host
    if not call.one("Open-SkLock", Drive=drive):
        written_error(call, BUSY, "SkLeaseBusy", _BUSY, run_id)
        return
    try:
        now = host.now()
        held = call.function("Read-SkLease", Drive=drive)
        mine = bool(held) and same(value_of(held[0], "Run"), run_id)
        if held and not mine and value_of(held[0], "Expires") > now:
            other = value_of(held[0], "Run")
            until = round_trip(value_of(held[0], "Expires"))
            message = f"lease held: run {other} owner {value_of(held[0], 'Owner')} until {until}"
            written_error(call, message, "SkLeaseHeld", _BUSY, other)
            return
        counter = f"{root}\\generation.txt"
        generation = int(host.read(counter).strip() or 0) if host.exists(counter) else 0
        if held:
            generation = max(generation, int(value_of(held[0], "Generation")))
        if mine:
            generation = int(value_of(held[0], "Generation")) - 1
        generation = max(generation + 1, number(call, "AtLeast"))
        host.write(counter, str(generation).encode())
        expires = round_trip(now + timedelta(seconds=number(call, "Seconds")))
        host.write(f"{root}\\lease.txt", "\r\n".join([run_id, owner, str(generation), expires]).encode())
        host.make_folder(folder)
        yield custom(Run=run_id, Generation=PSInt64(generation), Expires=expires)
    finally:
        call.function("Clear-SkFence")


TWIN = twin("Enter-SkLease", SHA256, run, Drive="string", Run="string", Owner="string", Seconds="int", AtLeast="long")
