"""What happens in a run, as one stream: console, JSON lines and the journal's reports all listen to the same events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from queue import SimpleQueue
from threading import Condition, Lock, Thread
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from sitekeeper.engine.plain import plain
from sitekeeper.engine.plan import Check

TaskStatus = Literal["ok", "changed", "planned", "skipped", "failed", "ignored", "unknown", "earlier"]
"""How a task ends on a host."""
HostStatus = Literal["ok", "partial", "skipped", "failed", "unreachable", "rolled back"]
"""How a host ends its play."""


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
    """A task ended on a host."""

    task: str
    module: str
    status: TaskStatus
    seconds: float
    msg: str = ""
    changes: tuple[str, ...] = ()
    error: str = ""
    """The rendered error where it failed."""
    checks: tuple[Check, ...] = ()
    """What it looked at, one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone(Event):
    """A change was taken back, or could not be."""

    task: str
    module: str
    ok: bool
    msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEnded(Event):
    """A host ended its play."""

    play: str
    status: HostStatus
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


class UnknownEventError(ValueError):
    """An event that this version does not know, or that is damaged; the message names it."""


def event_of(values: Any) -> Event:
    """An event as it was, from what ``as_dict`` made of it.

    Raises:
        UnknownEventError: there is no such event, or a field of it is missing, unknown or of another type.

    """
    name = values.get("event") if isinstance(values, dict) else None
    kind = _kinds().get(name) if isinstance(name, str) else None
    if kind is None:
        raise UnknownEventError(f"unknown event {name!r}")
    given = {key: value for key, value in values.items() if key != "event"}
    strange = sorted(set(given) - {one.name for one in dataclasses.fields(kind)})
    if strange:
        raise UnknownEventError(f"unknown field {strange[0]} of event {name}")
    try:
        event: Event = _adapter(kind.__name__).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnknownEventError(f"event {name}, {where}: {first['msg']}") from None
    return event


def _kinds() -> dict[str, type[Event]]:
    return {kind.__name__: kind for kind in Event.__subclasses__()}


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_kinds()[name])


Listener = Callable[[Event], None]


PATIENCE_SECONDS = 5.0
"""How long a host waits for a report that stands still, once; a site may be down meanwhile."""


class Bus:
    """Hands each event to the journal, and then to every report, in one order, from whichever thread it comes.

    A report that fails (its pipe was closed, its disk is full) is told nothing more, and one that stands still (a pager, a
    terminal that was halted) is told the rest later: neither may leave a site with its services stopped.
    """

    def __init__(self, keep: Listener, *reports: Listener) -> None:
        """Begin to tell; ``keep`` is told in the thread of whoever emits, each report in a thread of its own."""
        self._keep: Listener | None = keep
        self._reports = [_Report(one) for one in reports]
        self._lock = Lock()
        self._failed: list[BaseException] = []

    @property
    def broken(self) -> list[BaseException]:
        """Why listeners were given up."""
        return self._failed + [one.broken for one in self._reports if one.broken is not None]

    def emit(self, event: Event) -> None:
        """Tell all listeners."""
        with self._lock:
            if self._keep is not None:
                try:
                    self._keep(event)
                except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
                    self._keep = None
                    self._failed.append(error)
            for report in self._reports:
                report.tell(event)

    def catch_up(self) -> None:
        """Wait until every report was told everything, however long its reader takes: nothing is open any more."""
        for report in self._reports:
            report.catch_up()

    def close(self) -> None:
        """Tell the rest, and end."""
        self.catch_up()
        for report in self._reports:
            report.close()


class _Report:
    """A listener in a thread of its own."""

    def __init__(self, listener: Listener) -> None:
        self.broken: BaseException | None = None
        self._listener = listener
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._changed = Condition()
        self._waiting = 0
        self._stands_still = False
        self._thread = Thread(target=self._work, name="report", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Tell an event, and wait until it was taken: what is seen of a run is where the run is, unless nobody looks."""
        with self._changed:
            if self._stands_still and isinstance(event, Progressed):
                return  # old by the time that it would be seen
            self._waiting += 1
            self._events.put(event)
            if not self._stands_still:
                self._stands_still = not self._changed.wait_for(lambda: not self._waiting, PATIENCE_SECONDS)

    def catch_up(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)

    def close(self) -> None:
        self._events.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            if self.broken is None:
                try:
                    self._listener(event)
                except BaseException as error:  # noqa: BLE001 - Rich leaves by SystemExit when a pipe is closed
                    self.broken = error
            with self._changed:
                self._waiting -= 1
                if not self._waiting:
                    self._stands_still = False
                    self._changed.notify_all()
