"""The lab fails loudly: what a thread of it was not made for ends the lab, not only that thread.

A dead scheduler would take every scheduled task of every host with it, and whoever follows one would wait for hours.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

Failed = Callable[[BaseException], None]
"""Told, in the thread that it happened in, what was raised there."""


class LabFailedError(Exception):
    """A thread of the lab ended with an exception, so the lab is over; the message names both."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended the lab."""

    thread: str
    error: BaseException

    def __str__(self) -> str:
        """For instance ``the lab has failed: PermissionError: … (thread lab-scheduler)``."""
        return f"the lab has failed: {type(self.error).__name__}: {self.error} (thread {self.thread})"

    def tell(self) -> None:
        """On stderr, with the traceback."""
        lines = traceback.format_exception(self.error)
        sys.stderr.write(f"{self}\n{''.join(lines)}")
        sys.stderr.flush()


def unhandled(error: BaseException) -> None:
    """What a part of the lab does that runs without a lab: as if nobody had caught it."""
    threading.excepthook(
        threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
    )


def loud(work: Callable[[], None], failed: Failed) -> Callable[[], None]:
    """``work`` for a thread: what it raises is told."""

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, no thread of the lab ends of it in silence
            failed(error)

    return run
