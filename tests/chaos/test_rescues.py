"""SIGKILL at every point of a drill, a restore and the site's own backup task: nothing is left, nothing is lost.

``make chaos`` tries them all; the suite takes one way of taking each up, and a few points of it, by chance.
"""

from __future__ import annotations

import random
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from tests.sweeping import first_then_sweeps

from .points import Point
from .rescue import Rescue
from .rescue_scenarios import RESCUES
from .scenarios import Scenario, all_points, held
from .trying import CHUNKS, EVERY, Stand, of_all_workers, tried


@pytest.mark.timeout(4 * 3600 if EVERY else 300)
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("name", first_then_sweeps(RESCUES))
def test_killed_at(name: str, chunk: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    begin, scenarios = RESCUES[name]
    shared = of_all_workers(tmp_path_factory)
    failures = []
    with closing(Stand(tmp_path / "scene", begin)) as stand:
        for scenario in scenarios if EVERY else random.sample([one for one in scenarios if one.sample], 1):
            failures += tried(
                stand,
                scenario.name,
                partial(_points, scenario, shared),
                partial(held, scenario),
                step=scenario.step,
                chunk=chunk,
                sample=scenario.sample,
            )
    assert not failures, "\n".join(failures)


def _points(scenario: Scenario[Rescue], shared: Path, scene: Rescue) -> list[Point]:
    return all_points(scenario, scene, shared)
