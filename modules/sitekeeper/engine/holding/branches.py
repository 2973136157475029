"""At most one open window on each line of the hierarchy: a site, the sites above it and the sites below it.

A window takes the lock of its own site alone, and shares the locks of all sites above it. Two windows meet at a lock only
if one site lies above the other; siblings share theirs. The locks are limits, so they hold across all runs of a control host
and go with the process that dies. They are taken in the order of their names, whatever a site's place is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.holding.limits import WAIT_SECONDS, Held, Limit
from sitekeeper.engine.inventory import hierarchy
from sitekeeper.engine.inventory.hierarchy import Site

AT_ONCE = 2.0
"""Seconds in which a lock that nobody holds is had, also while somebody else passes."""


def locks(host: str, sites: Mapping[str, Site]) -> tuple[Limit, ...]:
    """What a window on this host takes; nothing where the inventory knows no site on it.

    The names are site codes and no more: the same site must have the same name in every inventory that describes it.
    """
    own = next((site for site in sites.values() if site.host == host), None)
    if own is None:
        return ()
    shared = [Limit(f"branch:{site.code}", shared=True) for site in hierarchy.above(own, sites)]
    return tuple(sorted([Limit(f"branch:{own.code}"), *shared], key=lambda lock: lock.name))


class Branch:
    """What one host's play holds of the hierarchy, while its window is open."""

    def __init__(self, wanted: tuple[Limit, ...], hold: Callable[[Limit, float], Held]) -> None:
        """``hold`` waits for one limit, so many seconds at most."""
        self._wanted = wanted
        self._hold = hold
        self._held: list[Held] = []
        self._windows = 0

    def enter(self, *, is_open: bool) -> None:
        """A guarded block begins: wait until no window is open on the line.

        A window that ``is_open`` since before this process is never waited with: its services are stopped.

        Raises:
            LimitError: it took too long. RunInterruptedError: the operator stopped the run.

        """
        self._windows += 1
        if is_open:
            self.at_once()
        else:
            self._take(WAIT_SECONDS)

    def at_once(self) -> bool:
        """Take the line if it is free; whether it is ours."""
        try:
            self._take(AT_ONCE)
        except SitekeeperError:
            return False
        return True

    def leave(self) -> None:
        """A guarded block is over and taken back; with the outermost one the window is closed."""
        self._windows -= 1
        if self._windows == 0:
            self.release()

    def release(self) -> None:
        """Give everything back; twice is fine."""
        while self._held:
            self._held.pop().release()

    def _take(self, wait: float) -> None:
        if self._held:
            return
        try:
            for lock in self._wanted:
                # Who waits keeps the turn, or a site with many below it would wait for ever: one of them is always open.
                turn = self._hold(Limit(f"{lock.name}:turn"), wait)
                try:
                    self._held.append(self._hold(lock, wait))
                finally:
                    turn.release()
        except BaseException:
            self.release()
            raise
