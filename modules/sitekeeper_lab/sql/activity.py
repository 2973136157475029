"""Who is connected to an instance, in which database, and which long statements run: what one session sees of others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


class Connected(Protocol):
    """A session's state, as far as others see it."""

    @property
    def database(self) -> str:
        """The database that it is in."""


@dataclass(slots=True)
class Request:
    """A statement under way, as ``sys.dm_exec_requests`` shows it."""

    spid: int
    command: str
    database: str
    percent: float = 0.0


class Activity:
    """Sessions and requests of one instance; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[int, tuple[Connected, Callable[[], None]]] = {}
        self._requests: dict[int, Request] = {}

    def enter(self, spid: int, state: Connected, end: Callable[[], None]) -> None:
        """A session begins; ``end`` cuts it off."""
        with self._lock:
            self._sessions[spid] = (state, end)

    def leave(self, spid: int) -> None:
        """It is over; twice is fine."""
        with self._lock:
            self._sessions.pop(spid, None)

    def others_in(self, database: str, spid: int) -> list[int]:
        """Sessions other than this one that are in a database."""
        with self._lock:
            sessions = list(self._sessions.items())
        return [
            number for number, (state, _) in sessions if number != spid and state.database.lower() == database.lower()
        ]

    def end_others(self, database: str, spid: int) -> None:
        """WITH ROLLBACK IMMEDIATE: end them."""
        for number in self.others_in(database, spid):
            with self._lock:
                found = self._sessions.pop(number, None)
            if found is not None:
                found[1]()

    @contextmanager
    def running(self, spid: int, command: str, database: str) -> Iterator[Request]:
        """While the block runs, others see this request."""
        request = Request(spid, command, database)
        with self._lock:
            self._requests[spid] = request
        try:
            yield request
        finally:
            with self._lock:
                self._requests.pop(spid, None)

    def requests(self) -> list[Request]:
        """What runs now."""
        with self._lock:
            return list(self._requests.values())
