"""Deadlines of tasks, blocks and the run: the nearest one bounds every call of a host, and says its name when it passes.

Undo is never bound: what was changed must be undone however late it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import RemoteTimeoutError
from sitekeeper.engine.session import Context


class Deadlines:
    """The deadlines around one host's play, outermost first."""

    def __init__(self, ctx: Context, clock: Clock, run_until: float | None) -> None:
        self._ctx = ctx
        self._clock = clock
        self._open: list[tuple[float, str]] = (
            [] if run_until is None else [(run_until, "the deadline of the run has passed")]
        )
        self._lifted = False
        self._apply()

    @contextmanager
    def within(self, length: timedelta | None, what: str) -> Iterator[None]:
        """Bound everything inside, if a length is given.

        Raises:
            RemoteTimeoutError: it had passed before anything was begun.

        """
        if length is None:
            self.check()
            yield
            return
        seconds = length.total_seconds()
        self._open.append((self._clock.monotonic() + seconds, f"the deadline of {what} ({seconds:.0f} s) has passed"))
        self._apply()
        try:
            yield
        finally:
            self._open.pop()
            self._apply()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """No deadline holds inside: for undo. May be nested."""
        outer, self._lifted = self._lifted, True
        self._ctx.bound(None)
        try:
            yield
        finally:
            self._lifted = outer
            if not outer:
                self._apply()

    def end(self, why: str) -> None:
        """From now on nothing but undo is to be done: called from another thread."""
        self._open.insert(0, (self._clock.monotonic(), why))
        if not self._lifted:
            self._apply()

    def passed(self) -> bool:
        """Whether any of them has: from another thread."""
        return any(self._clock.monotonic() >= until for until, _ in list(self._open))

    def left(self) -> float:
        """Seconds until the nearest of them passes; no end where there is none."""
        return min((until for until, _ in self._open), default=math.inf) - self._clock.monotonic()

    def check(self) -> None:
        """Refuse to begin something whose time is over.

        Raises:
            RemoteTimeoutError: names the deadline.

        """
        for until, what in self._open:
            if self._clock.monotonic() >= until:
                raise RemoteTimeoutError(what, host=self._ctx.host)

    def _apply(self) -> None:
        nearest = min(list(self._open), default=None)
        if nearest is None:
            self._ctx.bound(None)
        else:
            self._ctx.bound(*nearest)
