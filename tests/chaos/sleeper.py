"""A command of ours in a process of its own, whose clock is as far ahead as a file says: so that it can be suspended for hours.

A program: ``sleeper.py AHEAD ARGUMENTS...``.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sitekeeper.cli.main import main
from sitekeeper.engine.clock import SystemClock


def live(file: Path, arguments: list[str]) -> int:
    """Run it. A control host that was suspended finds, when it wakes, that both its clocks have gone on."""

    def ahead() -> float:
        return float(file.read_text())

    SystemClock.now = lambda _: datetime.now(UTC) + timedelta(seconds=ahead())  # type: ignore[method-assign, assignment]
    SystemClock.monotonic = lambda _: time.clock_gettime(time.CLOCK_BOOTTIME) + ahead()  # type: ignore[method-assign, assignment]
    return main(arguments)


if __name__ == "__main__":
    sys.exit(live(Path(sys.argv[1]), sys.argv[2:]))
