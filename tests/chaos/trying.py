"""Many points, one after the other, in one lab as long as it is as it was afterwards."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from .night import ROOT, Night, Scene
from .points import Point

REST = os.environ.get("SITEKEEPER_CHAOS") == "rest"
"""Go on with what was stopped: what stands in ``.chaos`` and held is not tried again."""
EVERY = REST or os.environ.get("SITEKEEPER_CHAOS") == "all"
CHUNKS = 12 if EVERY else 1
SHARE = int(os.environ.get("SITEKEEPER_CHAOS_SHARE", "1"))
"""Every so many of the points, where there is no time for all: two runs with 2 try all of them, if ``TURN`` is 0 and 1."""
TURN = int(os.environ.get("SITEKEEPER_CHAOS_TURN", "0"))
S = TypeVar("S", bound=Scene)


MISSED = "missed: no run came to this point"
REPLACED = 3
"""So many other points at most are tried for each of a sample that no run comes to."""


class NoSuchPointError(Exception):
    """The runs are a little shorter now than when their points were numbered: this one is none, and does not count as tried."""


def of_all_workers(factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of one session have in common."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def begin(folder: Path) -> Night:
    """A new lab, and a good set of every site."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    night = Night(folder)
    ended = night.backup()
    assert ended.code == 0, ended.said
    night.keep_sets()
    return night


class Stand(Generic[S]):
    """Where points are tried: a lab, and a new one after a point that did not hold."""

    def __init__(self, folder: Path, begun: Callable[[Path], S]) -> None:
        self._folder = folder
        self._begun = begun
        self.scene = begun(folder)

    def renew(self) -> None:
        """Whatever is left of this one is no beginning for the next."""
        self.close()
        shutil.rmtree(self._folder)
        self.scene = self._begun(self._folder)

    def close(self) -> None:
        self.scene.close()


def tried(
    stand: Stand[S],
    name: str,
    points: Callable[[S], list[Point]],
    wrong_at: Callable[[S, Point], list[str]],
    *,
    step: int,
    chunk: int,
    sample: int,
    turn: int = 0,
) -> list[str]:
    """Try a worker's share of the points; answers those that did not hold, with what was wrong.

    ``turn``: with which of them a share begins, so that what one scenario leaves out another one tries.
    """
    failures, absent = [], 0
    numbered = points(stand.scene)
    first = (turn + TURN) % SHARE * step
    mine = numbered[first :: step * SHARE][chunk::CHUNKS] if EVERY else spread(numbered, sample)
    before = {one["point"] for one in held_before("points.jsonl") if one["scenario"] == name}
    mine = [point for point in mine if str(point) not in before]
    again = 0 if EVERY else REPLACED * len(mine)
    for point in mine:
        wrong: list[str] = []
        absent_here = False
        try:
            wrong = wrong_at(stand.scene, point)
            absent_here = wrong == [MISSED] and again > 0
            if not absent_here:
                _write_down(name, point, wrong)
        except NoSuchPointError:
            absent_here = True
        if absent_here:
            wrong = []
            if again:  # of a sample another point is tried in its place: the runs were numbered on a busier machine
                again -= 1
                mine.append(random.choice(numbered))  # noqa: S311 - no secret
            else:
                absent += 1
        if wrong:
            failures.append(f"{point}: {wrong}")
            stand.renew()
        stand.scene.forget_new_sets()
        stand.scene.restart_winrm()
    if absent > 1 + len(mine) // 20:
        failures.append(f"{absent} of {len(mine)} points were no points: how are they numbered?")
    return failures


def held_before(file: str) -> list[dict[str, Any]]:
    """What a run that is gone on with had tried, and held."""
    found = ROOT / ".chaos" / file
    lines = [json.loads(line) for line in found.read_text().splitlines()] if REST and found.is_file() else []
    return [one for one in lines if not one["wrong"]]


def spread(numbered: list[Point], sample: int) -> list[Point]:
    """One by chance out of every so many, so that the beginning and the end of a run have their turn, too."""
    sample = min(sample, len(numbered))
    edges = [len(numbered) * number // sample for number in range(sample + 1)] if sample else [0]
    return [random.choice(numbered[low:high]) for low, high in pairwise(edges)]  # noqa: S311 - no secret


def _write_down(name: str, point: Point, wrong: list[str]) -> None:
    """One line for docs/reliability.md, when all points are tried."""
    if EVERY:
        (ROOT / ".chaos").mkdir(exist_ok=True)
        line = {
            "scenario": name,
            "kind": point.kind,
            "host": point.host,
            "point": str(point),
            "held": not wrong,
            "wrong": wrong,
        }
        with (ROOT / ".chaos" / "points.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
