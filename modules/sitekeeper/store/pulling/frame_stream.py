"""The byte stream of ``Read-SkFile``: many files, one after the other, each with its length and SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from sitekeeper.engine.errors import IntegrityError

_HEAD = Struct("<iq")
_COUNT = Struct("<i")
DIGEST = 32
LONGEST_REASON = 4096
"""Bytes of a reason; the name of a .NET exception is far shorter."""


@dataclass(frozen=True, slots=True)
class FileFrame:
    """A file begins: its place in the request, and its whole length."""

    number: int
    length: int


@dataclass(frozen=True, slots=True)
class Bytes:
    """The next bytes of the file."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class EndFrame:
    """The file is over; the host's digest of all of it."""

    number: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The file could not be opened on the host."""

    number: int
    reason: str


Frame = FileFrame | Bytes | EndFrame | Unreadable


class Frames:
    """Feed it blocks; it answers what they hold. ``offset``: bytes that the first file's stream leaves out.

    Files come in the order in which they were asked for; what comes in another, or with an impossible length, is refused
    with an IntegrityError, since nothing after it can be believed.
    """

    def __init__(self, offset: int = 0) -> None:
        self._rest = b""
        self._left = 0
        self._number = -1
        self._state = "head"
        self._skip = offset

    @property
    def between_files(self) -> bool:
        """Whether the stream could end here."""
        return self._state == "head" and not self._rest

    def feed(self, block: bytes) -> Iterator[Frame]:
        """What a block adds. File contents are handed on without a copy."""
        data = memoryview(self._rest + block if self._rest else block)
        self._rest = b""
        at = 0
        while True:
            here = data[at:]
            if self._state == "body" and self._left:
                if not here:
                    return
                part = here[: self._left]
                self._left -= len(part)
                at += len(part)
                yield Bytes(part)
                continue
            if self._state == "body":
                self._state = "digest"
            need = {"head": _HEAD.size, "digest": DIGEST, "reason": _COUNT.size}[self._state]
            if self._state == "reason" and len(here) >= need:
                count = _COUNT.unpack_from(here)[0]
                if not 0 <= count <= LONGEST_REASON:
                    raise IntegrityError(f"the host sent a stream that cannot be read (a reason of {count} bytes)")
                need += count
            if len(here) < need:
                self._rest = bytes(here)
                return
            at += need
            yield from self._fixed(here[:need])

    def _fixed(self, field: memoryview) -> Iterator[Frame]:
        if self._state == "head":
            number, length = _HEAD.unpack(field)
            if number != self._number + 1 or length < -1 or 0 <= length < self._skip:
                raise IntegrityError(
                    f"the host sent a stream that cannot be read (file {number} of {length} bytes after {self._number})"
                )
            self._number = number
            self._state = "body" if length >= 0 else "reason"
            if length >= 0:
                self._left = length - self._skip
                self._skip = 0
                yield FileFrame(self._number, length)
        elif self._state == "digest":
            self._state = "head"
            yield EndFrame(self._number, bytes(field))
        else:
            self._state = "head"
            yield Unreadable(self._number, bytes(field[_COUNT.size :]).decode("utf-8", "replace"))
