"""Drills, restores and backup tasks that are killed, how they are taken up again, and what may be left of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .points import Ended, Point
from .rescue import SCRATCH, Rescue
from .scenarios import Scenario, begun, failed, records
from .task_scenarios import begin_task, collected, taken_back, task

UNDO = 13


@dataclass(frozen=True, slots=True)
class Way:
    """A command, and what is right after it."""

    start: Callable[[Rescue, Point | None], Ended]
    done: Callable[[Rescue], list[str]]
    """What is wrong after it went to its end."""
    undone: Callable[[Rescue], list[str]]
    """What is wrong after it was taken back."""

    def resumed(self, scene: Rescue) -> list[str]:
        if scene.slow is not None:
            scene.slow.watched = True
        ended = scene.again("resume", scene.newest_run()) if begun(scene) else self.start(scene, None)
        wrong = failed(ended)
        _setup_ends(scene)
        scene.minutes(2)
        return wrong + scene.left() + self.done(scene)

    def rolled_back(self, scene: Rescue) -> list[str]:
        wrong = []
        if begun(scene):
            at_work = _at_work(scene)
            ended = scene.again("rollback", scene.newest_run())
            if at_work and ended.code != UNDO:
                wrong.append(f"setup is at work, and the rollback ended with {ended.code}")
            if ended.code == UNDO and _setup(scene) == "at work":
                wrong += _still_laid(scene)
                _setup_ends(scene)
                ended = scene.again("rollback", scene.newest_run())
            wrong += failed(ended)
        _setup_ends(scene)
        scene.minutes(2)
        return wrong + scene.left() + (recovered(scene) + _taken_off(scene) if _setup(scene) else self.undone(scene))


# Drills.


def drill(*more: str) -> Callable[[Rescue, Point | None], Ended]:
    def start(scene: Rescue, point: Point | None) -> Ended:
        given = ["-e", f"drill_on={SCRATCH}", "-e", f"store_identity={scene.key}"]
        return scene.book("drill", "PR2", *given, *more, point=point)

    return start


def drilled(scene: Rescue) -> list[str]:
    marks = [_drilled(one) for one in scene.aftermath.sets()]
    return never_asked(scene) + ([] if marks == ["ok"] else [f"marked {marks}"])


def not_failed(scene: Rescue) -> list[str]:
    marks = [_drilled(one) for one in scene.aftermath.sets()]
    return never_asked(scene) + ([] if marks in ([""], ["ok"]) else [f"marked {marks}"])


def never_asked(scene: Rescue) -> list[str]:
    asked = scene.asked("PR2")
    return [f"the site server was asked {asked} times"] if asked else []


def _drilled(folder: Path) -> str:
    file = folder / "marks.json"
    found = json.loads(file.read_text())["drilled"] if file.is_file() else None
    return str(found["result"]) if found else ""


# Restores of PR2, which is lost.


def restore(scene: Rescue, point: Point | None) -> Ended:
    assert scene.slow is not None
    scene.slow.watched = True
    ended = restore_of("PR2")(scene, point)
    scene.slow.watched = False
    return ended


def restore_of(site: str) -> Callable[[Rescue, Point | None], Ended]:
    def start(scene: Rescue, point: Point | None) -> Ended:
        given = ["-e", f"confirm={site}", "-e", f"book={scene.root / 'book'}"]
        return scene.book("restore", site, *given, point=point)

    return start


def _setup(scene: Rescue) -> str:
    """How far setup is, as its files say: nothing, at work, or its exit code."""
    folder = (
        scene.path("PR2", f"C:\\sitekeeper\\{scene.newest_run()}\\setup") if scene.slow is not None else Path("/none")
    )
    if not (folder / "setup.started").is_file():
        return ""
    code = folder / "setup.code"
    return (code.read_text().strip() if code.is_file() else "") or "at work"


def _at_work(scene: Rescue) -> bool:
    """Whether setup is at work and stays so; what the killed run had begun ends first."""
    slow = scene.slow
    if slow is None:
        return False
    scene.wait_until(lambda: slow.waits or _setup(scene) != "at work")
    return slow.waits


def _setup_ends(scene: Rescue) -> None:
    if scene.slow is not None:
        scene.slow.go()
        scene.wait_until(lambda: _setup(scene) != "at work")


def _still_laid(scene: Rescue) -> list[str]:
    """Setup reads its program, its script and the database or the task's backup."""
    stage = scene.work_dir("PR2") / f"{scene.newest_run()}-stage"
    lacks = [one for one in ("recover.ini", "CD.Latest/SMSSETUP/BIN/X64/setup.exe") if not (stage / one).is_file()]
    if "CM_PR2" not in scene.databases("PR2") and not (stage / "PR2Backup/SiteDBServer").is_dir():
        lacks.append("its database")
    return [f"taken away while setup was at work: {lacks}"] if lacks else []


def _taken_off(scene: Rescue) -> list[str]:
    """After a rollback nothing lies beside the recovered site but the files of its database."""
    if _over(scene):
        return []
    return [f"E:\\Restore: {name}" for name in scene.laid("PR2") if name != scene.newest_run()]


def _over(scene: Rescue) -> bool:
    """Whether the journal said already that what was laid beside is meant to stay: then there is nothing to take back."""
    return begun(scene) and any(kind == "kept" for _, kind in records(scene))


def recovered(scene: Rescue) -> list[str]:
    """Setup has run once, to its end; the site runs, and has its database."""
    log = scene.path("PR2", "C:\\ConfigMgrSetup.log")
    lines = [line for line in (log.read_text() if log.is_file() else "").splitlines() if "recovery:" in line]
    wrong = [] if len(lines) == 1 and "completed" in lines[0] else [f"ConfigMgrSetup.log: {lines}"]
    wrong += scene.aftermath.down("PR2")
    wrong += [] if scene.databases("PR2") == ["CM_PR2"] else [f"databases {scene.databases('PR2')}"]
    allowed = {scene.newest_run(), f"{scene.newest_run()}-stage"}
    return wrong + [f"E:\\Restore: {name}" for name in scene.laid("PR2") if name not in allowed]


def untouched(scene: Rescue) -> list[str]:
    """The lost site is as lost as it was."""
    wrong = [f"database {name}" for name in scene.databases("PR2")]
    wrong += [f"E:\\Restore: {name}" for name in scene.laid("PR2")]
    wrong += ["a site is installed"] if scene.aftermath.state("PR2").machine.site is not None else []
    return wrong + (["setup has run"] if scene.path("PR2", "C:\\ConfigMgrSetup.log").is_file() and _ran(scene) else [])


def _ran(scene: Rescue) -> bool:
    return "recovery:" in scene.path("PR2", "C:\\ConfigMgrSetup.log").read_text()


# 2007: the task's backup is laid beside the site that was installed anew.


def laid_beside(scene: Rescue) -> list[str]:
    stage = f"{scene.newest_run()}-stage"
    wrong = [] if scene.laid("PR1") == [stage] else [f"D:\\Restore: {scene.laid('PR1')}"]
    whole = scene.work_dir("PR1") / stage / "PR1Backup/SiteServer/SMSbkSiteRegSMS.dat"
    return wrong + scene.aftermath.down("PR1") + ([] if whole.is_file() else ["no backup is laid beside"])


def nothing_beside(scene: Rescue) -> list[str]:
    if _over(scene) and scene.laid("PR1"):
        return laid_beside(scene)
    return scene.aftermath.down("PR1") + [f"D:\\Restore: {name}" for name in scene.laid("PR1")]


# What is tried.


def _drills(root: Path) -> Rescue:
    scene = Rescue(root, "PR2", SCRATCH)
    scene.has_set("PR2")
    scene.ready()
    return scene


def _sealed(root: Path) -> Rescue:
    scene = Rescue(root, "PR2", SCRATCH)
    scene.has_set("PR2", "backup", *scene.seals())
    scene.ready()
    return scene


def _lost(book: str) -> Callable[[Path], Rescue]:
    def begin(root: Path) -> Rescue:
        scene = Rescue(root, "PR2")
        scene.has_set("PR2", book)
        scene.ready(wrecked=True)
        return scene

    return begin


def _old(root: Path) -> Rescue:
    scene = Rescue(root, "PR1")
    scene.has_set("PR1", "backup_task")
    for deed in ("wreck", "install"):  # the wizard repairs a site that was installed anew, and never one that lives
        scene.lab.operate("PR1", deed)
    scene.ready()
    return scene


DRILL = Way(drill(), drilled, not_failed)
TASK = Way(task, collected, taken_back)
RESTORE = Way(restore, recovered, untouched)
BESIDE = Way(restore_of("PR1"), laid_beside, nothing_beside)


def at_work(reached: list[Point], _: int) -> list[Point]:
    """From the start of the task that runs setup until it has been looked at once; then it goes on."""
    last = max(number for number, one in enumerate(reached) if one.kind == "native")
    return reached[last : last + 4]


def both(
    name: str, way: Way, sample: int, step: int = 1, *, only_disk: bool = False
) -> tuple[Scenario[Rescue], Scenario[Rescue]]:
    def scenario(how: str, taken_up: Callable[[Rescue], list[str]]) -> Scenario[Rescue]:
        return Scenario(
            f"{name} killed, {how}",
            way.start,
            taken_up,
            wanted=on_disk if only_disk else all_of,
            step=step,
            sample=sample,
            journaled=not only_disk,
            numbered_as=name,
        )

    return scenario("resumed", way.resumed), scenario("rolled back", way.rolled_back)


def all_of(reached: list[Point], _: int) -> list[Point]:
    return reached


def on_disk(reached: list[Point], _: int) -> list[Point]:
    """Where a private copy is made and deleted; the other points are those of a drill of a plain set."""
    return [one for one in reached if one.kind == "disk"]


RESCUES: dict[str, tuple[Callable[[Path], Rescue], tuple[Scenario[Rescue], ...]]] = {
    "drill": (_drills, both("drill", DRILL, 2)),
    "drill of a sealed set": (_sealed, both("drill of a sealed set", DRILL, 2, step=5, only_disk=True)),
    "restore, option 20": (
        _lost("backup"),
        (
            *both("restore from a snapshot set", RESTORE, 1),
            Scenario(
                "restore killed while setup is at work, rolled back", restore, RESTORE.rolled_back, at_work, sample=1
            ),
            Scenario("restore killed while setup is at work, resumed", restore, RESTORE.resumed, at_work, sample=0),
        ),
    ),
    "restore, option 10": (_lost("backup_task"), both("restore from a set of the task", RESTORE, 1, step=2)),
    "restore of 2007": (_old, both("restore of 2007", BESIDE, 1, step=2)),
    "backup task": (begin_task, both("backup task", TASK, 1, step=2)),
}
"""Where each is tried, and what."""
