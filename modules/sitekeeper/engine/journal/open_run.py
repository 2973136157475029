"""A run that did not end, as its journal tells it: what was changed and is not undone, and what was finished."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

from pydantic import ValidationError

from sitekeeper.engine import module as modules
from sitekeeper.engine.errors import IntegrityError, UsageError
from sitekeeper.engine.events import HostEnded, HostStarted, HostStatus, RunEnded
from sitekeeper.engine.journal import journal
from sitekeeper.engine.journal.records import (
    Abandoned,
    BlockClosed,
    FactsSet,
    GuardArmed,
    Intent,
    Kept,
    LeaseTaken,
    Outcome,
    PlayDone,
    Registered,
    Rescued,
    RunBegun,
    RunLeft,
    RunResumed,
    StartedOver,
    TaskDone,
    TasksDone,
    Told,
    UndoDone,
    UndoFailed,
    record_of,
)
from sitekeeper.engine.module import Module, UndoPolicy
from sitekeeper.engine.offline import OfflineWindow
from sitekeeper.engine.plan import Record, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class JournaledChange:
    """A change as the journal has it."""

    number: int
    host: str
    path: str
    name: str
    policy: UndoPolicy
    module: type[Module[Any, Any, Any]]
    intent: Record | None
    outcome: Result | None
    round: str = ""
    """Of the loops around it."""


WELL: frozenset[HostStatus] = frozenset({"ok", "partial", "skipped", "rolled back"})
"""How a host ends that has nothing left; what is partial is worth less, and undone like anything else."""


@dataclass(slots=True)
class HostProgress:
    """How far one host came."""

    open: list[JournaledChange] = field(default_factory=list)
    """Changes that are neither undone nor meant to stay, oldest first."""
    finished: dict[tuple[str, str], Any] = field(default_factory=dict)
    """Results of finished tasks, by task path and round of its loops."""
    offline: OfflineWindow | None = None
    """Its offline window, as far as undos noted it."""
    guarded: set[str] = field(default_factory=set)
    """Hosts on which guards were armed."""
    only_undo: bool = False
    """All its tasks are done: only the undo at its play's end is left."""
    abandoned: bool = False
    """Its undo has started, after a failure or by a later process: the rest is undone too, and the host starts over."""
    closed: set[tuple[str, str]] = field(default_factory=set)
    """Guarded blocks that are done and undone, by path and round: their windows are not opened again."""
    plays: set[str] = field(default_factory=set)
    """Paths of the plays that it finished."""
    leased: set[str] = field(default_factory=set)
    """Hosts whose leases were taken: its own, or others that its changes are made on."""
    unwell: bool = False
    """It started and did not finish: lease and guards may be left although no change is open."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run to be resumed or rolled back."""

    folder: Path
    head: RunBegun
    """What the run was asked to do: playbook, inventory, texts, addresses."""
    hosts: Mapping[str, HostProgress]
    ended: bool

    def left(self) -> dict[str, HostProgress]:
        """The hosts on which something may be left: open changes, or a lease or guards that could not be taken away."""
        return {
            host: one for host, one in self.hosts.items() if one.open or (one.unwell and (one.leased or not self.ended))
        }

    @property
    def run_id(self) -> str:
        """The run's id, under which everything of it is marked."""
        return self.head.run

    def file(self, name: str) -> str:
        """A file that the run was given, seen from here: names are relative to the folder in which the run began."""
        there = os.path.normpath(os.path.join(self.head.folder, name))  # noqa: PTH118 - pathlib keeps `..`
        return name if Path(name).exists() or not Path(there).exists() else there


def read(folder: Path) -> OpenRun:
    """Read a run's journal.

    Raises:
        UsageError: there is no such run. IntegrityError: the journal is damaged, or of a version that cannot be read.

    """
    head: RunBegun | None = None
    hosts: dict[str, HostProgress] = {}
    made: dict[int, JournaledChange] = {}
    ended = False
    for row in journal.read(folder):
        progress = hosts.setdefault(row.host, HostProgress()) if row.host else HostProgress()
        try:
            record = record_of(row)
        except IntegrityError:
            if row.kind == Told.kind:
                continue  # an event that is damaged keeps nobody from undoing: without it more counts as left behind
            raise
        match record:
            case RunResumed():
                pass
            case RunBegun():
                head = record
            case Intent() | Outcome() | UndoDone() | Kept():
                _take_in_change(progress, made, row, record)
            case TaskDone():
                progress.finished[(row.task, record.round)] = _result(row, record)
            case LeaseTaken():
                progress.leased.add(record.host)
            case GuardArmed():
                progress.guarded.add(record.host)
            case BlockClosed():
                progress.closed.add((row.task, record.round))
            case Abandoned() | Rescued() | StartedOver() | TasksDone() | PlayDone():
                _take_in_mark(progress, row, record)
            case Told():
                ended = ended or isinstance(record.event, RunEnded)
                if isinstance(record.event, HostStarted):
                    progress.unwell = True
                elif isinstance(record.event, HostEnded):
                    progress.unwell = record.event.status not in WELL
            case RunLeft() | UndoFailed() | Registered() | FactsSet():
                pass
            case _:
                assert_never(record)
    if head is None:
        raise IntegrityError(f"the journal of {folder.name} has no first record")
    return OpenRun(folder, head, hosts, ended)


def _take_in_change(
    progress: HostProgress,
    made: dict[int, JournaledChange],
    row: journal.Row,
    record: Intent | Outcome | UndoDone | Kept,
) -> None:
    """A change that was begun, made, undone or kept."""
    number = row.change or 0
    match record:
        case Intent():
            made[number] = _change(row, record)
            progress.open.append(made[number])
        case Outcome():
            before = made.get(number)
            if before is None:
                raise IntegrityError(f"record {row.seq} (outcome) of the journal has no intent before it")
            after = _with_outcome(before, record.result)
            made[number] = after
            progress.open = [after if one is before else one for one in progress.open]
        case UndoDone():
            progress.open = [one for one in progress.open if one.number != number]
            progress.offline = _offline(row, record) or progress.offline
        case Kept():
            progress.open = [one for one in progress.open if one.number != number]
        case _:
            assert_never(record)


def _take_in_mark(
    progress: HostProgress, row: journal.Row, record: Abandoned | Rescued | StartedOver | TasksDone | PlayDone
) -> None:
    """How far the host's play is."""
    match record:
        case Abandoned():
            progress.abandoned = True
        case Rescued():
            progress.abandoned = False
        case StartedOver():
            progress.abandoned = False
            progress.offline = None
            progress.finished.clear()
            progress.closed.clear()
        case TasksDone():
            progress.only_undo = True
        case PlayDone():
            progress.plays.add(row.task)
            progress.only_undo = False
        case _:
            assert_never(record)


def _offline(row: journal.Row, record: UndoDone) -> OfflineWindow | None:
    notes = record.notes.get("offline")
    try:
        return None if notes is None else OfflineWindow.of_notes(notes)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError(f"record {row.seq} (undone) of the journal cannot be read: offline is damaged") from None


def _change(row: journal.Row, record: Intent) -> JournaledChange:
    found = _module(record.module)
    intent: Record | None = None
    if record.intent is not None and found.intent_type is not None:
        intent = _model(found.intent_type, record.intent, row)
    return JournaledChange(
        number=row.change or 0,
        host=row.host,
        path=row.task,
        name=record.name,
        policy=record.policy,
        module=found,
        intent=intent,
        outcome=None,
        round=record.round,
    )


def _with_outcome(change: JournaledChange, data: Any) -> JournaledChange:
    try:
        outcome = change.module.result_type.model_validate(data)
    except ValidationError:
        outcome = None  # undo works without it
    return JournaledChange(
        number=change.number,
        host=change.host,
        path=change.path,
        name=change.name,
        policy=change.policy,
        module=change.module,
        intent=change.intent,
        outcome=outcome,
        round=change.round,
    )


def _result(row: journal.Row, record: TaskDone) -> Any:
    """The result of a finished task: of its module's type, or what was registered for a skipped one."""
    if not record.module:
        return record.result
    return _model(_module(record.module).result_type, record.result, row)


def _module(name: str) -> type[Module[Any, Any, Any]]:
    try:
        return modules.find(name)
    except UsageError as error:
        raise IntegrityError(f"the journal names a module that is not here: {name}", hint=error.hint) from None


def _model(kind: type[Record], data: Any, row: journal.Row) -> Record:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise IntegrityError(
            f"record {row.seq} ({row.kind}) of the journal cannot be read by this version: {error.errors()[0]['msg']}"
        ) from None
