"""One real PowerShell in server mode (``pwsh -s``): PSRP fragments over its standard input and output.

Each line is one XML element with the id of a pipeline, or of nothing for the pool: Data, Command, Close, Signal, and
an acknowledgement of each (PowerShell's own source, OutOfProcTransportManager; measured with 7.6.9). PowerShell works
on each line in a thread of its pool, so the next one of a pipeline must wait for the acknowledgement of the last.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from sitekeeper_lab.engines.api import Pipeline

_DATA = re.compile(rb"<Data Stream='[A-Za-z]+' PSGuid='([0-9a-fA-F-]+)'>([A-Za-z0-9+/=]*)</Data>")
_ACKNOWLEDGED = re.compile(rb"<(Data|Command)Ack PSGuid='([0-9a-fA-F-]+)' />")
_POOL = uuid.UUID(int=0)
_END_SECONDS = 5.0


class PwshProcess:
    """Implements ``PsrpProcess``. Its methods may be called from any thread; ``listen`` has one of its own."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, note: Callable[[Pipeline], None]
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the program that the lab was given
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=folder,
        )
        self._input, self._output = _piped(self._process.stdin), _piped(self._process.stdout)
        self._note = note
        self._writing = threading.Lock()
        self._heard = threading.Condition()
        self._awaited: set[uuid.UUID] = set()
        """Whose last line PowerShell has not acknowledged yet."""
        self._ended = False

    def listen(self, heard: Callable[[uuid.UUID | None, bytes], None]) -> None:
        """Hand on what it says, until it ends."""
        try:
            with self._output as lines:
                for line in lines:
                    if found := _DATA.match(line):
                        pipeline = uuid.UUID(found[1].decode())
                        heard(None if pipeline == _POOL else pipeline, b64decode(found[2]))
                    elif found := _ACKNOWLEDGED.match(line):
                        with self._heard:
                            self._awaited.discard(uuid.UUID(found[2].decode()))
                            self._heard.notify_all()
        finally:
            with self._heard:
                self._ended = True
                self._heard.notify_all()
        self._process.wait()

    def send(self, pipeline: uuid.UUID | None, fragments: bytes) -> None:
        """Whole fragments for the pool or a pipeline."""
        data = b64encode(fragments).decode()
        self._write(f"<Data Stream='Default' PSGuid='{pipeline or _POOL}'>{data}</Data>", pipeline or _POOL)

    def begin(self, pipeline: uuid.UUID) -> None:
        """A pipeline is about to be sent."""
        self._write(f"<Command PSGuid='{pipeline}' />", pipeline)

    def stop(self, pipeline: uuid.UUID) -> None:
        """The client's Ctrl+C."""
        self._write(f"<Signal PSGuid='{pipeline}' />")

    def end(self, pipeline: uuid.UUID) -> None:
        """Nobody asks for this pipeline any more."""
        self._write(f"<Close PSGuid='{pipeline}' />")

    def note(self, pipeline: Pipeline) -> None:
        """A pipeline was sent: for the lab's audit log."""
        self._note(pipeline)

    def close(self) -> None:
        """End the process: first by the end of its input, then by force."""
        with self._writing, contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, line: str, answered: uuid.UUID | None = None) -> None:
        """Write a line; ``answered``: whose it is, where the next one must wait until it is acknowledged."""
        with self._heard:
            while answered in self._awaited and not self._ended:
                self._heard.wait()
            if answered is not None:
                self._awaited.add(answered)
        # One that has ended says so by the end of its output.
        with self._writing, contextlib.suppress(OSError, ValueError):
            self._input.write(line.encode() + b"\n")
            self._input.flush()


def _piped(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("a process without pipes")
    return stream
