"""The lab's clock: real time plus an offset that a test moves forward, and the one thread that lets things fall due."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sitekeeper_lab.failing import Failed, unhandled

_SETTLE_SECONDS = 60.0


class LabClock:
    """Real time plus an offset. ``advance`` only ever goes forward, as time does."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._changed = threading.Condition()
        self._schedulers: list[Scheduler] = []

    def now(self) -> datetime:
        """The lab's wall clock, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._offset)

    @property
    def ahead(self) -> float:
        """By how many seconds it was moved forward."""
        return self._offset

    def monotonic(self) -> float:
        """Seconds that only grow; differences of it are durations of the lab."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward. What falls due in between happens at its own moment, one after the other, before this returns.

        Raises:
            ValueError: the number is negative.
            TimeoutError: something that fell due does not end.

        """
        if seconds < 0:
            raise ValueError(f"the lab's clock does not go back: {seconds}")
        with self._changed:
            end = self._offset + seconds
            while True:
                due = [moment for one in self._schedulers if (moment := one.next_due()) is not None]
                step = min([end, *(self._offset + max(0.0, moment - self.monotonic()) for moment in due)])
                self._offset = max(self._offset, step)
                self._changed.notify_all()
                if not all(one.settle() for one in self._schedulers):
                    raise TimeoutError("what fell due in the lab does not end")
                if self._offset >= end:
                    return

    def attach(self, scheduler: Scheduler) -> None:
        """From now on stop at each moment when something of it falls due."""
        with self._changed:
            self._schedulers.append(scheduler)

    def detach(self, scheduler: Scheduler) -> None:
        """No more."""
        with self._changed:
            self._schedulers.remove(scheduler)

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

    def __init__(self, clock: LabClock, failed: Failed = unhandled) -> None:
        self._clock = clock
        self._failed = failed
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._stopping = False
        self._busy = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="lab-scheduler", daemon=True)
        self._thread.start()
        self._clock.attach(self)

    def stop(self) -> None:
        """End the thread; what was not due yet is forgotten."""
        with self._clock.changed:
            self._stopping = True
            self._due.clear()
            self._clock.changed.notify_all()
        if self._thread is not None:
            self._clock.detach(self)
            self._thread.join()
            self._thread = None

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run ``action`` once, that many lab seconds from now, on the scheduler's thread."""
        with self._clock.changed:
            heapq.heappush(self._due, (self._clock.monotonic() + seconds, next(self._number), action))
            self._clock.changed.notify_all()

    def next_due(self) -> float | None:
        """When the next action falls due. Called with the clock's condition held."""
        return self._due[0][0] if self._due else None

    def settle(self) -> bool:
        """Wait until nothing is due any more and nothing runs. Called with the clock's condition held; False after a minute."""
        if threading.current_thread() is self._thread:
            return True  # an action that moves the clock itself
        return self._clock.changed.wait_for(self._quiet, _SETTLE_SECONDS)

    def _quiet(self) -> bool:
        due = self.next_due()
        return self._stopping or not (self._busy or (due is not None and due <= self._clock.monotonic()))

    def _run(self) -> None:
        while True:
            with self._clock.changed:
                self._busy = False
                self._clock.changed.notify_all()
                if self._stopping:
                    return
                wait = self._due[0][0] - self._clock.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._clock.changed.wait(wait)
                    continue
                action = heapq.heappop(self._due)[2]
                self._busy = True
            try:
                action()
            except BaseException as error:  # noqa: BLE001 - with this thread every scheduled task would be gone in silence
                self._failed(error)
                self._give_up()
                return

    def _give_up(self) -> None:
        """Nothing falls due any more, and nobody waits for it."""
        with self._clock.changed:
            self._stopping, self._busy = True, False
            self._due.clear()
            self._clock.changed.notify_all()
