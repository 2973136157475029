"""Whether copies of a database's files are one database: the check that a backup of the lab must pass."""

from __future__ import annotations

import sqlite3
import uuid
import zlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sitekeeper_lab.sql.logfile import TornDatabase, read_log


@dataclass(frozen=True, slots=True)
class Attached:
    """What an attach of copied files found: enough to tell whether the set is of one instant."""

    name: str
    """The database's name when it was copied."""
    family: uuid.UUID
    lsn: int
    counter: int | None
    """``LabCounter.value``; None where the database has no such table."""
    traffic: int | None
    """Rows of ``LabTraffic``."""


def attach(mdf: Path, ldf: Path, ndf: Path | None = None) -> Attached:
    """Check copies of a database's files as an attach would, changing nothing.

    Raises:
        TornDatabase: a file is missing, damaged, or not of the same instant as the others.

    """
    log = read_log(ldf)
    if log.trailing:
        raise TornDatabase(f"log {ldf}: ends inside a record")
    name, family, lsn = "", uuid.UUID(int=0), -1
    for path in (mdf, ndf) if ndf else (mdf,):
        if not path.is_file():
            raise TornDatabase(f"data file {path} is missing")
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)) as data:
                if data.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                    raise TornDatabase(f"data file {path} is damaged")
                row = data.execute("SELECT name, family, lsn, data_files FROM lab_boot").fetchone()
                _check_bulk(path, data)
        except sqlite3.DatabaseError as error:
            raise TornDatabase(f"data file {path} is damaged: {error}") from error
        name, family, lsn = str(row[0]), uuid.UUID(row[1]), int(row[2])
        if row[3] != (2 if ndf else 1):
            raise TornDatabase(f"{path} belongs to a database of {row[3]} data files")
        if family != log.family:
            raise TornDatabase(f"{path} and {ldf} are of different databases")
        if lsn != log.lsn:
            raise TornDatabase(f"{path} is at change {lsn}, {ldf} at {log.lsn}: not of one instant")
    with closing(sqlite3.connect(f"{mdf.resolve().as_uri()}?immutable=1", uri=True)) as data:
        if ndf:
            data.execute("ATTACH ? AS ndf", (f"{ndf.resolve().as_uri()}?immutable=1",))
        counter = _scalar(data, "SELECT value FROM LabCounter WHERE id = 1")
        traffic = _scalar(data, "SELECT count(*) FROM LabTraffic")
    return Attached(name, family, lsn, counter, traffic)


def _check_bulk(path: Path, data: sqlite3.Connection) -> None:
    if data.execute("SELECT 1 FROM sqlite_master WHERE name = 'LabBulk'").fetchone():
        for number, crc, content in data.execute("SELECT id, crc, data FROM LabBulk"):
            if zlib.crc32(content) != crc:
                raise TornDatabase(f"data file {path}: row {number} of LabBulk is damaged")


def _scalar(data: sqlite3.Connection, sql: str) -> int | None:
    try:
        row = data.execute(sql).fetchone()
    except sqlite3.OperationalError:  # a database without the lab's tables: not ours to judge
        return None
    return None if row is None else int(row[0])
