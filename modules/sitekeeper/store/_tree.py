"""What ``Get-SkTree`` lists of a shadow copy: files, folders, links, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sitekeeper.engine.errors import IntegrityError

READ_ONLY = 1
_KINDS = {"F": "file", "D": "folder", "L": "link"}


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a listing; ``path`` is relative to the volume."""

    kind: str
    path: str
    size: int
    modified: int
    attributes: int


def entries(blocks: Iterable[object]) -> Iterator[Found]:
    """The entries of a listing.

    Raises:
        IntegrityError: the host could not read one; names it.

    """
    for block in blocks:
        for line in str(block).split("\n"):
            kind, size, modified, attributes, path = line.split("\t", 4)
            if kind == "E":
                name, _, reason = path.rpartition("\t")
                raise IntegrityError(
                    f"the host cannot list {name} in the shadow copy: {reason}",
                    hint="an old .NET opens no path over 260 characters" if reason == "PathTooLongException" else None,
                )
            yield Found(_KINDS[kind], path, int(size), int(modified), int(attributes))
