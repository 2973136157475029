"""SIGKILL at every point of a backup, of its undo, of resume and of rollback: the sites come back, the run is taken up.

``make chaos`` tries them all; the suite takes a few at random (by the seed that pytest-randomly prints).
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests.sweeping import first_then_sweeps

from .night import Night
from .points import Point
from .scenarios import SCENARIOS, Scenario, all_points, backup, held
from .trying import CHUNKS, EVERY, Stand, begin, of_all_workers, tried

LEAST = 1200
"""Points of one backup. It may not fall without a line in CHANGELOG.md that says why."""


@pytest.mark.timeout(4 * 3600 if EVERY else 300)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("scenario", first_then_sweeps(SCENARIOS, lambda one: one.name))
def test_killed_at(
    scenario: Scenario[Night], chunk: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def points(night: Night) -> list[Point]:
        found = all_points(scenario, night, of_all_workers(tmp_path_factory))
        assert scenario.killed is not backup or len(found) >= LEAST, "fewer points: say why in CHANGELOG.md"
        return found

    with closing(Stand(tmp_path / "night", begin)) as stand:
        failures = tried(
            stand,
            scenario.name,
            points,
            lambda night, point: held(scenario, night, point),
            step=scenario.step,
            chunk=chunk,
            sample=scenario.sample,
            turn=SCENARIOS.index(scenario),
        )
    assert not failures, "\n".join(failures)
