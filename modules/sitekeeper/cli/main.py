"""``sitekeeper``: where the program starts. To read all of it takes a moment, in which a Ctrl-C is heeded, too."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

_INTERRUPTED = 14
"""RunInterruptedError's; errors.py is not read yet."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, _leave)
    try:
        from sitekeeper.cli.program import program  # noqa: PLC0415 - this is what takes a moment
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    return program(arguments)


def _leave(*_: object) -> None:
    """Nothing was begun. An exception would come up in the middle of whatever is being imported."""
    try:
        os.write(2, b"interrupted: nothing was begun\n")
    finally:
        os._exit(_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
