"""The heartbeat of a lab: one thread for the life of all its sites, in real time (the lab's clock may jump)."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from sitekeeper_lab.failing import Failed, loud, unhandled

Beat = Callable[[], float | None]
"""Does a little work and returns the seconds until it wants to be called again; None: never again."""


class Pulse:
    """Calls beats when they are due, one after the other. The thread runs while there are any."""

    def __init__(self, failed: Failed = unhandled) -> None:
        self._failed = failed
        self._due: list[tuple[float, int, Beat]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._running: Beat | None = None
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """How many beats it has."""
        with self._changed:
            return len(self._due) + (self._running is not None)

    def add(self, beat: Beat) -> None:
        """Call ``beat`` from now on."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic(), next(self._number), beat))
            if self._thread is None:
                self._thread = threading.Thread(target=loud(self._run, self._failed), name="lab-pulse", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def remove(self, beat: Beat) -> None:
        """Call it no more; returns once it does not run any more, and ends the thread with the last beat."""
        with self._changed:
            self._due = [one for one in self._due if one[2] != beat]
            heapq.heapify(self._due)
            self._changed.notify_all()
            if threading.current_thread() is self._thread:
                return  # a beat that ends another
            self._changed.wait_for(lambda: self._running != beat)
            self._due = [one for one in self._due if one[2] != beat]  # it may have come back meanwhile
            heapq.heapify(self._due)
            ended = self._thread if not self._due and self._running is None else None
            if ended is not None:
                self._thread = None
                self._changed.notify_all()
        if ended is not None:
            ended.join()

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                while self._thread is me and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._thread is not me:
                    return
                self._running = heapq.heappop(self._due)[2]
            again: float | None = None
            try:
                again = self._running()
            finally:
                with self._changed:
                    if again is not None:
                        heapq.heappush(self._due, (time.monotonic() + again, next(self._number), self._running))
                    self._running = None
                    self._changed.notify_all()
