"""A SQL Server that a module works on: its sessions, the fence before each change, the progress of long statements."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sitekeeper.engine.errors import RemoteTimeoutError, RunInterruptedError, SitekeeperError, UnreachableError
from sitekeeper.engine.session import Context
from sitekeeper.sql.server import queries
from sitekeeper.transport.sql.session import SqlCancelled, SqlMessage, SqlOutcome, SqlSession

SILENT_SECONDS = 12 * 3600
"""How long CHECKDB and an attach with an upgrade may send nothing; the task's own deadline ends them earlier."""
TOLD_AFTER = 2.0
LOOK = 0.3
"""Seconds between two checks whether a statement is overdue."""
PROGRESS = 3211
WRITE_OUTPUT = {"Write-Output": {"InputObject": ".*"}}


class Server:
    """The SQL Server of a host, by its variable ``sql_instance``."""

    def __init__(self, there: Context, instance: str | None = None) -> None:
        self.there = there
        self.instance = instance or str(there.vars.get("sql_instance", "MSSQLSERVER"))

    @property
    def host(self) -> str:
        """The inventory's name."""
        return self.there.host

    def session(self, database: str = "master") -> SqlSession:
        """The open session, or a new one."""
        found: SqlSession = self.there.sql(self.there.host, database, self.instance)
        return found

    def ask(self, sql: str, *params: object, database: str = "master") -> list[dict[str, object]]:
        """Read; if the session is lost, read again over a new one."""
        try:
            return self.session(database).query(sql, *params)
        except UnreachableError:
            return self.session(database).query(sql, *params)

    def change(self, sql: str, *, text: str, silent: bool = False) -> SqlOutcome:
        """Run a changing statement directly after the host's fence allowed it; never sent twice.

        Raises:
            LimitError: the lease is lost, nothing was sent. UnreachableError: the connection was lost; the result is unknown.

        """
        session = self.session()  # opened first, so that the change follows directly after the fence
        self.there.ps.change("Write-Output", InputObject="fence")
        return self.run(session, sql, text=text, silent=silent)

    def run(self, session: SqlSession, sql: str, *, text: str, silent: bool = False) -> SqlOutcome:
        """Run a long statement and show its progress: from its own messages, or from what another session reads about it."""

        def on_message(message: SqlMessage) -> None:
            if message.number == PROGRESS and (digits := "".join(filter(str.isdigit, message.text))):
                self.there.progress(min(int(digits), 100), 100, "%", text)

        watch = StatementWatch(self, session, text, asks=silent)
        with watch:
            try:
                return session.execute(sql, on_message=on_message, silent=SILENT_SECONDS if silent else None)
            except SqlCancelled:
                watch.explain()
                raise


class StatementWatch:
    """Watches a long statement: another session reads its percentage, and it is cancelled at its deadline."""

    def __init__(self, server: Server, session: SqlSession, text: str, *, asks: bool) -> None:
        self._server, self._session, self._text, self._asks = server, session, text, asks
        self._ended = threading.Event()
        self._overdue = ""
        self._thread = threading.Thread(target=self._run, name=f"watch-{server.host}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._ended.set()
        self._thread.join()

    def explain(self) -> None:
        """Raise the reason why the statement was cancelled.

        Raises:
            RemoteTimeoutError: a deadline passed. RunInterruptedError: the operator stopped the run.

        """
        there = self._server.there
        if there.stop.is_set():
            raise RunInterruptedError(f"stopped by the operator during: {self._text}") from None
        if self._overdue:
            raise RemoteTimeoutError(f"{self._overdue} (during: {self._text})", host=there.host) from None

    def _run(self) -> None:
        asked = read_clock(self._server)
        while not self._ended.wait(LOOK):
            try:
                asked = self._look(asked)
            except Exception:  # noqa: BLE001 - nothing else would cancel the statement: the watch looks again
                self._asks = False

    def _look(self, asked: float) -> float:
        """One look at the deadline and the operator, now and then at the percent; returns when that was last asked for."""
        there = self._server.there
        deadline = there.ps.deadline  # it bounds every call of the task, and so this statement
        if deadline is not None and read_clock(self._server) >= deadline[0]:
            self._overdue = deadline[1]
        if self._overdue or there.stop.is_set():
            self._session.cancel()
        elif self._asks and read_clock(self._server) - asked > TOLD_AFTER:
            asked = read_clock(self._server)
            self._ask()
        return asked

    def _ask(self) -> None:
        try:
            for row in self._server.session("tempdb").query(queries.PERCENT, self._session.spid):
                self._server.there.progress(int(float(str(row["percent_done"]))), 100, "%", self._text)
        except SitekeeperError:
            self._asks = False  # only the progress is not shown


def read_clock(server: Server) -> float:
    """Monotonic seconds of the control host."""
    return server.there.clock.monotonic()


def measure_time(there: Context, work: Callable[[], SqlOutcome]) -> tuple[SqlOutcome, float]:
    """Return the result and the seconds that it took."""
    began = there.clock.monotonic()
    return work(), there.clock.monotonic() - began
