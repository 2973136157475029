"""A session with SQL Server over ODBC that reads every result completely and checks the connection afterwards.

Measured behaviour of the drivers: an error after unread rows is lost (FreeTDS), a connection lost between two result sets
looks like the end (Microsoft's), a cursor closed too early aborts the statement silently (both). So every statement is
read to its end, rows before the next result, and ``execute`` then checks that the server still responds.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self

from sitekeeper.engine.errors import SitekeeperError, SqlError, UnreachableError, UsageError
from sitekeeper.transport.sql.driver import MICROSOFT, SqlDriverMissing, find, load
from sitekeeper.transport.sql.errors import (
    SqlCancelled,
    SqlIdleTimeout,
    SqlMessage,
    login_error,
    read_error,
    read_message,
    statement_error,
)
from sitekeeper.transport.sql.network import find_port, reach
from sitekeeper.transport.sql.target import SqlTarget, connection_string, trust_authority

__all__ = [
    "SqlCancelled",
    "SqlDriverMissing",
    "SqlIdleTimeout",
    "SqlMessage",
    "SqlOutcome",
    "SqlSession",
    "SqlTarget",
    "connect",
]

Row = dict[str, object]
MessageListener = Callable[[SqlMessage], None]


@dataclass(frozen=True, slots=True)
class SqlOutcome:
    """Everything that a statement returned."""

    messages: tuple[SqlMessage, ...]
    rowsets: tuple[tuple[Row, ...], ...]

    def has(self, number: int) -> bool:
        """Whether a message with this number was sent: 3014 ends a good BACKUP, 3262 a good VERIFYONLY."""
        return any(message.number == number for message in self.messages)


def connect(target: SqlTarget) -> SqlSession:
    """Open a session.

    Raises:
        SqlDriverMissing: no driver is installed.
        UnreachableError: the name does not resolve, nothing listens, no reply in time.
        AuthError: the login was refused, or the certificate is not trusted.
        SqlError: the database cannot be opened.

    """
    pyodbc = load()
    driver = find(target.driver, prefer=target.prefers)
    port = find_port(target)
    reach(target.server, port, target.login_timeout)
    failure: SitekeeperError | None = None
    connection: Any = None
    where = f"SQL Server {target.server},{port}"
    try:
        with trust_authority(target, driver):
            connection = pyodbc.connect(
                connection_string(target, driver, port), autocommit=True, timeout=target.login_timeout
            )
    except pyodbc.Error as error:
        failure = login_error(
            read_error(error, target.password.reveal() if target.password is not None else None), where, target.user
        )
    if failure is not None:  # raised here so that no exception chain leads to the driver's own exception
        raise failure.at(host=target.host or target.server)
    return SqlSession(pyodbc, connection, driver.kind, target.host or target.server, where, target.idle_timeout)


class SqlSession:
    """One connection, owned by one thread; ``cancel`` alone may be called from another."""

    def __init__(
        self, pyodbc: ModuleType, connection: Any, kind: str, host: str, where: str, idle_timeout: int
    ) -> None:
        self._pyodbc, self._connection, self._kind = pyodbc, connection, kind
        self._host, self._where, self._idle_timeout = host, where, idle_timeout
        self._lock = threading.Lock()
        self._running: Any = None
        self._cancelled = False
        connection.timeout = idle_timeout
        try:
            self.spid = int(str(self.query("SELECT CAST(@@SPID AS int) AS spid")[0]["spid"]))
        except BaseException:
            self.close()
            raise

    def query(self, sql: str, *params: object) -> list[Row]:
        """The rows of the first result set; errors of later ones are raised too.

        Raises:
            SqlError: the server reported an error, or the statement has no result set.

        """
        rowsets = self._run(sql, params).rowsets
        if not rowsets:
            raise SqlError(f"{self._where}: the query has no result set", host=self._host)
        return list(rowsets[0])

    def execute(
        self, sql: str, *params: object, on_message: MessageListener | None = None, silent: int | None = None
    ) -> SqlOutcome:
        """Run a statement to its end, and prove that the connection was alive until then.

        Args:
            sql: the statement.
            params: its parameters.
            on_message: called with each message when it arrives: BACKUP and RESTORE report their progress this way.
            silent: seconds that the server may send nothing, if longer than usual: DBCC CHECKDB sends nothing until its
                end.

        Raises:
            SqlError: the server reported an error. UnreachableError: the connection was lost; the result is unknown.

        """
        if silent is not None and self._connection is not None:
            self._connection.timeout = silent
        try:
            outcome = self._run(sql, params, on_message)
        finally:
            if self._connection is not None:  # a lost connection is closed by now
                self._connection.timeout = self._idle_timeout
        alive = self.query("SELECT CAST(@@SPID AS int) AS spid")
        if alive[0]["spid"] != self.spid:
            raise UnreachableError(f"{self._where} answered from another session than before", host=self._host)
        return outcome

    def cancel(self) -> bool:
        """End the running statement, from any thread: its caller gets SqlCancelled. False if none is running.

        With FreeTDS the session ends too (see ``closed``): that driver's next result could belong to another statement.
        """
        with self._lock:
            if self._running is None:
                return False
            self._cancelled = True
            # HY010 and similar: the statement was between two calls. Its loop checks the flag there.
            with contextlib.suppress(self._pyodbc.Error):
                self._running.cancel()
            return True

    @property
    def closed(self) -> bool:
        """Whether the session has ended: by ``close``, after a cancel or with its connection. Then open another one."""
        return self._connection is None

    def close(self) -> None:
        """End the session; safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(self._pyodbc.Error):
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, sql: str, params: tuple[object, ...], on_message: MessageListener | None = None) -> SqlOutcome:
        if self._connection is None:
            raise UsageError(f"the session with {self._where} is closed")
        failure: SitekeeperError | None = None
        outcome = SqlOutcome((), ())
        cursor = None
        try:
            cursor = self._connection.cursor()
            with self._lock:
                self._running, self._cancelled = cursor, False
            outcome = self._drain(cursor, sql, params, on_message)
        except self._pyodbc.Error as error:
            failure = statement_error(
                read_error(error), self._where, cancelled=self._cancelled, idle_timeout=self._idle_timeout
            )
        finally:
            with self._lock:
                self._running = None
            if cursor is not None:
                with contextlib.suppress(self._pyodbc.Error):
                    cursor.close()
        if self._cancelled and failure is None:
            failure = SqlCancelled(f"{self._where}: cancelled; the statement may have finished before")
        if isinstance(failure, UnreachableError) or (self._cancelled and self._kind != MICROSOFT):
            self.close()
        elif self._cancelled or isinstance(failure, SqlIdleTimeout):
            self._settle()
        if failure is not None:
            raise failure.at(host=self._host)
        return outcome

    def _settle(self) -> None:
        # A cancel may reach the server when its statement has just finished; its reply then waits for the next statement.
        # FreeTDS takes it for the result of that statement, and is one result behind from then on: observed.
        token = uuid.uuid4().hex
        with contextlib.suppress(self._pyodbc.Error):
            if self._connection.cursor().execute(f"SELECT '{token}'").fetchall()[0][0] == token:
                return
        self.close()

    def _drain(
        self, cursor: Any, sql: str, params: tuple[object, ...], on_message: MessageListener | None
    ) -> SqlOutcome:
        messages: list[SqlMessage] = []
        rowsets: list[tuple[Row, ...]] = []
        cursor.execute(sql, *params)
        while True:
            new = [read_message(state, text) for state, text in cursor.messages or ()]  # replaced by each result
            messages += new
            if on_message is not None:
                for message in new:
                    on_message(message)
            if cursor.description:
                names = _names([column[0] for column in cursor.description])
                rowsets.append(tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall()))
            if self._cancelled or not cursor.nextset():  # a cancel between two calls of the driver interrupts neither
                return SqlOutcome(tuple(messages), tuple(rowsets))


def _names(names: list[str]) -> list[str]:
    named = [name or f"column{number}" for number, name in enumerate(names, 1)]
    if len(set(named)) != len(named):
        raise UsageError(f"a query returns two columns with the same name: {', '.join(named)}")
    return named
