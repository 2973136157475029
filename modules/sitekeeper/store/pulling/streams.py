"""Bytes of a host into files of a staging set: resumed by file and offset after a lost connection, hashed on both ends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sitekeeper.engine.errors import IntegrityError, RunInterruptedError, UnreachableError
from sitekeeper.engine.session import Context
from sitekeeper.store.format.entry_log import EntryLog
from sitekeeper.store.format.manifest_file import Entry
from sitekeeper.store.format.store_folder import store_error
from sitekeeper.store.pulling import frame_stream
from sitekeeper.store.pulling.tree import Found

RESUMES = 20
"""How often in a row a lost connection is resumed without a byte of progress in between."""
_EPOCH_1970 = 116_444_736_000_000_000


@dataclass(slots=True)
class FileTarget:
    """A file that is being written."""

    found: Found
    path: str
    """On the host, relative to its volume."""
    file: str
    """In the set."""
    source: str
    written: int = 0
    length: int = -1
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)


class Streams:
    """What is read, written down entry by entry."""

    def __init__(self, ctx: Context, root: Path, log: EntryLog, rate: int | None) -> None:
        self.ctx = ctx
        self.root = root
        self.log = log
        self.rate = rate
        self.files = 0
        self.bytes = 0
        self.total = 0
        self._started = ctx.clock.monotonic()
        self._told = 0.0

    def file(
        self, found: Found, place: str, source: str, ask: Callable[[int], Iterator[object]], again: Callable[[], None]
    ) -> None:
        """One file into its place in the set. ``ask`` reads it from an offset on, ``again`` may refuse to go on with it."""
        earlier = self.log.earlier(source, found.path, place)
        if earlier is not None and earlier.size == found.size:
            self.files += 1
            self.bytes += earlier.size
            return
        name = self.log.unique(place)
        self.made((self.root / name).parent)
        self.stream([FileTarget(found, found.path, name, source)], lambda left: ask(left[0].written), again)

    def stream(
        self,
        targets: list[FileTarget],
        ask: Callable[[Sequence[FileTarget]], Iterator[object]],
        again: Callable[[], None],
    ) -> None:
        """Stream some files; after a lost connection go on at the file and offset that were reached."""
        done = stuck = 0
        while done < len(targets):
            left = targets[done:]
            before = self.bytes
            frames = frame_stream.Frames(left[0].written)
            try:
                for count in self._written(ask(left), frames, left):
                    done += count
            except UnreachableError:
                if done == len(targets):
                    return  # lost after the last byte: every hash was right, and nothing is left to ask for
                stuck = stuck + 1 if self.bytes == before else 0
                if stuck >= RESUMES:
                    raise
                again()
                continue
            if done < len(targets):
                raise IntegrityError(f"the host stopped in the middle of {targets[done].path}")

    def made(self, folder: Path) -> None:
        """A folder of the set."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise store_error(error, self.root) from None

    def _written(
        self, blocks: Iterator[object], frames: frame_stream.Frames, targets: list[FileTarget]
    ) -> Iterator[int]:
        """Write what comes; yields 1 for every file that is whole."""
        handle: BinaryIO | None = None
        target = targets[0]
        try:
            for block in blocks:
                if not isinstance(block, bytes):
                    raise IntegrityError("the host sent something that is not file data")
                for frame in frames.feed(block):
                    match frame:
                        case frame_stream.FileFrame(number, length):
                            target = targets[number]
                            handle = self._open(target, length)
                        case frame_stream.Bytes(data):
                            if handle is not None:
                                handle.write(data)
                            target.hash.update(data)
                            target.written += len(data)
                            self.bytes += len(data)
                        case frame_stream.EndFrame(_, digest):
                            if handle is not None:
                                handle.close()
                                handle = None
                            self._finish(target, digest)
                            yield 1
                        case frame_stream.Unreadable(number, reason):
                            raise IntegrityError(
                                f"the host cannot read {targets[number].path} in the shadow copy: {reason}"
                            )
                self._pace()
        except OSError as error:
            raise store_error(error, self.root) from None
        finally:
            if handle is not None:
                with suppress(OSError):  # a full disk fails once more; what was to be said of it is said
                    handle.close()

    def _open(self, target: FileTarget, length: int) -> BinaryIO:
        if target.written and length != target.length:
            raise IntegrityError(f"{target.path} has another length than before the connection was lost")
        if length != target.found.size:
            raise IntegrityError(
                f"{target.path} was listed with {target.found.size} bytes and is read with {length}: not from a shadow copy"
            )
        target.length = length
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if target.written else os.O_EXCL)
        file = self.root / target.file
        if not target.written:
            file.unlink(missing_ok=True)  # left by a try that did not end
        handle = os.fdopen(os.open(file, flags, 0o600), "wb")
        handle.seek(target.written)
        return handle

    def _finish(self, target: FileTarget, digest: bytes) -> None:
        if target.written != target.length or target.hash.digest() != digest:
            raise IntegrityError(f"{target.path} arrived changed: its SHA-256 differs from what the host read")
        self.files += 1
        set_time(self.root / target.file, target.found.modified)
        self.log.add(
            Entry(
                kind="file",
                path=target.path,
                file=target.file,
                size=target.length,
                sha256=digest.hex(),
                modified=target.found.modified,
                attributes=target.found.attributes,
                source=target.source,
            )
        )

    def _pace(self) -> None:
        """Progress, the operator's stop, and the rate limit: what is not read stays with the host."""
        now = self.ctx.clock.monotonic()
        if self.ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator")
        if now - self._told > 0.5:
            self._told = now
            self.ctx.progress(self.bytes, self.total, "B", "pulling")
        rate = min((one for one in (self.rate, self.ctx.rate) if one), default=None)
        if rate:
            ahead = self.bytes / rate - (now - self._started)
            if ahead > 0:
                self.ctx.clock.sleep(ahead, self.ctx.stop)


def set_time(file: Path, modified: int) -> None:
    """The file's own time, as far as the store can hold it; the manifest has it exactly."""
    nanoseconds = (modified - _EPOCH_1970) * 100
    try:
        os.utime(file, ns=(nanoseconds, nanoseconds))
    except (OSError, OverflowError):
        os.utime(file, (0, 0))
