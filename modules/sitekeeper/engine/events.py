"""What happens in a run, as one stream: console, JSON lines and the journal's reports all listen to the same events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""

    at: datetime
    host: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with the event's name, for JSON."""
        values = dataclasses.asdict(self)
        values["at"] = self.at.isoformat()
        return {"event": type(self).__name__, **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began."""

    run: str
    playbook: str
    check: bool


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
    """Facts for the summary table: set, offline seconds, bytes, warnings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The run is over."""

    run: str
    exit_code: int
    seconds: float


Listener = Callable[[Event], None]


class Bus:
    """Hands each event to every listener, one at a time, from whichever thread it comes."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._lock = RLock()

    def emit(self, event: Event) -> None:
        """Tell all listeners."""
        with self._lock:
            for listener in self._listeners:
                listener(event)
