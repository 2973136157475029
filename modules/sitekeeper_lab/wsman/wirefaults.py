"""Faults of the wire, on purpose: connections that break at a chosen request, logins that fail or drag."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Literal, Protocol

When = Literal["before", "after", "during", "never"]
"""before: the request is never handled. after: it is handled, its answer is not sent. during: half of it is sent.
never: it is not handled either, and the connection stays open: who waits for an answer waits."""


class WireFaults(Protocol):
    """What a server asks before it acts; called from its connection threads."""

    def at_request(self, number: int, operation: str) -> When | None:
        """Break the connection at this request? ``operation`` as in ``RequestSeen``."""

    def at_login(self, user: str) -> bool:
        """Refuse this login, although the password is right?"""

    def login_delay(self) -> float:
        """Seconds to wait before a login is answered."""

    def silent(self) -> bool:
        """Whether nothing is answered now."""


class NoFaults:
    """Nothing ever fails."""

    def at_request(self, number: int, operation: str) -> When | None:
        """Never."""
        return None

    def at_login(self, user: str) -> bool:
        """Never."""
        return False

    def login_delay(self) -> float:
        """None."""
        return 0.0

    def silent(self) -> bool:
        """Never."""
        return False


@dataclass(slots=True)
class _Drop:
    at: int | None
    operation: str | None
    when: When
    times: int


class Faults:
    """Faults that a test or a rehearsal sets while the server runs. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drops: list[_Drop] = []
        self._refusals = 0.0
        self._delay = 0.0
        self._silent = False

    def drop(
        self, *, at: int | None = None, operation: str | None = None, when: When = "before", times: int = 1
    ) -> None:
        """Break the connection at request number ``at`` and later, or at the next ``operation``, ``times`` times."""
        if at is None and operation is None:
            raise ValueError("drop at which request? give its number, or an operation")
        with self._lock:
            self._drops.append(_Drop(at, operation, when, times))

    def refuse_login(self, times: int = 1) -> None:
        """Refuse the next logins, however right their passwords; 0: all from now on. Who is logged in stays so."""
        with self._lock:
            self._refusals += times or math.inf

    def slow_login(self, seconds: float) -> None:
        """Let every login wait."""
        with self._lock:
            self._delay = seconds

    def fall_silent(self) -> None:
        """Take everything and answer nothing, until cleared: a black hole on the way."""
        with self._lock:
            self._silent = True

    def clear(self) -> None:
        """Forget every fault that has not happened yet."""
        with self._lock:
            self._drops.clear()
            self._refusals = 0.0
            self._delay = 0.0
            self._silent = False

    def at_request(self, number: int, operation: str) -> When | None:
        """As in :class:`WireFaults`."""
        with self._lock:
            if self._silent:
                return "never"
            for drop in self._drops:
                if (drop.at is None or number >= drop.at) and drop.operation in (None, operation):
                    drop.times -= 1
                    if not drop.times:
                        self._drops.remove(drop)
                    return drop.when
        return None

    def at_login(self, user: str) -> bool:
        """As in :class:`WireFaults`."""
        with self._lock:
            refuse = self._refusals > 0
            self._refusals -= refuse
            return refuse

    def login_delay(self) -> float:
        """As in :class:`WireFaults`."""
        with self._lock:
            return self._delay

    def silent(self) -> bool:
        """As in :class:`WireFaults`."""
        with self._lock:
            return self._silent
