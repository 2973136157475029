"""The only source of time. The monotonic one counts through suspend, so that a control host that slept notices."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """Time, and waiting for it."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment, suspend included."""

    def now(self) -> datetime:
        """The time of day, in UTC."""

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        """Wait; ``wake`` ends it early."""


class SystemClock:
    """The control host's own clock."""

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        (wake or Event()).wait(max(0.0, seconds))
