"""A control host that sleeps past the guard and wakes up again: it changes and publishes nothing more on a site that fenced it.

It may still take back what is its own, with a new lease, if nobody else has it: what rollback does.
What it had sent when it fell asleep arrives when it wakes up: after the guard has acted.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.sweeping import first_then_sweeps

from .night import GUARD_MINUTES, LEAK_MINUTES, SITES, Night
from .points import Point
from .scenarios import ATTEMPTS, SCENARIOS, all_points, fell_short, rolled_back
from .trying import CHUNKS, EVERY, MISSED, NoSuchPointError, Stand, begin, of_all_workers, tried

ASLEEP = {"past the guard": GUARD_MINUTES + 3, "past everything": LEAK_MINUTES + 5}
STEP = 8


@pytest.mark.timeout(4 * 3600 if EVERY else 300)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("asleep", first_then_sweeps(ASLEEP, plain=0))
def test_frozen_at(asleep: str, chunk: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = of_all_workers(tmp_path_factory)
    with closing(Stand(tmp_path / "night", begin)) as stand:
        failures = tried(
            stand,
            f"frozen {asleep}, woken, rolled back",
            lambda night: all_points(SCENARIOS[0], night, shared),
            lambda night, point: woken(night, point, ASLEEP[asleep]),
            step=STEP,
            chunk=chunk,
            sample=2,
        )
    assert not failures, "\n".join(failures)


def woken(night: Night, point: Point, minutes: int) -> list[str]:
    """What is wrong after a run was frozen at a point for so long; nothing if all held.

    Raises:
        NoSuchPointError: the run was over before it.

    """
    seen: dict[str, Any] = {}

    def asleep() -> None:
        before = night.generations()
        night.minutes(minutes)
        after = night.generations()
        seen["fenced"] = [site for site in SITES if before.get(site) != after.get(site)]
        seen["line"] = night.last_line()
        seen["sets"] = night.new_sets()
        seen["wrong"] = night.down()

    short = False
    for _ in range(ATTEMPTS):
        ended = night.backup(point, asleep=asleep)
        if seen:
            break
        if ended.code:
            return [f"ended with {ended.code} before the point: {ended.errors}"]
        short = fell_short(night, point)
        night.minutes(2)
        night.forget_new_sets()
    else:
        if short:
            raise NoSuchPointError
        return [MISSED]
    wrong: list[str] = seen["wrong"]
    fenced = seen["fenced"]
    changed = [line for line in night.changes(seen["line"]) if line["host"] in fenced and not _takes_back(line)]
    wrong += [
        f"changed by the woken one: {line['host']} {line['kind']} {line['what']} {line['to']}" for line in changed
    ]
    wrong += [
        f"published by it: {one.name}"
        for one in night.new_sets()
        if one not in seen["sets"] and one.parent.name in fenced
    ]
    without = [site for site in fenced if site not in {one.parent.name for one in seen["sets"]}]
    if without and ended.code == 0:
        wrong.append(f"exit code 0, although {without} fenced it and has no set")
    return wrong + night.down() + rolled_back(night)


def _takes_back(line: dict[str, Any]) -> bool:
    """Once the guard has done its work and let go, the woken run may take the lease anew and take back what is its own.

    That removes things, and writes the lease and its sign of life; it makes nothing and touches no service.
    """
    if str(line["what"]).rpartition("\\")[2] in {"generation.txt", "lease.txt", "beat.txt"}:
        return True
    if str(line["what"]).endswith(".count"):
        return True  # the guard itself, which goes on counting
    return line["kind"] != "service" and line["to"] in {None, "deleted", "gone", "not mounted"}
