"""A control host that sleeps past the guard and wakes up again: it changes and publishes nothing more on a site that fenced it.

It may still take back what is its own, with a new lease, if nobody else has it: what rollback does.
What it had sent when it fell asleep arrives when it wakes up: after the guard has acted.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from .night import GUARD_MINUTES, LEAK_MINUTES, SITES, Night
from .points import Point
from .test_every_point import CHUNKS, EVERY, SCENARIOS, SHARE, Scenario, all_points, begin, rolled_back, told

ASLEEP = {"past the guard": GUARD_MINUTES + 3, "past everything": LEAK_MINUTES + 5}
STEP = 8


@pytest.mark.timeout(4 * 3600 if EVERY else 180)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("asleep", ASLEEP)
def test_frozen_at(
    asleep: str, chunk: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    scenario = Scenario(f"frozen {asleep}, woken, rolled back", SCENARIOS[0].killed, rolled_back)
    failures = []
    night = begin(tmp_path / "night")
    try:
        points = all_points(SCENARIOS[0], night, shared)
        for point in points[:: STEP * SHARE][chunk::CHUNKS] if EVERY else random.sample(points, 2):
            wrong = woken(night, point, ASLEEP[asleep])
            told(scenario, point, wrong)
            if wrong:
                failures.append(f"{point}: {wrong}")
                night.close()
                night = begin(tmp_path / "night")
            night.forget_new_sets()
            capfd.readouterr()
    finally:
        night.close()
    assert not failures, "\n".join(failures)


def woken(night: Night, point: Point, minutes: int) -> list[str]:
    """What is wrong after a run was frozen at a point for so long; nothing if all held."""
    seen: dict[str, Any] = {}

    def asleep() -> None:
        before = night.generations()
        night.minutes(minutes)
        after = night.generations()
        seen["fenced"] = [site for site in SITES if before.get(site) != after.get(site)]
        seen["line"] = night.last_line()
        seen["sets"] = night.new_sets()
        seen["wrong"] = night.down()

    ended = night.backup(point, asleep=asleep)
    if not seen:
        return [] if ended.code == 0 else [f"ended with {ended.code} before the point: {ended.errors}"]
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
    if fenced and ended.code == 0:
        wrong.append(f"exit code 0, although {fenced} fenced it")
    return wrong + night.down() + rolled_back(night)


def _takes_back(line: dict[str, Any]) -> bool:
    """Once the guard has done its work and let go, the woken run may take the lease anew and take back what is its own.

    That removes things, and writes the lease and its sign of life; it makes nothing and touches no service.
    """
    if str(line["what"]).rpartition("\\")[2] in {"generation.txt", "lease.txt", "beat.txt"}:
        return True
    return line["kind"] != "service" and line["to"] in {None, "deleted", "gone", "not mounted"}
