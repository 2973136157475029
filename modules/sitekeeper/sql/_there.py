"""A SQL Server that a module works on: its sessions, the fence before each change, long statements told as they run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sitekeeper.engine.errors import SitekeeperError, UnreachableError
from sitekeeper.engine.session import Context
from sitekeeper.sql import queries
from sitekeeper.transport.sql import Outcome, SqlMessage, SqlSession

SILENT_SECONDS = 12 * 3600
"""How long CHECKDB and an attach with its upgrade may say nothing; the task's own deadline ends them before."""
TOLD_AFTER = 2.0
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
        """A session; the one that is open, or a new one."""
        found: SqlSession = self.there.sql(self.there.host, database, self.instance)
        return found

    def ask(self, sql: str, *params: object, database: str = "master") -> list[dict[str, object]]:
        """Read; once more over a new session when the one that there was is lost."""
        try:
            return self.session(database).query(sql, *params)
        except UnreachableError:
            return self.session(database).query(sql, *params)

    def change(self, sql: str, *, text: str, silent: bool = False) -> Outcome:
        """Run a changing statement right after the host's fence has said yes; never sent twice.

        Raises:
            LimitError: the lease is lost, nothing was sent. UnreachableError: lost; not known whether it was done.

        """
        session = self.session()  # opened first: nothing stands between the fence and the change but the way
        self.there.ps.change("Write-Output", InputObject="fence")
        return self.run(session, sql, text=text, silent=silent)

    def run(self, session: SqlSession, sql: str, *, text: str, silent: bool = False) -> Outcome:
        """Run a long statement and tell how far it is: by its own messages, or by what another session sees of it."""

        def heard(message: SqlMessage) -> None:
            if message.number == PROGRESS and (digits := "".join(filter(str.isdigit, message.text))):
                self.there.progress(min(int(digits), 100), 100, "%", text)

        if not silent:
            return session.execute(sql, heard=heard)
        with self._watched(session.spid, text):
            return session.execute(sql, heard=heard, silent=SILENT_SECONDS)

    @contextmanager
    def _watched(self, spid: int, text: str) -> Iterator[None]:
        """While the block runs, another session asks how far it is; that it cannot does not matter."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(TOLD_AFTER):
                try:
                    for row in self.session("tempdb").query(queries.PERCENT, spid):
                        self.there.progress(int(float(str(row["percent_done"]))), 100, "%", text)
                except SitekeeperError:
                    return

        watcher = threading.Thread(target=watch, name=f"percent-{self.host}", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def timed(there: Context, work: Callable[[], Outcome]) -> tuple[Outcome, float]:
    """What it answers, and the seconds that it took."""
    began = there.clock.monotonic()
    return work(), there.clock.monotonic() - began


def rate(size: int, seconds: float) -> str:
    """``12.3 MiB/s``"""
    return f"{size / 2**20 / max(seconds, 0.001):.1f} MiB/s"
