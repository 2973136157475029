"""The lab's time in a process of ours: a file says how far the lab's clock is ahead, and both clocks of the process follow it.

So time goes by for a process that is frozen, too, and it finds that when it wakes.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest import mock

from sitekeeper.engine.clock import SystemClock
from sitekeeper_lab.server import Lab


def put_forward(lab: Lab, file: Path) -> None:
    """Say it. The file is replaced and not written: whoever wakes reads it whole."""
    part = file.with_suffix(".part")
    part.write_text(str(lab.clock.ahead))
    part.replace(file)


def follow(file: Path) -> None:
    """From now on this process lives in the lab's time."""

    def ahead() -> float:
        return float(file.read_text())

    now, monotonic = SystemClock.now, SystemClock.monotonic
    mock.patch.object(SystemClock, "now", lambda own: now(own) + timedelta(seconds=ahead())).start()
    mock.patch.object(SystemClock, "monotonic", lambda own: monotonic(own) + ahead()).start()
