"""The durable record of one run: what happened, and around every change an intent (before) and an outcome (after).

One SQLite file per run, in a folder that nobody else may enter. One thread writes and commits in groups (WAL, synchronous FULL);
who needs a record to be on disk before going on waits for the commit that holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import IntegrityError, LimitError, UsageError
from sitekeeper.engine.journal.records import Intent, JournalRecord, Kept, UndoDone, record_of
from sitekeeper.engine.plain import plain

_SCHEMA = """
CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    task TEXT NOT NULL,
    change INTEGER,
    data TEXT NOT NULL
)
"""
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the journal's table; ``change`` joins an intent with its outcome and undo. ``record_of`` reads it."""

    seq: int
    at: str
    kind: str
    host: str
    task: str
    change: int | None
    data: Any


@dataclass(slots=True)
class _Entry:
    kind: str
    host: str
    task: str
    change: int | None
    data: str
    written: Future[int] | None


class Journal:
    """Writes one run's records. ``close`` waits until everything is on disk."""

    def __init__(self, folder: Path, *, again: bool = False) -> None:
        """Begin a journal, or with ``again`` go on with one.

        Raises:
            UsageError: there is no such journal, or it cannot be made. LimitError: a process is writing it.

        """
        self.folder = folder
        self.file = folder / "journal.db"
        if again and not self.file.is_file():
            raise UsageError(f"no run at {folder}", hint="see: sitekeeper runs list")
        try:
            private_folder(folder.parent)
            private_folder(folder)
            self._owned = _own_folder(folder)
        except OSError as error:
            raise UsageError(f"cannot keep a journal in {folder}: {error.strerror}", hint="see --runs") from None
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._failed: BaseException | None = None
        self._change = 0
        self._lock = threading.Lock()
        try:
            connection = sqlite3.connect(self.file, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            if not again:
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version={FORMAT}")
            (newest,) = connection.execute("SELECT COALESCE(MAX(change), 0) FROM record").fetchone()
            self._change = int(newest)
            connection.commit()
        except sqlite3.Error as error:
            raise IntegrityError(f"the journal {self.file} could not be written: {error}") from None
        self._thread = threading.Thread(target=self._write, args=(connection,), name="journal")
        self._thread.start()

    def note(self, record: JournalRecord, *, host: str = "", task: str = "", change: int | None = None) -> None:
        """Write a record some time soon, in order. Errors surface in ``commit`` and ``close``."""
        self._queue.put(_Entry(record.kind, host, task, change, _dump(record.data()), None))

    def commit(self, record: JournalRecord, *, host: str = "", task: str = "", change: int | None = None) -> int:
        """Write a record and return when it is on disk; returns its number.

        Raises:
            IntegrityError: it cannot be written.

        """
        written: Future[int] = Future()
        self._put(_Entry(record.kind, host, task, change, _dump(record.data()), written))
        return written.result()

    def intent(self, record: Intent, *, host: str, task: str) -> int:
        """Commit the intent of a change; returns the change's number, which its other records carry."""
        with self._lock:
            self._change += 1
            change = self._change
        self.commit(record, host=host, task=task, change=change)
        return change

    def close(self) -> None:
        """Write what is queued and end.

        Raises:
            IntegrityError: something could not be written.

        """
        self._queue.put(None)
        self._thread.join()
        os.close(self._owned)
        if self._failed is not None:
            raise self._error()
        self._failed = ValueError("it is closed")

    def _put(self, entry: _Entry) -> None:
        if self._failed is not None:
            raise self._error()
        self._queue.put(entry)

    def _error(self) -> IntegrityError:
        return IntegrityError(f"the journal {self.file} could not be written: {self._failed}")

    def _write(self, connection: sqlite3.Connection) -> None:
        ended = False
        while not ended:
            group = [self._queue.get()]
            while not self._queue.empty():
                group.append(self._queue.get())
            entries = [entry for entry in group if entry is not None]
            ended = len(entries) < len(group)
            waiting: list[tuple[Future[int], int]] = []
            try:
                if self._failed is not None:
                    raise self._failed  # noqa: TRY301 - one way out for whoever waits
                for entry in entries:
                    cursor = connection.execute(
                        "INSERT INTO record (at, kind, host, task, change, data) VALUES (?, ?, ?, ?, ?, ?)",
                        (datetime.now(UTC).isoformat(), entry.kind, entry.host, entry.task, entry.change, entry.data),
                    )
                    if entry.written is not None:
                        waiting.append((entry.written, cursor.lastrowid or 0))
                connection.commit()
            except BaseException as error:  # noqa: BLE001 - handed to those who wait; nobody is left waiting
                self._failed = error
                for entry in entries:
                    if entry.written is not None and not entry.written.done():
                        entry.written.set_exception(self._error())
            else:
                for future, seq in waiting:
                    future.set_result(seq)
        connection.close()


def read(folder: Path) -> Iterator[Row]:
    """All records of a run's folder, in order.

    Raises:
        UsageError: there is no run there, or it cannot be read. IntegrityError: its journal is damaged.

    """
    file = folder / "journal.db"
    try:
        file.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise UsageError(f"no run at {folder}", hint="see: sitekeeper runs list") from None
    except OSError as error:
        raise UsageError(
            f"the journal {file} cannot be read: {error.strerror}", hint="may this user read it?"
        ) from None
    connection = sqlite3.connect(file)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != FORMAT:
            raise IntegrityError(f"the journal {file} has format {version}; this version reads format {FORMAT}")
        for seq, at, kind, host, task, change, data in connection.execute(
            "SELECT seq, at, kind, host, task, change, data FROM record ORDER BY seq"
        ):
            yield _row(seq, at, kind, host, task, change, json.loads(data))
    except (sqlite3.DatabaseError, ValueError) as error:
        raise IntegrityError(f"the journal {file} is damaged: {error}") from None
    finally:
        connection.close()


def _row(seq: int, at: Any, kind: Any, host: Any, task: Any, change: Any, data: Any) -> Row:
    """A row whose columns have their types: SQLite holds anything in any column."""
    texts = (at, kind, host, task)
    if not all(isinstance(one, str) for one in texts) or not isinstance(change, int | None):
        raise IntegrityError(f"record {seq} of the journal cannot be read: a column has the wrong type")
    return Row(seq, at, kind, host, task, change, data)


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """A change that is neither undone nor meant to stay."""

    change: int
    host: str
    task: str
    """Path of the task."""
    intent: Intent


def open_changes(folder: Path) -> list[OpenIntent]:
    """What a run left behind, oldest first.

    Raises:
        UsageError: there is no run there, or it cannot be read. IntegrityError: its journal is damaged.

    """
    open_: dict[int, OpenIntent] = {}
    for row in read(folder):
        if row.change is None or row.kind not in {Intent.kind, UndoDone.kind, Kept.kind}:
            continue
        record = record_of(row)
        if isinstance(record, Intent):
            open_[row.change] = OpenIntent(row.change, row.host, row.task, record)
        else:
            open_.pop(row.change, None)
    return list(open_.values())


def _own_folder(folder: Path) -> int:
    """The lock of a run's folder: held as long as a process writes its journal, whatever becomes of that process."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise LimitError(f"run {folder.name} is still going on in another process") from None
    return handle


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, whatever the umask; a wider one is refused.

    Raises:
        UsageError: it exists and others may enter it. OSError: it cannot be made.

    """
    try:
        folder.mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
    except FileExistsError:
        pass  # there before, or made by another host's thread a moment ago
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077 and folder.stat().st_uid == os.getuid():
        raise UsageError(f"{folder} is open to others ({mode:04o})", hint=f"chmod 700 {folder}")


def _dump(data: Any) -> str:
    return json.dumps(plain(data), default=_refuse_type)  # in ASCII: NTFS has names that are no Unicode


def _refuse_type(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} cannot be journaled")
