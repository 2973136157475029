"""Waits for a host that is still busy with what we began, whether it hears from us or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import BusyError

SECONDS = 1200.0
"""How long: longer than making shadow copies may take."""
PAUSE = 5.0
T = TypeVar("T")


def wait_until_free(clock: Clock, until: float, work: Callable[[], T]) -> T:
    """What ``work`` returns as soon as the host is no longer busy.

    Raises:
        BusyError: it still was at ``until`` (monotonic seconds).
        As ``work``: everything else.

    """
    while True:
        try:
            return work()
        except BusyError:
            if clock.monotonic() > until:
                raise
            clock.sleep(PAUSE)
