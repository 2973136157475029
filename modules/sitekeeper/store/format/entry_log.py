"""What a staging set holds, file by file, written down as it comes; the manifest is made of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format.manifest_file import Entry

NAME = ".entries.jsonl"
SHADOW_NAME = ".shadow-set"


class EntryLog:
    """Appends entries to a staging set, and gives every file a name of its own."""

    def __init__(self, staging: Path) -> None:
        whole = [entry for entry in read(staging) if _whole(staging, entry)]
        self._earlier: dict[tuple[str, str], list[Entry]] = {}
        for entry in whole:
            self._earlier.setdefault((entry.source, entry.path), []).append(entry)
        self._names = {entry.file for entry in whole}
        file = staging / NAME
        file.write_text("".join(_line(entry) for entry in whole), encoding="ascii")
        self._handle = file.open("a", encoding="ascii")
        self._newest: Entry | None = None

    def earlier(self, source: str, path: str, to: str) -> Entry | None:
        """What an earlier, interrupted pull of the same set left whole: every byte was hashed again.

        ``to``: the folder in the set; one file may go to two (a database inside the install folder).
        """
        for entry in self._earlier.get((source, path), ()):
            if f"{entry.file}/".startswith(f"{to}/"):
                return entry
        return None

    def unique(self, name: str) -> str:
        """The name, or one beside it when it is taken (two data files of one name on two volumes)."""
        chosen, number = name, 2
        while chosen in self._names:
            chosen, number = f"{name}~{number}", number + 1
        self._names.add(chosen)
        return chosen

    def add(self, entry: Entry) -> None:
        """Note an entry."""
        self._newest = entry
        self._handle.write(_line(entry))

    def drop(self, name: str) -> None:
        """The newest entry, if it is this file's, goes again: cut off, so that a kill meanwhile loses none of the others."""
        if self._newest is not None and self._newest.file == name:
            self._handle.truncate(self._handle.tell() - len(_line(self._newest)))
            self._names.discard(name)
            self._newest = None

    def close(self) -> None:
        """Nothing more comes."""
        self._handle.close()


def one_shadow_set(staging: Path, shadow_set: str) -> None:
    """A set belongs to one shadow copy set: two are never mixed.

    Raises:
        IntegrityError: something of another one is in it already.

    """
    file = staging / SHADOW_NAME
    if file.exists():
        before = file.read_text(encoding="utf-8")
        if before != shadow_set:
            raise IntegrityError(
                f"{staging.name} holds files of shadow copy set {before}: it is never mixed with {shadow_set}"
            )
        return
    # There whole or not at all: a process that was killed half-way must not leave an empty name behind.
    half = file.with_name(f"{file.name}.new")
    with half.open("w", encoding="utf-8") as handle:
        handle.write(shadow_set)
        handle.flush()
        os.fsync(handle.fileno())
    half.replace(file)


def read(staging: Path) -> Iterator[Entry]:
    """The entries of a staging set."""
    file = staging / NAME
    if not file.exists():
        return
    with file.open(encoding="ascii") as lines:
        for line in lines:
            if line.endswith("\n"):  # the last one may have been cut off
                yield Entry.model_validate(json.loads(line))  # pydantic's own reader refuses half a surrogate pair


def _line(entry: Entry) -> str:
    return json.dumps(entry.model_dump(), ensure_ascii=True) + "\n"


def _whole(staging: Path, entry: Entry) -> bool:
    """Whether what an entry says is on the disk: after a power failure it may not be."""
    path = staging / entry.file
    if entry.kind != "file":
        return entry.kind == "link" or path.is_dir()
    if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size:
        return False
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == entry.sha256
