"""What ``Get-SkTree`` lists of a shadow copy: files, folders, links, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sitekeeper.engine.errors import IntegrityError

READ_ONLY = 1
DIRECTORY = 0x10
REPARSE_POINT = 0x400
ELSEWHERE = 0x200 | 0x1000 | 0x40000 | 0x400000
"""SPARSE_FILE, OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS: a file that is a reparse point and has one of these is no
link; its bytes are kept elsewhere by deduplication or hierarchical storage (Microsoft Learn, "File Attribute Constants")."""
OF_WINDOWS = frozenset({"system volume information", "$recycle.bin", "recycler"})
"""Folders at the root of every volume that hold nothing of a site; an administrator cannot even read the first."""
_KINDS = {"F": "file", "D": "folder", "L": "link"}


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a listing; ``path`` is relative to the volume."""

    kind: str
    path: str
    size: int
    modified: int
    attributes: int


def entries(blocks: Iterable[object], *, whole_volume: bool = False) -> Iterator[Found]:
    """The entries of a listing; of a whole volume without the folders of Windows' own at its root.

    Raises:
        IntegrityError: the host could not read one; names it.

    """
    for block in blocks:
        for line in str(block).split("\n"):
            try:
                kind, size, modified, attributes, path = line.split("\t", 4)
                found = Found(_KINDS.get(kind, ""), path, int(size), int(modified), int(attributes))
            except ValueError:
                raise IntegrityError(f"the host sent a listing that cannot be read: {line[:80]!r}") from None
            if whole_volume and path.partition("\t")[0].partition("\\")[0].lower() in OF_WINDOWS:
                continue
            if kind == "E":
                name, _, reason = path.rpartition("\t")
                raise IntegrityError(
                    f"the host cannot list {name} in the shadow copy: {reason}",
                    hint="an old .NET cannot open paths over 260 characters"
                    if reason == "PathTooLongException"
                    else None,
                )
            if not found.kind:
                raise IntegrityError(f"the host sent a listing that cannot be read: {line[:80]!r}")
            yield found
