"""One database of the lab as real files: data (and a secondary data file) in sqlite, a log beside it.

sqlite runs with ``journal_mode=MEMORY``: nothing but the database's own files ever stands on a volume. The price is
that a lab process killed inside a commit may leave a damaged data file, as pulling the plug on a real one may.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sitekeeper_lab.sql.logfile import LogWriter, TornDatabase, forget_after, read_log

_LOOK = 0.05
"""Seconds between two looks of a waiting change at whether it is still wanted."""
_BOOT = (
    "CREATE TABLE {schema}.lab_boot(family TEXT NOT NULL, lsn INTEGER NOT NULL, name TEXT NOT NULL, "
    "data_files INTEGER NOT NULL, options TEXT NOT NULL)"
)


class IoLock(Protocol):
    """The machine's I/O lock: a ``threading.RLock`` or anything re-entrant that behaves like one."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool:
        """Take it."""

    def release(self) -> None:
        """Give it back."""

    def __enter__(self) -> bool: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a database, as ``sys.database_files`` has it."""

    logical: str
    """The logical name, ``CM_ABC_log``."""
    kind: str
    """``ROWS`` or ``LOG``."""
    physical: str
    """The path that Windows knows: ``D:\\MSSQL\\DATA\\CM_ABC.mdf``."""
    path: Path
    """Where the bytes really are."""

    @property
    def size(self) -> int:
        """Bytes on disk now; 0 when somebody took the file away under a running database."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


class DatabaseClosed(Exception):  # noqa: N818  # a state, not a fault
    """The database was taken offline while a change waited for it."""


class Database:
    """A database whose every committed change is in its data file *and* in its log.

    All file writes happen under ``io_lock``, so whoever holds it (the volume snapshot: "flush and hold") sees data and
    log of one instant. ``freeze`` is the SQL writer's: changes wait, reads go on.
    """

    def __init__(self, name: str, files: tuple[DataFile, ...], io_lock: IoLock, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.files = files
        self.io_lock = io_lock
        self.clock = clock
        self.reading = threading.RLock()
        """Held by readers and, inside the I/O lock, by the one writer."""
        self._thawed = threading.Event()
        self._thawed.set()
        self._closed = False
        with io_lock:
            self._recover()
            self._log = LogWriter(self.log.path)
            self._data = _open(self.mdf.path, self.ndf.path if self.ndf else None)
            stored = self._data.execute("SELECT options FROM main.lab_boot").fetchone()[0]
        self._options: dict[str, str] = json.loads(stored)
        self.family = self._log.family

    @property
    def mdf(self) -> DataFile:
        """The primary data file."""
        return next(file for file in self.files if file.kind == "ROWS")

    @property
    def ndf(self) -> DataFile | None:
        """The secondary data file, if there is one."""
        return next((file for file in self.files[1:] if file.kind == "ROWS"), None)

    @property
    def log(self) -> DataFile:
        """The log file."""
        return next(file for file in self.files if file.kind == "LOG")

    @property
    def frozen(self) -> bool:
        """Whether changes wait."""
        return not self._thawed.is_set()

    @property
    def lsn(self) -> int:
        """The last committed change."""
        with self.reading:
            return int(self._data.execute("SELECT lsn FROM main.lab_boot").fetchone()[0])

    @classmethod
    def create(
        cls, name: str, files: tuple[DataFile, ...], io_lock: IoLock, clock: Callable[[], datetime], schema: str
    ) -> Database:
        """Make the files of a new database and run ``schema`` (sqlite DDL, ``ndf.`` for the secondary file) in it.

        Raises:
            FileExistsError: one of the files is there already.

        """
        family = uuid.uuid4()
        with io_lock:
            for file in files:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                if file.path.exists():
                    raise FileExistsError(str(file.path))
            rows = [file for file in files if file.kind == "ROWS"]
            for file in rows:
                file.path.touch()
            with closing(_open(rows[0].path, rows[1].path if rows[1:] else None)) as data:
                data.execute("BEGIN")
                for part in ("main", "ndf")[: len(rows)]:
                    data.execute(_BOOT.format(schema=part))
                    insert = f"INSERT INTO {part}.lab_boot VALUES (?, 0, ?, ?, '{{}}')"  # noqa: S608  # a constant
                    data.execute(insert, (str(family), name, len(rows)))
                for statement in filter(str.strip, schema.split(";")):
                    data.execute(statement)
                data.execute("COMMIT")
            log = next(file for file in files if file.kind == "LOG")
            LogWriter.create(log.path, family).close()
        return cls(name, files, io_lock, clock)

    @contextmanager
    def change(self, what: str, while_waiting: Callable[[], None] | None = None) -> Iterator[sqlite3.Connection]:
        """Make one change: waits out a freeze, commits to log and data, rolls back when the block raises.

        ``while_waiting`` is called now and then while it waits, and may raise to give up.

        Raises:
            DatabaseClosed: the database is, or meanwhile went, offline.

        """
        self._enter_write(while_waiting)
        try:
            with self.reading:
                self._data.execute("BEGIN IMMEDIATE")
                try:
                    yield self._data
                except BaseException:
                    self._data.execute("ROLLBACK")
                    raise
                lsn = self._log.append(what)
                for part in ("main", "ndf") if self.ndf else ("main",):
                    self._data.execute(f"UPDATE {part}.lab_boot SET lsn = ?", (lsn,))  # noqa: S608  # a constant
                self._data.execute("COMMIT")
        finally:
            self.io_lock.release()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The data, for reading only; works while frozen."""
        with self.reading:
            if self._closed:
                raise DatabaseClosed(self.name)
            yield self._data

    def options(self) -> dict[str, str]:
        """The settings stored in the database, by name."""
        return dict(self._options)

    def set_option(self, name: str, value: str) -> None:
        """Store one setting."""
        with self.change(f"SET {name}") as data:
            stored = {**self._options, name: value}
            data.execute("UPDATE main.lab_boot SET options = ?", (json.dumps(stored),))
        self._options = stored  # a new dict: readers need no lock

    def set_counter(self, value: int) -> None:
        """The simulated Executive's sign of life: the one row of ``LabCounter``."""
        with self.change("UPDATE LabCounter") as data:
            data.execute("UPDATE LabCounter SET value = ?, at = ? WHERE id = 1", (value, self._now()))

    def counter(self) -> int:
        """The value in ``LabCounter``."""
        with self.read() as data:
            return int(data.execute("SELECT value FROM LabCounter WHERE id = 1").fetchone()[0])

    @property
    def is_frozen(self) -> bool:
        """Whether changes are held now."""
        return not self._thawed.is_set()

    def insert_traffic(self, source: str, while_waiting: Callable[[], None] | None = None) -> None:
        """One more row of ``LabTraffic``, written by a console or a management point; ``while_waiting`` as in ``change``."""
        with self.change("INSERT LabTraffic", while_waiting) as data:
            data.execute("INSERT INTO LabTraffic(source, at) VALUES (?, ?)", (source, self._now()))

    def traffic(self, source: str | None = None) -> int:
        """How many rows ``LabTraffic`` has, of one source or all."""
        with self.read() as data:
            row = data.execute("SELECT count(*) FROM LabTraffic WHERE ?1 IS NULL OR source = ?1", (source,)).fetchone()
            return int(row[0])

    def freeze(self) -> None:
        """Hold every change until ``thaw``; returns when none is under way. Twice is as once."""
        with self.io_lock:
            self._thawed.clear()

    def thaw(self) -> None:
        """Let changes go on; without a freeze, nothing."""
        self._thawed.set()

    def close(self) -> None:
        """Take it offline: the files are complete and free, waiting changes raise ``DatabaseClosed``."""
        with self.io_lock, self.reading:
            self._closed = True
            self._data.close()
            self._log.close()
        self._thawed.set()

    def _enter_write(self, while_waiting: Callable[[], None] | None) -> None:
        # Looked at again under the lock: a freeze may have come between. Nobody waits for a thaw holding the lock.
        while True:
            if while_waiting is None:
                self._thawed.wait()
                self.io_lock.acquire()
            else:
                while not (self._thawed.wait(_LOOK) and self.io_lock.acquire(timeout=_LOOK)):
                    while_waiting()
            if self._closed:
                self.io_lock.release()
                raise DatabaseClosed(self.name)
            if self._thawed.is_set():
                return
            self.io_lock.release()

    def _recover(self) -> None:
        with closing(_open(self.mdf.path, None)) as data:
            lsn = int(data.execute("SELECT lsn FROM lab_boot").fetchone()[0])
        content = read_log(self.log.path)
        if content.lsn < lsn:
            raise TornDatabase(f"{self.name}: data is at {lsn}, log only at {content.lsn}")
        if content.lsn > lsn or content.trailing:
            forget_after(self.log.path, lsn)

    def _now(self) -> str:
        return self.clock().astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def _open(mdf: Path, ndf: Path | None) -> sqlite3.Connection:
    for path in (mdf, ndf) if ndf else (mdf,):
        if not path.is_file():
            raise TornDatabase(f"data file {path} is missing")
    data = sqlite3.connect(f"{mdf.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    data.execute("PRAGMA synchronous=OFF")
    if ndf:
        data.execute("ATTACH ? AS ndf", (f"{ndf.resolve().as_uri()}?mode=rw",))
    for part in ("main", "ndf") if ndf else ("main",):
        data.execute(f"PRAGMA {part}.journal_mode=MEMORY").fetchone()
    return data
