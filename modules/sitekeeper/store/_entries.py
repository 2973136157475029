"""What a staging set holds, file by file, written down as it comes; the manifest is made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from sitekeeper.store._manifest import Entry

NAME = ".entries.jsonl"


class EntryLog:
    """Appends entries to a staging set, and gives every file a name of its own."""

    def __init__(self, staging: Path) -> None:
        self._file = staging / NAME
        self._names = {entry.file for entry in read(staging)}
        self._handle = self._file.open("a", encoding="ascii")

    def unique(self, name: str) -> str:
        """The name, or one beside it when it is taken (two data files of one name on two volumes)."""
        chosen, number = name, 2
        while chosen in self._names:
            chosen, number = f"{name}~{number}", number + 1
        self._names.add(chosen)
        return chosen

    def add(self, entry: Entry) -> None:
        """Note an entry."""
        self._handle.write(json.dumps(entry.model_dump(), ensure_ascii=True) + "\n")

    def close(self) -> None:
        """Nothing more comes."""
        self._handle.close()


def read(staging: Path) -> Iterator[Entry]:
    """The entries of a staging set."""
    file = staging / NAME
    if not file.exists():
        return
    with file.open(encoding="ascii") as lines:
        for line in lines:
            yield Entry.model_validate_json(line)
