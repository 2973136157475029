"""The twin of Send-SkBeat.ps1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.functions.assert_sk_lease import BUSY, ours
from sitekeeper_lab.functions.shared.twin import (
    Call,
    custom,
    number,
    round_trip,
    text,
    thrown,
    twin,
    value_of,
    written_error,
)

SHA256 = "3c73399e9571070f2b2254aeb59475df1c9d502ef3787c6f5e6d290ece793304"

_STOPPED, _BUSY = 14, 19


def run(call: Call) -> Iterator[PsObject]:
    """Renews the lease and drops the beat files of the guards."""
    try:
        yield from _beat(call)
    except (ErrorRecord, OSError):
        call.function("Clear-SkFence")
        raise


def _beat(call: Call) -> Iterator[PsObject]:
    drive, run_id, generation, host = text(call, "Drive"), text(call, "Run"), number(call, "Generation"), call.host
    if not run_id:
        raise thrown("SkInvalidRun")
    root = call.one("Get-SkFolder", Drive=drive)
    held: list[PsObject] = []
    locked = False
    if host.exists(root):
        locked = bool(call.one("Open-SkLock", Drive=drive))
        held = call.function("Read-SkLease", Drive=drive)
    if not ours(held, run_id, text(call, "Owner"), generation):
        call.function("Clear-SkFence")
        if not locked and host.exists(root):
            written_error(call, BUSY, "SkLeaseBusy", _BUSY, run_id)
            return
        written_error(call, f"lease lost: run {run_id} generation {generation}", "SkLeaseLost", _STOPPED, run_id)
        return
    expires = round_trip(value_of(held[0], "Expires"))
    if locked:
        expires = round_trip(host.now() + timedelta(seconds=number(call, "Seconds")))
        lines = [str(value_of(held[0], "Run")), str(value_of(held[0], "Owner")), str(generation), expires]
        host.write(f"{root}\\lease.txt", "\r\n".join(lines).encode())
    guards: list[int] = []
    waiting: list[int] = []
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="guard")
    if host.exists(folder):
        for one in sorted(int(entry.name) for entry in host.files.resolve(folder).iterdir()):
            if number(call, "Number") not in (0, one) or not host.exists(f"{folder}\\{one}\\guard.cmd"):
                continue
            beat = f"{folder}\\{one}\\beat.txt"
            if host.exists(beat):
                waiting.append(one)
            host.write(beat, b"beat")
            guards.append(one)
    call.function("Clear-SkFence")
    yield custom(Renewed=locked, Expires=expires, Guards=guards, Waiting=waiting)


TWIN = twin(
    "Send-SkBeat",
    SHA256,
    run,
    Drive="string",
    Run="string",
    Owner="string",
    Generation="long",
    Seconds="int",
    Number="int",
)
