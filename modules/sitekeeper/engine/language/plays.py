"""Playbooks as frozen values: plays, blocks and tasks, with the places where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sitekeeper.engine.module import Module, UndoPolicy
from sitekeeper.engine.origin import Origin, Origins


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: a module with its parameters, and the keywords around it."""

    path: str
    """Where it is in the playbook, e.g. ``0.tasks.4.block.1``: the journal's name for it."""
    name: str
    module: type[Module[Any, Any, Any]]
    params: dict[str, Any]
    origins: Origins
    """Looks from the parameters."""
    origin: Origin
    body: Origins
    """Looks from the task, for its keywords."""
    vars: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    when: Any = True
    register: str | None = None
    loop: Any = None
    retries: int = 0
    until: Any = None
    delay: timedelta = timedelta(seconds=5)
    failed_when: Any = None
    ignore_errors: bool = False
    undo: UndoPolicy = "never"
    deadline: timedelta | None = None
    uses: Any = ()
    """Names of limits, templates among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Tasks that share keywords; an include is a block of the included file's tasks."""

    path: str
    name: str
    tasks: tuple[Task | Block, ...]
    rescue: tuple[Task | Block, ...] = ()
    always: tuple[Task | Block, ...] = ()
    origin: Origin
    body: Origins
    """Looks from the block, for its keywords."""
    vars: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    when: Any = True
    loop: Any = None
    deadline: timedelta | None = None
    window: bool = False
    """It says ``guard:``, be it ``none``: a site's services may be stopped in it."""
    guard: timedelta | None = None
    keep: timedelta = timedelta(hours=6)
    scoped: bool = True
    """False for an include: ``undo: block`` in it belongs to the block around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Tasks for some hosts."""

    path: str
    name: str
    hosts: str
    tasks: tuple[Task | Block, ...]
    origin: Origin
    origins: Origins
    vars: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    order: str = "inventory"
    serial: tuple[str | int, ...] = ()
    max_fail_percentage: float = 100.0
    branch_windows: str = "one"
    """How many windows at once on a line of the hierarchy: one, or any number."""

    def walk(self) -> Iterator[tuple[Task, tuple[Block, ...]]]:
        """Every task with the blocks around it, in the order of the file."""
        yield from walk(self.tasks)


@dataclass(frozen=True, slots=True)
class Playbook:
    """A file of plays."""

    file: str
    plays: tuple[Play, ...]
    texts: dict[str, str]
    """Source text of every file it is made of, by name."""

    def tags(self) -> list[frozenset[str]]:
        """The tags of every task: its own, and those of the play and the blocks around it."""
        return [
            play.tags.union(task.tags, *(block.tags for block in around))
            for play in self.plays
            for task, around in play.walk()
        ]


def walk(items: tuple[Task | Block, ...], around: tuple[Block, ...] = ()) -> Iterator[tuple[Task, tuple[Block, ...]]]:
    """Every task of a list with the blocks around it, in the order of the file."""
    for item in items:
        if isinstance(item, Task):
            yield item, around
        else:
            for part in (item.tasks, item.rescue, item.always):
                yield from walk(part, (*around, item))
