"""The records of a journal, one frozen class a kind. What a journal holds is written and read here and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol, Self

from pydantic import TypeAdapter, ValidationError

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.events import Event, event_of
from sitekeeper.engine.module import UndoPolicy
from sitekeeper.engine.plain import plain


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """Base of all records. ``kind`` is the word in the journal's column of that name; it never changes."""

    kind: ClassVar[str]

    def data(self) -> Any:
        """What the journal's column ``data`` holds, as JSON can hold it."""
        return {one.name: plain(getattr(self, one.name)) for one in dataclasses.fields(self)}

    @classmethod
    def of(cls, data: Any) -> Self:
        """The record from what ``data`` returned.

        Raises:
            pydantic.ValidationError: it is not such data.

        """
        record: Self = _adapter(cls.kind).validate_python(data)
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegun(JournalRecord):
    """A run began: what it was asked to do, and everything that a later process needs to take it up."""

    kind: ClassVar[str] = "run"

    run: str
    """The run's id."""
    folder: str = ""
    """Working directory of the process: the names of files below are relative to it."""
    playbook: str
    inventory: str
    check: bool
    limit: str | None
    extra: dict[str, Any]
    """``-e``; secrets as their references."""
    texts: dict[str, str]
    """The playbook's files and their contents."""
    version: str
    """Of sitekeeper."""
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    forks: int = 8
    hosts: dict[str, dict[str, Any]]
    """Each host's variables; secrets as their references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(RunBegun):
    """A later process goes on with the run."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True, slots=True)
class RunLeft(JournalRecord):
    """The operator's second Ctrl-C: the process left without undoing anything."""

    kind: ClassVar[str] = "left"


@dataclass(frozen=True, slots=True)
class Told(JournalRecord):
    """An event, as all reports were told it."""

    kind: ClassVar[str] = "event"

    event: Event

    def data(self) -> Any:
        return self.event.as_dict()

    @classmethod
    def of(cls, data: Any) -> Self:
        return cls(event_of(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(JournalRecord):
    """A change is about to be made."""

    kind: ClassVar[str] = "intent"

    module: str
    policy: UndoPolicy
    name: str
    """Name of the task."""
    round: str
    """Round of the loops around the task."""
    intent: Any
    """What the module's undo needs; None where it needs nothing."""


@dataclass(frozen=True, slots=True)
class Outcome(JournalRecord):
    """A change was made."""

    kind: ClassVar[str] = "outcome"

    result: Any
    """The module's result."""

    def data(self) -> Any:
        return plain(self.result)

    @classmethod
    def of(cls, data: Any) -> Self:
        return cls(_mapping(data))


@dataclass(frozen=True, slots=True)
class UndoDone(JournalRecord):
    """A change was undone."""

    kind: ClassVar[str] = "undone"

    msg: str
    notes: dict[str, Any] = field(default_factory=dict)
    """The host's notes after it: the offline window."""


@dataclass(frozen=True, slots=True)
class UndoFailed(JournalRecord):
    """A change could not be undone: it stays open."""

    kind: ClassVar[str] = "undo failed"

    word: str
    """Class of the error."""
    msg: str


@dataclass(frozen=True, slots=True)
class Kept(JournalRecord):
    """The play is over, and the change is meant to stay."""

    kind: ClassVar[str] = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone(JournalRecord):
    """A task, or one round of its loop, is finished: a resumed run does not run it again."""

    kind: ClassVar[str] = "done"

    round: str
    module: str
    """Whose result it is; empty where the task was skipped or its failure ignored."""
    result: Any


@dataclass(frozen=True, slots=True)
class Registered(JournalRecord):
    """A result was given a name."""

    kind: ClassVar[str] = "registered"

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class FactsSet(JournalRecord):
    """Variables were set for later tasks of the host."""

    kind: ClassVar[str] = "facts"

    values: dict[str, Any]

    def data(self) -> Any:
        return plain(self.values)

    @classmethod
    def of(cls, data: Any) -> Self:
        return cls(_mapping(data))


@dataclass(frozen=True, slots=True)
class LeaseTaken(JournalRecord):
    """The lease of a host is about to be taken for the first time."""

    kind: ClassVar[str] = "lease"

    host: str


@dataclass(frozen=True, slots=True)
class GuardArmed(JournalRecord):
    """A guard is about to be armed on a host."""

    kind: ClassVar[str] = "guard"

    host: str


@dataclass(frozen=True, slots=True)
class BlockClosed(JournalRecord):
    """A window's block is done and undone: a resumed run opens it no more."""

    kind: ClassVar[str] = "closed"

    round: str


@dataclass(frozen=True, slots=True)
class Abandoned(JournalRecord):
    """A failure is about to be undone: a resumed run must not build on a half-undone block."""

    kind: ClassVar[str] = "abandoned"


@dataclass(frozen=True, slots=True)
class Rescued(JournalRecord):
    """A block's failure is undone, and its ``rescue`` runs."""

    kind: ClassVar[str] = "rescued"


@dataclass(frozen=True, slots=True)
class StartedOver(JournalRecord):
    """Everything of the host is undone, and its play starts over."""

    kind: ClassVar[str] = "anew"


@dataclass(frozen=True, slots=True)
class TasksDone(JournalRecord):
    """All tasks of a host's play are done; only the undo at its end is left."""

    kind: ClassVar[str] = "tasks done"


@dataclass(frozen=True, slots=True)
class PlayDone(JournalRecord):
    """A host's play is done, and nothing of it is left on the host."""

    kind: ClassVar[str] = "play done"


AnyRecord = (
    RunBegun
    | RunResumed
    | RunLeft
    | Told
    | Intent
    | Outcome
    | UndoDone
    | UndoFailed
    | Kept
    | TaskDone
    | Registered
    | FactsSet
    | LeaseTaken
    | GuardArmed
    | BlockClosed
    | Abandoned
    | Rescued
    | StartedOver
    | TasksDone
    | PlayDone
)
"""Every kind: who reads a journal matches all of them, and ends in ``assert_never``."""

_KINDS: Mapping[str, type[AnyRecord]] = {
    one.kind: one
    for one in (
        RunBegun,
        RunResumed,
        RunLeft,
        Told,
        Intent,
        Outcome,
        UndoDone,
        UndoFailed,
        Kept,
        TaskDone,
        Registered,
        FactsSet,
        LeaseTaken,
        GuardArmed,
        BlockClosed,
        Abandoned,
        Rescued,
        StartedOver,
        TasksDone,
        PlayDone,
    )
}
_OF_A_CHANGE = (Intent, Outcome, UndoDone, UndoFailed, Kept)
_OF_A_HOST = (*_OF_A_CHANGE, TaskDone, Registered, LeaseTaken, GuardArmed, TasksDone, PlayDone)


class RawRow(Protocol):
    """A row of the journal's table, as SQLite returns it."""

    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def change(self) -> int | None: ...
    @property
    def data(self) -> Any: ...


def record_of(row: RawRow) -> AnyRecord:
    """The record that a row holds.

    Raises:
        IntegrityError: the row is damaged, or of another program or version; names the row and what is wrong.

    """
    kind = _KINDS.get(row.kind)
    if kind is None:
        raise _unreadable(row, "this version does not know the kind")
    if kind in _OF_A_CHANGE and not isinstance(row.change, int):
        raise _unreadable(row, "it has no number of a change")
    if kind in _OF_A_HOST and not row.host:
        raise _unreadable(row, "it has no host")
    try:
        return kind.of(row.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "data"
        raise _unreadable(row, f"{where}: {first['msg']}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(row, str(error)) from None


def _unreadable(row: RawRow, why: str) -> IntegrityError:
    return IntegrityError(f"record {row.seq} ({row.kind!s:.40}) of the journal cannot be read: {why}")


def _mapping(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise TypeError(f"data is {type(data).__name__}, not a mapping")
    return data


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[kind])
