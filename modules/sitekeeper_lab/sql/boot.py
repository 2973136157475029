"""What a database's data file says of itself: its boot page, read without changing a byte."""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

HEADER = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Boot:
    """The boot page."""

    name: str
    """The database's name when it was made: the logical names of its files follow it, whatever it is called later."""
    family: uuid.UUID
    lsn: int
    data_files: int
    options: dict[str, str]

    @property
    def primary(self) -> bool:
        """Whether it is that of the primary data file: the settings of the database are stored there alone."""
        return bool(self.options)

    def logical(self, number: int, *, log: bool = False) -> str:
        """The logical name of the data file of that number (from 1), or of the log."""
        return f"{self.name}_log" if log else self.name if number == 1 else f"{self.name}_{number}"


class NoBootPage(Exception):  # noqa: N818  # what is wrong with the file
    """The file is a data file whose first pages cannot be read."""


def is_data_file(path: Path) -> bool:
    """Whether it begins as a data file does."""
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER


def read_boot(path: Path) -> Boot:
    """Read the boot page of a file that nobody writes to.

    Raises:
        NoBootPage: it cannot be read.

    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)) as data:
            row = data.execute("SELECT name, family, lsn, data_files, options FROM lab_boot").fetchone()
            return Boot(str(row[0]), uuid.UUID(row[1]), int(row[2]), int(row[3]), json.loads(row[4]))
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        raise NoBootPage(str(path)) from error
