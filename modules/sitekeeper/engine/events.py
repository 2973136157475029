"""What happens in a run, as one stream: console, JSON lines and the journal's reports all listen to the same events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any

from sitekeeper.engine.journal import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""

    at: datetime
    host: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with the event's name, for JSON."""
        values = {one.name: plain(getattr(self, one.name)) for one in dataclasses.fields(self)}
        return {"event": type(self).__name__, **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began."""

    run: str
    playbook: str
    check: bool
    by: str = ""
    """Who asked for it: user@host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStarted(Event):
    """A play began, with all its hosts."""

    play: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStarted(Event):
    """A host began its play."""

    play: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Event):
    """A task began on a host."""

    task: str
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed(Event):
    """A long task is this far."""

    task: str
    done: int
    total: int | None
    unit: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(Event):
    """A task ended on a host: ok, changed, planned, skipped, failed, ignored, unknown."""

    task: str
    module: str
    status: str
    seconds: float
    msg: str = ""
    changes: tuple[str, ...] = ()
    error: str = ""
    """The rendered error where it failed."""
    checks: tuple[Mapping[str, Any], ...] = ()
    """What it looked at one by one, as ``plan.Check`` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone(Event):
    """A change was taken back, or could not be."""

    task: str
    module: str
    ok: bool
    msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEnded(Event):
    """A host ended its play: ok, failed, unreachable, skipped."""

    play: str
    status: str
    seconds: float
    word: str = ""
    """Class of the failure."""
    error: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    """Facts for the summary table: set, offline seconds, bytes, warnings; ``skipped``: why nothing was to be done here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The run is over."""

    run: str
    exit_code: int
    seconds: float


def play_of_rollback(run: str) -> str:
    """What a rollback calls its play: by it a reader tells what a rollback did from what the run itself did."""
    return f"roll back {run}"


class UnknownEventError(Exception):
    """An event that this version does not know; its message is the event's name."""


def event_of(values: Mapping[str, Any]) -> Event:
    """An event as it was, from what ``as_dict`` made of it.

    Raises:
        UnknownEventError: there is no such event.

    """
    kinds = {kind.__name__: kind for kind in Event.__subclasses__()}
    kind = kinds.get(values["event"])
    fields = dataclasses.fields(kind) if kind else ()
    names, given_names = {one.name for one in fields}, set(values) - {"event"}
    # A journal of an earlier version lacks what came later.
    needed = {
        one.name for one in fields if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    if kind is None or not needed <= given_names <= names:
        raise UnknownEventError(values["event"])
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in names
    }
    given["at"] = datetime.fromisoformat(values["at"])
    return kind(**given)


Listener = Callable[[Event], None]


class Bus:
    """Hands each event to every listener, one at a time, from whichever thread it comes.

    A listener that fails (its pipe was closed, its disk is full) is told nothing more: a report that cannot be written
    must not leave a site with its services stopped.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)
        self._lock = RLock()
        self.broken: list[BaseException] = []
        """Why listeners were given up."""

    def emit(self, event: Event) -> None:
        """Tell all listeners."""
        with self._lock:
            for listener in list(self._listeners):
                try:
                    listener(event)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - Rich leaves by SystemExit when a pipe is closed
                    self._listeners.remove(listener)
                    self.broken.append(error)
