"""Faults of a SQL Server that a test asks for: logins refused or slow, connections that break."""

from __future__ import annotations

import math
import threading


class TdsFaults:
    """What goes wrong, and when. Thread-safe; the server asks, a test tells."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused = 0.0
        self._number = 0
        self._slow = 0.0
        self._drops: list[tuple[int, str, int]] = []

    def refuse_login(self, times: int = 1, number: int = 18456) -> None:
        """Let the next logins fail (0: all of them): 18456, 18486 locked, 18487 password expired."""
        with self._lock:
            self._refused, self._number = times or math.inf, number

    def slow_login(self, seconds: float) -> None:
        """Let every login wait so long for its answer."""
        with self._lock:
            self._slow = seconds

    def drop(self, at: int, when: str = "before", times: int = 1) -> None:
        """Cut the connection at the server's request number ``at`` (from 1) and the following, ``times`` in all.

        Args:
            at: the number of the request, counted over all connections.
            when: ``before`` it is run, ``during`` its answer (after the first bytes), or ``after`` it was run and
                before any answer.
            times: how many requests.

        """
        if when not in {"before", "during", "after"}:
            raise ValueError(f"when is before, during or after, not {when}")
        with self._lock:
            self._drops.append((at, when, times))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._refused, self._slow = 0.0, 0.0
            self._drops.clear()

    def login_delay(self) -> float:
        """Seconds that a login waits."""
        with self._lock:
            return self._slow

    def refused(self) -> int:
        """With which error this login is refused, or 0; counts."""
        with self._lock:
            refused = self._refused > 0
            self._refused -= refused
            return self._number if refused else 0

    def at_request(self, number: int) -> str | None:
        """When to cut the connection for this request: ``before``, ``during``, ``after`` or never."""
        with self._lock:
            return next((when for at, when, times in self._drops if at <= number < at + times), None)
