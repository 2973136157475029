"""The lab's transaction log: a real, append-only file that tells whether data and log belong together.

Layout, little endian: a header (magic, 16 bytes of family GUID), then records ``lsn u64, length u32, crc u32, text``.
Each record's CRC-32 goes on from the one before, so a gap, a reordering or a record of another log shows. It is not
SQL Server's format; what is like the real one is the promise: a data file without *its* log is not a database.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"LABLDF1\0"
_RECORD = struct.Struct("<QII")
_HEADER_SIZE = len(MAGIC) + 16


class TornDatabase(Exception):  # noqa: N818  # the field's own word; it is what the SQL writer calls it, too
    """Data and log files that do not belong together: copied at different instants, incomplete or damaged."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One committed change."""

    lsn: int
    text: str
    """What was changed, for people: ``UPDATE LabCounter``."""
    crc: int
    end: int
    """Offset in the file just behind this record."""


@dataclass(frozen=True, slots=True)
class LogContent:
    """All that a log file says."""

    family: uuid.UUID
    records: tuple[LogRecord, ...]
    trailing: int
    """Bytes behind the last whole record: 0, or a write that was cut off."""

    @property
    def lsn(self) -> int:
        """The last committed change; 0 when there was none."""
        return self.records[-1].lsn if self.records else 0


def read_log(path: Path) -> LogContent:
    """Read a log file from end to end.

    Raises:
        TornDatabase: the file is missing, is no log, or a record contradicts the one before it.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TornDatabase(f"log file {path} is missing") from error
    if len(data) < _HEADER_SIZE or not data.startswith(MAGIC):
        raise TornDatabase(f"{path} is not a log file")
    family = uuid.UUID(bytes=data[len(MAGIC) : _HEADER_SIZE])
    records: list[LogRecord] = []
    at, crc, lsn = _HEADER_SIZE, zlib.crc32(family.bytes), 0
    while at + _RECORD.size <= len(data):
        number, length, expected = _RECORD.unpack_from(data, at)
        end = at + _RECORD.size + length
        if end > len(data):
            break
        text = data[at + _RECORD.size : end]
        crc = _chain(crc, number, text)
        if crc != expected:
            raise TornDatabase(f"log {path}: bad checksum in the record at offset {at}")
        if number != lsn + 1:
            raise TornDatabase(f"log {path}: record {number} follows record {lsn}")
        records.append(LogRecord(number, text.decode(), crc, end))
        at, lsn = end, number
    return LogContent(family, tuple(records), len(data) - at)


class LogWriter:
    """Appends records to one log file. Not thread-safe: its database calls it under the machine's I/O lock."""

    def __init__(self, path: Path) -> None:
        content = read_log(path)
        self.path = path
        self.family = content.family
        self._lsn = content.lsn
        self._crc = content.records[-1].crc if content.records else zlib.crc32(content.family.bytes)
        self._file = path.open("ab", buffering=0)

    @staticmethod
    def create(path: Path, family: uuid.UUID) -> LogWriter:
        """Make a new, empty log; the file must not exist yet."""
        with path.open("xb") as file:
            file.write(MAGIC + family.bytes)
        return LogWriter(path)

    def append(self, text: str) -> int:
        """Write one record and return its LSN."""
        encoded = text.encode()
        self._lsn += 1
        self._crc = _chain(self._crc, self._lsn, encoded)
        self._file.write(_RECORD.pack(self._lsn, len(encoded), self._crc) + encoded)
        return self._lsn

    def close(self) -> None:
        """Close the file; twice is fine."""
        self._file.close()


def forget_after(path: Path, lsn: int) -> None:
    """Cut a log back to a record: the roll-back half of crash recovery, for a change that never reached the data."""
    content = read_log(path)
    end = content.records[lsn - 1].end if lsn else _HEADER_SIZE
    os.truncate(path, end)


def _chain(crc: int, lsn: int, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(lsn.to_bytes(8, "little"), crc))
