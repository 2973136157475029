"""Pulls parts of a site into a staging set.

What is streamed is the same for a shadow copy set and for the folder of ConfigMgr's own task; what must hold meanwhile is not, and
is the ``Source``'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sitekeeper.engine.errors import IntegrityError, UnreachableError
from sitekeeper.engine.session import Context
from sitekeeper.model.site import Part
from sitekeeper.model.store import PulledFiles
from sitekeeper.model.windows import ShadowCopy
from sitekeeper.store.format.entry_log import EntryLog
from sitekeeper.store.format.manifest_file import Entry
from sitekeeper.store.format.names import make_stored_path, relative_to
from sitekeeper.store.pulling import tree
from sitekeeper.store.pulling.streams import FileTarget, Streams, set_time
from sitekeeper.store.pulling.tree import Found

BATCH_FILES = 500
BATCH_TEXT = 40_000
"""Characters of paths in one request: it must fit into the smallest envelope (150 KiB on Server 2003 and 2008 R2)."""


class Source(Protocol):
    """Where files are read, and what must hold while they are."""

    def copy_of(self, part: Part) -> ShadowCopy:
        """Where a part is read."""

    def still_there(self, host: str, copy: ShadowCopy) -> None:
        """Asked after a lost connection.

        Raises:
            IntegrityError: what was being read is not there any more, or is another.

        """

    def ready(self, host: str) -> None:
        """Asked before each batch.

        Raises:
            SpaceError, IntegrityError: reading on would be for nothing.

        """


class Puller(Streams):
    """Pulls parts of a site into a staging set."""

    def __init__(
        self, ctx: Context, root: Path, log: EntryLog, source: Source, *, rate: int | None, places: frozenset[str]
    ) -> None:
        super().__init__(ctx, root, log, rate)
        self.source = source
        self.places = places
        """Where parts go: a mount point at such a place is no link that is left out, its volume is a part."""

    def of(self, host: str) -> Context:
        """The context of a host."""
        return self.ctx.of(host)

    def describe(self, seconds: float) -> PulledFiles:
        """The result of a pull that took so long."""
        return PulledFiles(
            changed=True,
            files=self.files,
            bytes=self.bytes,
            seconds=round(seconds, 3),
            msg=f"{self.files} files, {self.bytes} bytes in {seconds:.1f} s",
        )

    def listing(self, part: Part) -> tuple[ShadowCopy, list[Found]]:
        """Everything that a part holds there."""
        copy = self.source.copy_of(part)
        last: UnreachableError | None = None
        for _ in range(3):
            try:
                blocks = self.of(part.host).ps.stream(
                    "Get-SkTree", Drive=copy.drive, Run=self.ctx.run_id, Index=copy.index, Path=part.path
                )
                return copy, list(tree.entries(blocks, whole_volume=not part.path))
            except UnreachableError as error:
                last = error
        raise last or UnreachableError("no listing")

    def part(self, part: Part, copy: ShadowCopy, found: Sequence[Found]) -> None:
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
            stored = make_stored_path(part.to, below)
            if one.kind == "link" and stored.casefold() in self.places:
                continue
            name = self.log.unique(stored)
            if one.kind == "file":
                files.append((one, name))
                continue
            if one.kind == "folder":
                folder = self.root / name
                self.made(folder)
                folders.append((folder, one.modified))
            self.log.add(
                Entry(
                    kind="folder" if one.kind == "folder" else "link",
                    path=one.path,
                    file=name,
                    modified=one.modified,
                    attributes=one.attributes,
                    source=source,
                )
            )
        for parent in {(self.root / name).parent for _, name in files}:
            self.made(parent)
        for batch in _batches(FileTarget(one, one.path, name, source) for one, name in files):
            self.source.ready(part.host)
            self._batch(part, copy, batch)
        for folder, modified in reversed(folders):
            set_time(folder, modified)

    def _batch(self, part: Part, copy: ShadowCopy, targets: list[FileTarget]) -> None:
        ps = self.of(part.host).ps

        def ask(left: Sequence[FileTarget]) -> Iterator[object]:
            return ps.stream(
                "Read-SkFile",
                Drive=copy.drive,
                Run=self.ctx.run_id,
                Index=copy.index,
                Path=[target.path for target in left],
                Offset=left[0].written,
            )

        self.stream(targets, ask, lambda: self.source.still_there(part.host, copy))


def _refuse_links(part: Part, found: Sequence[Found]) -> None:
    """What would be read through a link comes from the live volume; what is kept elsewhere would not come at all.

    Raises:
        IntegrityError: the part itself is a link, or a file's bytes are not in the file.

    """
    for one in found:
        if not one.attributes & tree.REPARSE_POINT:
            continue
        if one.path.lower() == part.path.lower() and part.path:
            raise IntegrityError(
                f"{part.host}: {part.path} is a link: its files are not in the shadow copy of this volume",
                hint="ConfigMgr and SQL Server must name the folder itself, or the link must become a mount point",
            )
        if one.kind != "folder" and not one.attributes & tree.DIRECTORY and one.attributes & tree.ELSEWHERE:
            raise IntegrityError(
                f"{part.host}: the bytes of {one.path} are kept elsewhere (deduplication or hierarchical storage)",
                hint="leave the folders of the site and its database out of it",
            )


def _batches(targets: Iterable[FileTarget]) -> Iterator[list[FileTarget]]:
    batch: list[FileTarget] = []
    text = 0
    for target in targets:
        if batch and (len(batch) >= BATCH_FILES or text + len(target.path) > BATCH_TEXT):
            yield batch
            batch, text = [], 0
        batch.append(target)
        text += len(target.path)
    if batch:
        yield batch
