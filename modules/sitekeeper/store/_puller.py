"""Streams files of a host into a staging set: resumed by file and offset after a lost connection, hashed on both ends.

What is streamed is the same for a shadow copy set and for the folder of ConfigMgr's own task; what must hold meanwhile is not, and
is the ``Source``'s to say.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from sitekeeper.engine.errors import IntegrityError, RunInterruptedError, UnreachableError
from sitekeeper.engine.session import Context
from sitekeeper.site._results import Part
from sitekeeper.store import _frames, _tree
from sitekeeper.store._entries import EntryLog
from sitekeeper.store._folder import store_error
from sitekeeper.store._manifest import Entry
from sitekeeper.store._names import relative_to, stored_path
from sitekeeper.store._tree import Found
from sitekeeper.windows._results import Copy

BATCH_FILES = 500
BATCH_TEXT = 40_000
"""Characters of paths in one request: it must fit into the smallest envelope (150 KiB on Server 2003 and 2008 R2)."""
RESUMES = 20
"""How often in a row a lost connection is resumed without a byte of progress in between."""
_EPOCH_1970 = 116_444_736_000_000_000


class Source(Protocol):
    """Where files are read, and what must hold while they are."""

    def copy_of(self, part: Part) -> Copy:
        """Where a part is read."""

    def still_there(self, host: str, copy: Copy) -> None:
        """Asked after a lost connection.

        Raises:
            IntegrityError: what was being read is not there any more, or is another.

        """

    def ready(self, host: str) -> None:
        """Asked before each batch.

        Raises:
            SpaceError, IntegrityError: reading on would be for nothing.

        """


@dataclass(slots=True)
class _Target:
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


class Puller:
    """Pulls parts of a site into a staging set."""

    def __init__(
        self, ctx: Context, root: Path, log: EntryLog, source: Source, *, rate: int | None, places: frozenset[str]
    ) -> None:
        self.ctx = ctx
        self.root = root
        self.log = log
        self.source = source
        self.rate = rate
        self.places = places
        """Where parts go: a mount point at such a place is no link that is left out, its volume is a part."""
        self.files = 0
        self.bytes = 0
        self.total = 0
        self._started = ctx.clock.monotonic()
        self._told = 0.0

    def of(self, host: str) -> Context:
        """The context of a host."""
        return self.ctx if host == self.ctx.host else self.ctx.of(host)

    def listing(self, part: Part) -> tuple[Copy, list[Found]]:
        """Everything that a part holds there."""
        copy = self.source.copy_of(part)
        last: UnreachableError | None = None
        for _ in range(3):
            try:
                blocks = self.of(part.host).ps.stream(
                    "Get-SkTree", Drive=copy.drive, Run=self.ctx.run_id, Index=copy.index, Path=part.path
                )
                return copy, list(_tree.entries(blocks, whole_volume=not part.path))
            except UnreachableError as error:
                last = error
        raise last or UnreachableError("no listing")

    def part(self, part: Part, copy: Copy, found: Sequence[Found]) -> None:
        """Make the folders, note the links, and stream the files."""
        files: list[tuple[Found, str]] = []
        folders: list[tuple[Path, int]] = []
        source = f"{part.host}:{copy.name}"
        single = len(found) == 1 and found[0].kind == "file" and found[0].path.lower() == part.path.lower()
        _refuse_links(part, found)
        for one in found:
            earlier = self.log.earlier(source, one.path, part.to)
            if earlier is not None and (earlier.kind, earlier.size) == (one.kind, one.size):
                self.files += earlier.kind == "file"
                self.bytes += earlier.size
                continue
            below = one.path.rpartition("\\")[2] if single else relative_to(part.path, one.path)
            stored = stored_path(part.to, below)
            if one.kind == "link" and stored.casefold() in self.places:
                continue
            name = self.log.unique(stored)
            if one.kind == "file":
                files.append((one, name))
                continue
            if one.kind == "folder":
                folder = self.root / name
                self._made(folder)
                folders.append((folder, one.modified))
            self.log.add(
                Entry(kind="folder" if one.kind == "folder" else "link", path=one.path, file=name, modified=one.modified,
                      attributes=one.attributes, source=source)
            )  # fmt: skip
        for parent in {(self.root / name).parent for _, name in files}:
            self._made(parent)
        for batch in _batches(_Target(one, one.path, name, source) for one, name in files):
            self.source.ready(part.host)
            self._batch(part, copy, batch)
        for folder, modified in reversed(folders):
            _set_time(folder, modified)

    def _made(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise store_error(error, self.root) from None

    def _batch(self, part: Part, copy: Copy, targets: list[_Target]) -> None:
        """Stream a batch; after a lost connection go on at the file and offset that were reached."""
        ps = self.of(part.host).ps
        done = stuck = 0
        while done < len(targets):
            left = targets[done:]
            before = self.bytes
            frames = _frames.Frames(left[0].written)
            try:
                blocks = ps.stream(
                    "Read-SkFile", Drive=copy.drive, Run=self.ctx.run_id, Index=copy.index,
                    Path=[target.path for target in left], Offset=left[0].written,
                )  # fmt: skip
                for count in self._written(blocks, frames, left):
                    done += count
            except UnreachableError:
                stuck = stuck + 1 if self.bytes == before else 0
                if stuck >= RESUMES:
                    raise
                self.source.still_there(part.host, copy)
                continue
            if done < len(targets):
                raise IntegrityError(f"the host stopped in the middle of {targets[done].path}")

    def _written(self, blocks: Iterator[object], frames: _frames.Frames, targets: list[_Target]) -> Iterator[int]:
        """Write what comes; yields 1 for every file that is whole."""
        handle: BinaryIO | None = None
        target = targets[0]
        try:
            for block in blocks:
                if not isinstance(block, bytes):
                    raise IntegrityError("the host sent something that is no file data")
                for frame in frames.feed(block):
                    match frame:
                        case _frames.Opened(number, length):
                            target = targets[number]
                            handle = self._open(target, length)
                        case _frames.Bytes(data):
                            if handle is not None:
                                handle.write(data)
                            target.hash.update(data)
                            target.written += len(data)
                            self.bytes += len(data)
                        case _frames.Ended(_, digest):
                            if handle is not None:
                                handle.close()
                                handle = None
                            self._finish(target, digest)
                            yield 1
                        case _frames.Unreadable(number, reason):
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

    def _open(self, target: _Target, length: int) -> BinaryIO:
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

    def _finish(self, target: _Target, digest: bytes) -> None:
        if target.written != target.length or target.hash.digest() != digest:
            raise IntegrityError(f"{target.path} arrived different from what the host read (SHA-256)")
        self.files += 1
        _set_time(self.root / target.file, target.found.modified)
        self.log.add(
            Entry(kind="file", path=target.path, file=target.file, size=target.length, sha256=digest.hex(),
                  modified=target.found.modified, attributes=target.found.attributes, source=target.source)
        )  # fmt: skip

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


def _refuse_links(part: Part, found: Sequence[Found]) -> None:
    """What would be read through a link comes from the live volume; what is kept elsewhere would not come at all.

    Raises:
        IntegrityError: the part itself is a link, or a file's bytes are not in the file.

    """
    for one in found:
        if not one.attributes & _tree.REPARSE_POINT:
            continue
        if one.path.lower() == part.path.lower() and part.path:
            raise IntegrityError(
                f"{part.host}: {part.path} is a link: its files are not in the shadow copy of this volume",
                hint="ConfigMgr and SQL Server must name the folder itself, or the link must become a mount point",
            )
        if one.kind != "folder" and not one.attributes & _tree.DIRECTORY and one.attributes & _tree.ELSEWHERE:
            raise IntegrityError(
                f"{part.host}: the bytes of {one.path} are kept elsewhere (deduplication or hierarchical storage)",
                hint="leave the folders of the site and its database out of it",
            )


def _batches(targets: Iterable[_Target]) -> Iterator[list[_Target]]:
    batch: list[_Target] = []
    text = 0
    for target in targets:
        if batch and (len(batch) >= BATCH_FILES or text + len(target.path) > BATCH_TEXT):
            yield batch
            batch, text = [], 0
        batch.append(target)
        text += len(target.path)
    if batch:
        yield batch


def _set_time(file: Path, modified: int) -> None:
    """The file's own time, as far as the store can hold it; the manifest has it exactly."""
    nanoseconds = (modified - _EPOCH_1970) * 100
    try:
        os.utime(file, ns=(nanoseconds, nanoseconds))
    except (OSError, OverflowError):
        os.utime(file, (0, 0))
