"""What is killed at its points, and how it is taken up again; the points are numbered by clean runs."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import yaml

from .night import GUARD_MINUTES, LEAK_MINUTES, ROOT, SITES, Night, Scene
from .points import Ended, Point
from .trying import EVERY, MISSED, NoSuchPointError

MINUTES_OF_MAINTENANCE = 45
IDLE_MINUTES = 4
"""After these even an old host has deleted the shells of a dead process, of which it allows a user five."""
ATTEMPTS = 5
"""How often a point is tried that a run did not come to: polls and signs of life are not the same number every time."""
POLLS = 5
"""So many calls more of a host a run may have when it was numbered: it polled more often on a busier machine."""
CLEAN_RUNS = 3 if EVERY else 1
S = TypeVar("S", bound=Scene)


@dataclass(frozen=True, slots=True)
class Scenario(Generic[S]):
    """What is killed, and how it is taken up again."""

    name: str
    killed: Callable[[S, Point | None], Ended]
    """Come to the command, and run it, killed at the point."""
    taken_up: Callable[[S], list[str]]
    """What is wrong afterwards."""
    wanted: Callable[[list[Point], int], list[Point]] = lambda reached, _: reached
    """Which of the points, given how many came before the first start of a service."""
    step: int = 1
    """With ``make chaos``: every so many of them."""
    sample: int = 2
    journaled: bool = False
    """Whether it is a run of its own, whose journal's records are points, too."""
    numbered_as: str = ""
    """What has the same points, and numbers them once for all of it."""


def backup(night: Night, point: Point | None) -> Ended:
    return night.backup(point)


def failing(night: Night, point: Point | None) -> Ended:
    """A backup that fails with everything open."""
    plays = yaml.safe_load((ROOT / "playbooks/backup.yml").read_text())
    window = next(task for task in plays[0]["tasks"] if "block" in task)
    window["block"].append({"name": "Fail", "core.fail": {"msg": "asked for"}})
    book = night.root / "failing.yml"
    book.write_text(yaml.safe_dump(plays, sort_keys=False))
    return night.backup(point, book)


def half_done(command: str) -> Callable[[Night, Point | None], Ended]:
    """A backup that was killed inside its window, taken up by a command that is killed too."""

    def killed(night: Night, point: Point | None) -> Ended:
        while not night.backup(Point("native", "PR2", 18, "inside")).killed:
            night.forget_new_sets()
        night.minutes(IDLE_MINUTES)
        return night.again(command, night.newest_run(), point)

    return killed


def guard_then_resume(night: Night) -> list[str]:
    """We are gone for good; the sites help themselves. Hours later the run is resumed."""
    night.minutes(GUARD_MINUTES + 2)
    wrong = night.down()
    night.minutes(MINUTES_OF_MAINTENANCE - GUARD_MINUTES)
    there = night.aftermath
    wrong += there.maintenance()
    night.minutes(LEAK_MINUTES + 2 - MINUTES_OF_MAINTENANCE)
    return wrong + there.copies() + there.leases() + there.damaged(night.earlier) + resumed(night)


def resumed(night: Night) -> list[str]:
    """Resumed at once: every site has one new set."""
    if not begun(night):
        return night.aftermath.traces() + well_ended(night.backup(), night)
    return well_ended(night.again("resume", night.newest_run()), night)


def failed(ended: Ended) -> list[str]:
    """Why a command that takes a run up failed; that the run had ended before the kill is no failure."""
    return (
        [f"exit code {ended.code}: {ended.errors}"]
        if ended.code and "nothing to resume or roll back" not in ended.said
        else []
    )


def well_ended(ended: Ended, night: Night) -> list[str]:
    wrong = failed(ended)
    night.minutes(2)
    new = [one.name for one in night.new_sets()]
    sites = sorted(name.partition("-")[0] for name in new)
    return wrong + night.left() + ([f"new sets: {new}"] if sites != sorted(SITES) else [])


def rolled_back(night: Night) -> list[str]:
    """Rolled back at once: nothing is left."""
    wrong = []
    if begun(night):
        wrong = failed(night.again("rollback", night.newest_run()))
    night.minutes(2)
    return wrong + night.left()


def begun(night: Scene) -> bool:
    """Whether the journal came to its first record; before that nothing is done."""
    journal = night.runs / night.newest_run() / "journal.db"
    if not night.newest_run() or not journal.is_file():
        return False
    return any(kind == "run" for _, kind in records(night))


def records(night: Scene) -> list[tuple[str, str]]:
    """Host and kind of every record of the newest run."""
    connection = sqlite3.connect(night.runs / night.newest_run() / "journal.db")
    try:
        return list(connection.execute("SELECT host, kind FROM record ORDER BY seq"))
    except sqlite3.OperationalError:
        return []  # not even a table yet
    finally:
        connection.close()


def after_the_first_start(reached: list[Point], before: int) -> list[Point]:
    return reached[before:]


SCENARIOS = [
    Scenario("killed, the guard acts, resumed", backup, guard_then_resume, journaled=True),
    Scenario("killed, rolled back at once", backup, rolled_back, journaled=True),
    Scenario("killed, resumed at once", backup, resumed, step=4, journaled=True),
    Scenario(
        "killed while a failure is undone, rolled back",
        failing,
        rolled_back,
        after_the_first_start,
        step=2,
        sample=1,
        journaled=True,
    ),
    Scenario("resume killed, resumed", half_done("resume"), resumed, step=8, sample=1),
    Scenario("rollback killed, rolled back", half_done("rollback"), rolled_back, step=2, sample=1),
]


def numbered(scenario: Scenario[S], night: S) -> list[Point]:
    """The points that several clean runs came to."""
    runs = [_clean(scenario, night) for _ in range(CLEAN_RUNS)]
    return [point for point in runs[0] if all(point in other for other in runs[1:])]


def _clean(scenario: Scenario[S], night: S) -> list[Point]:
    ended = scenario.killed(night, None)
    assert not ended.killed, ended.said
    points = scenario.wanted(list(night.watch.reached), night.watch.first_start)
    seen: Counter[str] = Counter()
    for host, _ in records(night) if scenario.journaled else ():
        seen[host] += 1
        points += [Point("record", host, seen[host], when) for when in ("before", "after")]
    night.minutes(IDLE_MINUTES)
    assert night.left() == []
    night.forget_new_sets()
    return points


def all_points(scenario: Scenario[S], night: S, shared: Path) -> list[Point]:
    """The points of a scenario, numbered once for all workers."""
    file = shared / f"points of {scenario.numbered_as or scenario.name}.json"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.is_file():
            file.write_text(json.dumps([asdict(point) for point in numbered(scenario, night)]))
    return [Point(**one) for one in json.loads(file.read_text())]


def held(scenario: Scenario[S], night: S, point: Point) -> list[str]:
    """What is wrong after a kill at this point; nothing if all held.

    Raises:
        NoSuchPointError: every run was over a few calls before it.

    """
    short = []
    for _ in range(ATTEMPTS):
        if scenario.killed(night, point).killed:
            return scenario.taken_up(night)
        short.append(fell_short(night, point))
        night.minutes(IDLE_MINUTES)
        if left := night.left():
            return [f"ended before the point, and left {left}"]
        night.forget_new_sets()
    if all(short):
        raise NoSuchPointError
    return [MISSED]


def fell_short(night: Scene, point: Point) -> bool:
    """Whether the run that is over asked its host a few times less than would have brought it to the point."""
    came_to = night.watch.counts[
        point.kind, point.host
    ]  # none of what is not asked of a host: a record is always there
    return came_to > 0 and 0 < point.number - came_to <= POLLS
