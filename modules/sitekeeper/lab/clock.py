"""The lab's clock: real time plus an offset that a test moves forward, and the one thread that lets things fall due."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class LabClock:
    """Real time plus an offset. ``advance`` only ever goes forward, as time does."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._changed = threading.Condition()

    def now(self) -> datetime:
        """The lab's wall clock, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._offset)

    def monotonic(self) -> float:
        """Seconds that only grow; differences of it are durations of the lab."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward; what falls due in between happens at once.

        Raises:
            ValueError: the number is negative.

        """
        if seconds < 0:
            raise ValueError(f"the lab's clock does not go back: {seconds}")
        with self._changed:
            self._offset += seconds
            self._changed.notify_all()

    @property
    def changed(self) -> threading.Condition:
        """Notified when the clock was advanced."""
        return self._changed


class Timers(Protocol):
    """Something that runs an action later."""

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` once, that many lab seconds from now."""


class AtOnce:
    """Timers of a host that is only looked at on disk: nothing runs behind it, so what is due later happens now."""

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` now, whatever ``seconds`` says."""
        del seconds
        action()


class Scheduler:
    """One thread that runs actions when the lab's clock reaches them."""

    def __init__(self, clock: LabClock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="lab-scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what was not due yet is forgotten."""
        with self._clock.changed:
            self._stopping = True
            self._due.clear()
            self._clock.changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` once, that many lab seconds from now, on the scheduler's thread."""
        with self._clock.changed:
            heapq.heappush(self._due, (self._clock.monotonic() + seconds, next(self._number), action))
            self._clock.changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._clock.changed:
                if self._stopping:
                    return
                wait = self._due[0][0] - self._clock.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._clock.changed.wait(wait)
                    continue
                action = heapq.heappop(self._due)[2]
            action()
