"""Faults of a SQL Server that a test asks for: logins refused or slow, connections that break, statements that end half-way."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

KINDS = ("attach", "backup", "restore", "checkdb")
DOES = ("disk_full", "io_error", "hang", "drop")


@dataclass(slots=True)
class StatementFault:
    """A statement on a whole database that goes wrong half-way."""

    kind: str
    do: str
    at: int
    times: int


class TdsFaults:
    """What goes wrong, and when. Thread-safe; the server asks, a test tells."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused = 0.0
        self._number = 0
        self._slow = 0.0
        self._drops: list[tuple[int, str, int]] = []
        self._statements: list[StatementFault] = []

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

    def statement(self, kind: str, do: str, at: int = 50, times: int = 1) -> None:
        """Let the next statement of a kind go wrong when it is so far, in percent.

        Args:
            kind: attach, backup, restore or checkdb.
            do: ``disk_full``, ``io_error``, ``hang`` (until the client gives up), ``drop`` (the connection; the server
                ends the statement with it, but an attach at 100 has been made by then).
            at: percent.
            times: how many statements.

        """
        if kind not in KINDS or do not in DOES:
            raise ValueError(f"a statement fault is one of {KINDS} and one of {DOES}, not {kind} and {do}")
        with self._lock:
            self._statements.append(StatementFault(kind, do, at, times))

    def of_statement(self, kind: str) -> StatementFault | None:
        """What goes wrong with this statement; counts."""
        with self._lock:
            found = next((fault for fault in self._statements if fault.kind == kind), None)
            if found is not None:
                found.times -= 1
                if found.times == 0:
                    self._statements.remove(found)
            return found

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._refused, self._slow = 0.0, 0.0
            self._drops.clear()
            self._statements.clear()

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
