"""What a session of the server remembers between batches."""

from __future__ import annotations

from sitekeeper_lab.sql.database import Database, Instance, Login
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.faults import TdsFaults

SYSTEM_IDS = {"master": 1, "tempdb": 2, "model": 3, "msdb": 4}


class SessionState:
    """One session: who, where, and its open transaction."""

    def __init__(self, instance: Instance, login: Login, database: str, spid: int, host: str, application: str) -> None:
        self.instance, self.login, self.database, self.spid = instance, login, database, spid
        self.host, self.application = host, application
        self.transaction = 0
        """0, or the number of nested BEGIN TRANSACTION."""
        self.implicit = False
        """SET IMPLICIT_TRANSACTIONS: a change opens a transaction."""
        self.row_count = 0
        self.error = 0
        self.faults = TdsFaults()
        """What a test asked to go wrong; the server's own."""
        self._changed = False

    def reset(self, database: str) -> None:
        """RESETCONNECTION: as after login."""
        self.database, self.transaction, self.row_count, self.error = database, 0, 0, 0
        self._changed = self.implicit = False

    def use(self, name: str) -> str:
        """Change the database and return its exact name; error 911 when there is none."""
        self.database = self.exact_name(name)
        return self.database

    def exact_name(self, name: str) -> str:
        """A database's name as it was created; error 911."""
        if name.lower() in SYSTEM_IDS:
            return name.lower()
        database = self.instance.database(name)
        if database is None:
            text = f"Database '{name}' does not exist. Make sure that the name is entered correctly."
            raise SqlFailure(911, text)
        if not self.login.may_use(database.name):
            text = f'The server principal "{self.login.name}" is not able to access the database "{database.name}" '
            raise SqlFailure(916, text + "under the current security context.", 14)
        return database.name

    def user_database(self, name: str | None = None) -> Database | None:
        """The database of this name (default: the current one); None for a system database or none."""
        return self.instance.database(name or self.database)

    def database_id(self, name: str) -> int | None:
        """DB_ID."""
        if name.lower() in SYSTEM_IDS:
            return SYSTEM_IDS[name.lower()]
        return self.instance.ids.get(name.lower()) if self.instance.database(name) else None

    def database_name(self, number: int) -> str | None:
        """DB_NAME."""
        names = [*SYSTEM_IDS, *self.instance.databases]
        return next((name for name in names if self.database_id(name) == number), None)

    def begin(self) -> None:
        """BEGIN TRANSACTION."""
        self.transaction += 1

    def commit(self) -> None:
        """COMMIT; error 3902 without a transaction. Every change of the lab is committed at once anyway."""
        if not self.transaction:
            raise SqlFailure(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        self.transaction -= 1
        self._changed = self._changed and self.transaction > 0

    def rollback(self) -> None:
        """ROLLBACK of a transaction that changed nothing; one that did is not emulated, loudly."""
        if not self.transaction:
            raise SqlFailure(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        if self._changed:
            raise not_emulated("ROLLBACK of changes")
        self.transaction = 0

    def changed(self) -> None:
        """A statement changed data."""
        if self.implicit and not self.transaction:
            self.begin()
        self._changed = self._changed or self.transaction > 0
