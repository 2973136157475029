"""The threads of one server: started, counted, joined; and the CPU time that they used."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from sitekeeper_lab.failing import Failed, loud, unhandled


class Crew:
    """Starts threads and knows which of them still run."""

    def __init__(self, failed: Failed = unhandled) -> None:
        self._failed = failed
        self._lock = threading.Lock()
        self._running: dict[threading.Thread, int] = {}
        self._ending: deque[threading.Thread] = deque()
        self._finished = 0.0

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread of its own."""
        thread = threading.Thread(target=self._work, args=(work,), name=name, daemon=True)
        with self._lock:
            self._running[thread] = 0
            while self._ending and not self._ending[0].is_alive():
                del self._running[self._ending.popleft()]
            thread.start()  # under the lock, so that join() never meets one that is not started

    def _work(self, work: Callable[[], None]) -> None:
        me = threading.current_thread()
        with self._lock:
            self._running[me] = time.pthread_getcpuclockid(threading.get_ident())
        try:
            loud(work, self._failed)()
        finally:
            with self._lock:
                self._finished += time.thread_time()
                self._running[me] = 0
                self._ending.append(me)

    def cpu_seconds(self) -> float:
        """CPU seconds of all threads so far, finished and running."""
        with self._lock:  # a clock in the table belongs to a thread that cannot end without this lock
            return self._finished + sum(time.clock_gettime(clock) for clock in self._running.values() if clock)

    def join(self, seconds: float) -> list[str]:
        """Wait for all of them; the names of those that still run after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                alive = [thread for thread in self._running if thread.is_alive()]
            if not alive or time.monotonic() > deadline:
                return [thread.name for thread in alive]
            for thread in alive:
                thread.join(max(deadline - time.monotonic(), 0.0))
