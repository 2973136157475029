"""Runs of ConfigMgr's own backup task that are killed: the backup that was there before is never lost.

What may stay is decided in docs/decisions/008-backup-task.md: three rows of a table.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.backup_task.conftest import beside, destination, is_new, is_previous, lay_previous

from .points import Ended, Point
from .rescue import Rescue


class Task(Rescue):
    """A site whose task has made a backup last week."""

    def state(self, host: str) -> object:
        """What the helpers of the task's own tests ask."""
        return self.aftermath.state(host)

    def forget_new_sets(self) -> None:
        super().forget_new_sets()
        for one in destination(self).iterdir():
            shutil.rmtree(one)
        lay_previous(self)


def begin_task(root: Path) -> Task:
    scene = Task(root, "PR2")
    scene.has_set("PR2", "backup_task")
    scene.ready()
    return scene


def task(scene: Rescue, point: Point | None) -> Ended:
    return scene.book("backup_task", "PR2", point=point)


NEW = ("the new one",)
PREVIOUS = ("the previous one",)
BOTH = ("the new one", "the previous one beside it")


def collected(scene: Rescue) -> list[str]:
    """First row: this run's set is in the store."""
    new = [one.name for one in scene.new_sets()]
    return ([] if len(new) == 1 else [f"new sets: {new}"]) + _site_runs(scene) + _lies(scene, NEW)


def taken_back(scene: Rescue) -> list[str]:
    """One of the three rows."""
    return _site_runs(scene) + (_lies(scene, NEW) if scene.new_sets() else _lies(scene, PREVIOUS, BOTH))


def _site_runs(scene: Rescue) -> list[str]:
    task = scene.aftermath.state("PR2").service("SMS_SITE_BACKUP").state
    return scene.aftermath.down("PR2") + ([] if task == "Stopped" else [f"the task is {task}"])


def _lies(scene: Rescue, *allowed: tuple[str, ...]) -> list[str]:
    """What lies in the task's destination must be one of these."""
    found = []
    for one in sorted(destination(scene).iterdir()):
        which = "the new one" if is_new(one) else "the previous one" if is_previous(one) else "what is none"
        found.append(f"{which} beside it" if one in beside(scene) else which)
    return [] if tuple(found) in allowed else [f"in the task's destination: {found}"]
