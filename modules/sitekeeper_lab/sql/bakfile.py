"""The lab's backup files: a real file that holds the bytes of a database's files, faithfully, damaged pages included.

It begins with ``TAPE`` as a Microsoft Tape Format file does, and is not one: length and CRC-32 of a JSON head, the head,
then of each file its blocks, ``stored length u32, crc u32, bytes``. Without CHECKSUM the crc is 0 and not looked at.
"""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"TAPE\0\0LABBAK1\0"
BLOCK = 65536
_TWO = struct.Struct("<II")


class NoBackup(Exception):  # noqa: N818  # what it is not
    """The file is no backup, or its head is damaged."""


class BadBlock(Exception):  # noqa: N818  # what was read
    """A block is damaged, or the file ends before it does."""

    def __init__(self, file: int, offset: int, *, ended: bool) -> None:
        super().__init__(f"file {file} at {offset}")
        self.file, self.page, self.ended = file, offset // 8192, ended


@dataclass(frozen=True, slots=True)
class BackedFile:
    """One file of the database, as FILELISTONLY lists it."""

    logical: str
    physical: str
    kind: str
    """D or L."""
    size: int


@dataclass(frozen=True, slots=True)
class Head:
    """What the backup says of itself."""

    guid: str
    database: str
    family: str
    boot_name: str
    server: str
    machine: str
    user: str
    version: str
    """Of the server, as SERVERPROPERTY('ProductVersion')."""
    internal: int
    compatibility: int
    collation: str
    recovery: str
    started: str
    finished: str
    copy_only: bool
    checksums: bool
    compressed: bool
    name: str
    files: tuple[BackedFile, ...]
    compressed_table: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def write_head(out: BinaryIO, head: Head) -> None:
    """Begin a backup."""
    text = json.dumps(asdict(head)).encode()
    out.write(MAGIC + _TWO.pack(len(text), zlib.crc32(text)) + text)


def write_block(out: BinaryIO, content: bytes, head: Head) -> None:
    """Write the next block of a file."""
    stored = zlib.compress(content, 1) if head.compressed else content
    out.write(_TWO.pack(len(stored), zlib.crc32(stored) if head.checksums else 0) + stored)


def read_head(path: Path) -> Head:
    """Read the head.

    Raises:
        NoBackup: there is none.

    """
    with path.open("rb") as file:
        return _head(file)


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every block with the number of its file; checked where the backup has checksums.

    Raises:
        NoBackup: it is no backup. BadBlock: damaged or cut off.

    """
    with path.open("rb") as file:
        head = _head(file)
        for number, one in enumerate(head.files):
            at = 0
            while at < one.size:
                content = _block(file, head, number, at)
                yield number, content
                at += len(content)


def _head(file: BinaryIO) -> Head:
    if file.read(len(MAGIC)) != MAGIC:
        raise NoBackup
    try:
        length, crc = _TWO.unpack(file.read(_TWO.size))
        text = file.read(length)
        if zlib.crc32(text) != crc:
            raise NoBackup
        values = json.loads(text)
    except (struct.error, ValueError) as error:
        raise NoBackup from error
    return Head(**{**values, "files": tuple(BackedFile(**one) for one in values["files"])})


def _block(file: BinaryIO, head: Head, number: int, at: int) -> bytes:
    start = file.read(_TWO.size)
    if len(start) < _TWO.size:
        raise BadBlock(number, at, ended=True)
    length, crc = _TWO.unpack(start)
    stored = file.read(length)
    if len(stored) < length:
        raise BadBlock(number, at, ended=True)
    if head.checksums and zlib.crc32(stored) != crc:
        raise BadBlock(number, at, ended=False)
    try:
        return zlib.decompress(stored) if head.compressed else stored
    except zlib.error:
        raise BadBlock(number, at, ended=False) from None


def new_guid() -> str:
    """Identify a backup set."""
    return str(uuid.uuid4()).upper()
