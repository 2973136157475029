"""Stages a set on a site server for its recovery: which file goes where, and how it is sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError, SpaceError, UnreachableError
from sitekeeper.engine.figures import show_size
from sitekeeper.engine.plan import Result
from sitekeeper.engine.session import Context
from sitekeeper.model.store import ExtractedSet

CHUNK = 192 * 1024
"""Bytes of one call: in base64 and with the protocol around it, it must stay far below the memory limit of Server 2008 R2."""
MOST_FILES = 200
RESUMES = 5
SCRIPT = "recover.ini"
MEDIA = "CD.Latest"


class StagedRecovery(Result):
    """What was staged on a site server."""

    root: str = ""
    """The operator's folder on the site server."""
    drive: str = ""
    """Letter of the system drive."""
    folder: str = ""
    media: str = ""
    """The copy of CD.Latest; empty for 2007."""
    backup: str = ""
    """The task's ``<code>Backup``; empty for a snapshot set."""
    script: str = ""
    """The recovery script; empty for 2007."""
    saved: str = ""
    """Where the former files of the machine are saved; empty if there was nothing to save."""
    accounts: bool = False
    """Whether a srvacct folder is saved there."""
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A file or folder, and its place."""

    local: Path | None
    """None: a folder."""
    path: str
    """On the host, relative to the staging folder, with backslashes."""
    data: bytes = b""
    """Contents of a file that is not on our disk."""

    def size(self) -> int:
        """Bytes."""
        return self.local.stat().st_size if self.local is not None else len(self.data)


def pieces_of(got: ExtractedSet, *, backup: bool, media: bool) -> Iterator[Piece]:
    """Yield everything in a set that a recovery reads, folders before their contents.

    Raises:
        IntegrityError: the set has no CD.Latest, but it is needed.

    """
    folder = Path(str(got.folder))
    if backup:
        yield from _tree(folder / f"{got.site}Backup", f"{got.site}Backup")
    if media:
        places = (f"{got.files_root}SiteServer/SMSServer/{MEDIA}", f"{got.files_root}{MEDIA}")
        found = next((folder / place for place in places if (folder / place).is_dir()), None)
        if found is None:
            raise IntegrityError(f"{got.id} has no {MEDIA}: setup cannot run from this set")
        yield from _tree(found, MEDIA)


def _tree(top: Path, to: str) -> Iterator[Piece]:
    if not top.is_dir():
        raise IntegrityError(f"the set has no folder {top.name}")
    for root, folders, files in os.walk(top):
        folders.sort()
        below = Path(root).relative_to(top)
        here = "\\".join([to, *below.parts])
        yield Piece(None, here)
        for name in sorted(files):
            yield Piece(Path(root) / name, f"{here}\\{name}")


@dataclass(slots=True)
class Sender:
    """Sends pieces into a run's staging folder on a host, several small ones in one call, and verifies them there."""

    ctx: Context
    root: str
    run: str
    sent: int = 0
    total: int = 0

    def send(self, pieces: Sequence[Piece]) -> dict[str, tuple[int, str]]:
        """Send everything; return size and SHA-256 of each file by its path on the host, in lower case.

        Raises:
            IntegrityError: a file differs on the host. UnreachableError: the host cannot be reached any more.

        """
        self.total = sum(one.size() for one in pieces)
        known: dict[str, tuple[int, str]] = {}
        entries: list[str] = []
        data = bytearray()
        for piece in pieces:
            if piece.local is None and not piece.data and piece.path != SCRIPT:
                entries.append(f"-1\t{piece.path}")
            elif piece.size() > CHUNK:
                self._flush(entries, data)
                known[piece.path.lower()] = self._large(piece)
            else:
                content = piece.local.read_bytes() if piece.local is not None else piece.data
                known[piece.path.lower()] = (len(content), hashlib.sha256(content).hexdigest())
                if len(data) + len(content) > CHUNK:
                    self._flush(entries, data)
                entries.append(f"{len(content)}\t{piece.path}")
                data += content
            if len(entries) >= MOST_FILES:
                self._flush(entries, data)
        self._flush(entries, data)
        self.check(known)
        return known

    def _large(self, piece: Piece) -> tuple[int, str]:
        digest = hashlib.sha256()
        at = 0
        assert piece.local is not None  # noqa: S101 - only files of the set are large
        with piece.local.open("rb") as file:
            while block := file.read(CHUNK):
                digest.update(block)
                self._write([f"{len(block)}\t{piece.path}"], block, at)
                at += len(block)
        return at, digest.hexdigest()

    def _flush(self, entries: list[str], data: bytearray) -> None:
        if entries:
            self._write(entries, bytes(data), 0)
        entries.clear()
        data.clear()

    def _write(self, entries: list[str], data: bytes, offset: int) -> None:
        """Make one call. It is safe to repeat with the same offset, so it is sent again if its reply is lost."""
        for attempt in range(RESUMES):
            try:
                self.ctx.ps.change(
                    "Write-SkStage", Root=self.root, Run=self.run, Entry=entries, Offset=offset, Data=data
                )
                break
            except UnreachableError:
                if attempt == RESUMES - 1:
                    raise
        self.sent += len(data)
        self.ctx.progress(self.sent, self.total, "B", "copying files to the site server")

    def check(self, known: dict[str, tuple[int, str]]) -> None:
        """Check that every file on the host is as it was sent, and that no other exists.

        Raises:
            IntegrityError: names the first one that differs.

        """
        found: dict[str, tuple[int, str]] = {}
        for line in self.ctx.ps.stream("Measure-SkStage", Root=self.root, Run=self.run):
            size, digest, path = str(line).split("\t", 2)
            found[path.lower()] = (int(size), digest.lower())
        for path in sorted({*known, *found}):
            if known.get(path) != found.get(path):
                raise IntegrityError(
                    f"{self.root}\\{self.run}\\{path} on {self.ctx.host} differs from what was sent", host=self.ctx.host
                )


def refuse_full(ctx: Context, free: int, needed: int) -> None:
    """Refuse a host with too little space for the staged files.

    Raises:
        SpaceError: the space is too small.

    """
    if free < needed:
        raise SpaceError(
            f"{ctx.host} has {show_size(free)} free for the staged files, but {show_size(needed)} are needed",
            host=ctx.host,
        )
