"""Which databases an instance has beside those of its sites, written down as ``master`` does: a restarted lab opens them."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from sitekeeper_lab.sql.database import Instance
from sitekeeper_lab.sql.files import Database, DataFile
from sitekeeper_lab.sql.logfile import TornDatabase


class Catalog:
    """A file with the databases that were made by statements; ``given`` are those that the lab itself opens."""

    def __init__(self, file: Path, instance: Instance, given: Collection[str]) -> None:
        self._file, self._instance, self._given = file, instance, frozenset(given)
        for name, files in self._read():
            self._open(name, files)
        instance.on_databases.append(self.write)

    def write(self) -> None:
        """Write down what there is now."""
        rows = [
            [name, [[file.logical, file.kind, file.physical] for file in database.files]]
            for name, database in self._instance.databases.items()
            if name not in self._given
        ]
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(rows))
        part.replace(self._file)

    def _read(self) -> list[tuple[str, list[list[str]]]]:
        if not self._file.exists():
            return []
        return [(name, files) for name, files in json.loads(self._file.read_text())]

    def _open(self, name: str, files: list[list[str]]) -> None:
        instance = self._instance
        found = tuple(DataFile(row[0], row[1], row[2], instance.resolve(row[2])) for row in files)
        try:
            database = Database(name, found, instance.io_lock, instance.clock)
        except (TornDatabase, OSError):
            return  # a real server lists it as suspect; the lab's has lost it
        instance.add(database)
