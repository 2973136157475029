"""Standard output and error of the program: there from the start, and whatever happens to them is no bug of ours."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from sitekeeper.engine.errors import SitekeeperError, SpaceError


def open_output() -> None:
    """Put ``/dev/null`` where an output was closed (``>&-``), and let no character that an output does not know end a command.

    Without it the next file that is opened would become the output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            found = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            if found != number:
                os.dup2(found, number)
    sys.stdout = sys.stdout or io.TextIOWrapper(_Raw(1, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = sys.stderr or io.TextIOWrapper(_Raw(2, "w", closefd=False), encoding="utf-8", write_through=True)
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):  # not what a test put there
        raw = _Raw(sys.stdout.fileno(), "w", closefd=False)
        unbuffered = isinstance(sys.stdout.buffer, io.RawIOBase)
        sys.stdout = io.TextIOWrapper(
            raw if unbuffered else io.BufferedWriter(raw),
            encoding=sys.stdout.encoding,
            line_buffering=sys.stdout.line_buffering,
            write_through=unbuffered,
        )
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(errors="backslashreplace")


class _Raw(io.FileIO):
    """An output that cannot be written (a full disk) ends no command: what it does comes first, that nobody was told last."""

    failed: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write; from the first failure on into nothing."""
        if self.failed is None:
            try:
                return super().write(data)
            except BrokenPipeError:
                raise
            except OSError as error:
                _Raw.failed = error
        return memoryview(data).nbytes


def problem() -> SitekeeperError | None:
    """Why something could not be written; nothing, if all was, or if the reader went away, as ``| head`` does by choice."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()
    if _Raw.failed is None:
        return None
    return SpaceError(
        f"standard output cannot be written: {_Raw.failed.strerror}",
        hint="write to a disk with free space, and run again",
    )


def nobody_reads() -> None:
    """Lead standard output nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Tell standard error, if it can be told anything."""
    with suppress(OSError):
        print(text, file=sys.stderr)
