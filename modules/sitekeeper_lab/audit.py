"""What was asked of the lab and what changed in it, one JSON line each: the witness that tests question."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from sitekeeper_lab.clock import LabClock

_LONGEST = 200


class Audit:
    """Appends numbered JSON lines to one file; safe from any thread.

    Every line has ``n`` (1, 2, 3 …), ``at`` (lab time, ISO 8601, UTC), ``event`` (``call``, ``change``, ``request``,
    ``sql``, ``fault``) and ``host``. Secrets never get here: callers pass no credentials, and bytes are written as
    their length only.
    """

    def __init__(self, path: Path | None, clock: LabClock) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._number = path.read_bytes().count(b"\n")
            self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, host: str, **facts: Any) -> int:
        """Append one line; answers its number."""
        with self._lock:
            self._number += 1
            if self._file is not None and not self._file.closed:
                line = {"n": self._number, "at": self._clock.now().isoformat(), "event": event, "host": host}
                line |= {name: plain(value) for name, value in facts.items()}
                self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
                self._file.flush()
            return self._number

    def close(self) -> None:
        """Close the file; later lines are counted and dropped."""
        with self._lock:
            if self._file is not None:
                self._file.close()


def read_audit(path: Path, after: int = 0) -> list[dict[str, Any]]:
    """The lines of an audit file whose number is greater than ``after``."""
    with path.open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.endswith("\n")]
    return [line for line in lines if line["n"] > after]


def plain(value: Any) -> Any:
    """A value as JSON can hold it, shortened: bytes become their length, long texts their beginning."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value)} characters)"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return plain(str(value))
