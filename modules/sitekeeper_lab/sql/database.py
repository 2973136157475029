"""An instance of SQL Server as files and settings: what the lab's hosts use, and what the TDS server serves.

``Instance`` knows its databases, logins, configuration and backup history; ``create_site_database`` makes (or opens
again) a site's database on it; ``attach`` checks copies of a database's files.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PureWindowsPath

from sitekeeper_lab.sql.activity import Activity
from sitekeeper_lab.sql.attach import Attached, attach
from sitekeeper_lab.sql.files import Database, DatabaseClosed, DataFile, IoLock
from sitekeeper_lab.sql.logfile import TornDatabase
from sitekeeper_lab.sql.records import BackupRecord, Login
from sitekeeper_lab.sql.releases import RELEASES, Release, engine_edition
from sitekeeper_lab.sql.site_schema import VERSIONS, bulk_rows, site_rows, site_schema

__all__ = [
    "Attached",
    "BackupRecord",
    "DataFile",
    "Database",
    "DatabaseClosed",
    "Instance",
    "IoLock",
    "Login",
    "TornDatabase",
    "attach",
    "create_site_database",
]

SYSTEM_DATABASES = ("master", "tempdb", "model", "msdb")


def _default_configuration() -> dict[str, int]:
    return {
        "show advanced options": 0,
        "clr enabled": 1,
        "max text repl size (B)": 2147483647,
        "max server memory (MB)": 2147483647,
        "xp_cmdshell": 0,
    }


class Instance:
    r"""One SQL Server instance on one machine.

    Args:
        root: where Windows paths go by default: ``D:\x\y`` is ``root/D/x/y``. Give ``resolve`` to say otherwise.
        name: the instance's name, ``MSSQLSERVER`` for the default instance.
        release: a key of ``releases.RELEASES``: ``2005``, ``2008 R2`` ... ``2025``.

    """

    def __init__(
        self,
        root: Path,
        name: str = "MSSQLSERVER",
        *,
        host: str = "SQL01",
        release: str = "2019",
        edition: str = "Standard Edition (64-bit)",
        collation: str = "SQL_Latin1_General_CP1_CI_AS",
        data_dir: str = r"C:\Program Files\Microsoft SQL Server\MSSQL\DATA",
        logins: tuple[Login, ...] = (),
        io_lock: IoLock | None = None,
        resolve: Callable[[str], Path] | None = None,
        clock: Callable[[], datetime] | None = None,
        bias: Callable[[], int] = lambda: 0,
    ) -> None:
        engine_edition(edition)  # refuse an edition that does not exist now, not at the first query
        self.root, self.name, self.host = root, name, host
        self.release: Release = RELEASES[release]
        self.edition, self.collation, self.data_dir = edition, collation, data_dir
        self.logins: tuple[Login, ...] = logins or (Login("sa"),)
        self.io_lock: IoLock = io_lock if io_lock is not None else threading.RLock()
        self.resolve = resolve if resolve is not None else self._below_root
        self.clock = clock if clock is not None else lambda: datetime.now(UTC)
        self.bias = bias
        """Minutes east of UTC of its machine: GETDATE, and when a database was created, are local times."""
        self.databases: dict[str, Database] = {}
        """By name. Replaced, never changed in place: sessions of the server read it without a lock."""
        self.ids: dict[str, int] = {}
        """database_id by lower-case name, kept when a database is detached and comes back."""
        self.restoring: dict[str, tuple[DataFile, ...]] = {}
        """Databases whose restore was begun and not ended, with what there is of their files."""
        self.activity = Activity()
        self.on_databases: list[Callable[[], None]] = []
        """Called when a database has come or gone."""
        self.configuration = _default_configuration()
        self.backups: list[BackupRecord] = []

    @property
    def version(self) -> str:
        """SERVERPROPERTY('ProductVersion')."""
        return self.release.version

    @property
    def server_name(self) -> str:
        """``@@SERVERNAME``."""
        return self.host if self.name.upper() == "MSSQLSERVER" else f"{self.host}\\{self.name}"

    def local(self, moment: datetime) -> datetime:
        """A moment as the machine's clock on the wall shows it, which says no zone."""
        return moment.astimezone(timezone(timedelta(minutes=self.bias()))).replace(tzinfo=None)

    def login(self, name: str) -> Login | None:
        """A login by its name, whatever the case."""
        return next((login for login in self.logins if login.name.lower() == name.lower()), None)

    def database(self, name: str) -> Database | None:
        """A user database by its name, whatever the case."""
        return next((database for key, database in self.databases.items() if key.lower() == name.lower()), None)

    def create_database(
        self, name: str, *, data: str, log: str, secondary: str | None = None, schema: str = "", owner: str = "sa"
    ) -> Database:
        """Make a database at these Windows paths."""
        database = Database.create(name, self._files(name, data, log, secondary), self.io_lock, self.clock, schema)
        defaults = {
            "owner_sid": self._sid(owner),
            "trustworthy": "0",
            "broker": "1",
            "broker_guid": str(uuid.uuid4()),
            "compatibility": str(self.release.compatibility),
            "recovery": "FULL",
            "collation": self.collation,
            "created": self._now(),
            "version": str(self.release.internal),
        }
        for option, value in defaults.items():
            database.set_option(option, value)
        self.add(database)
        return database

    def open_database(self, name: str, *, data: str, log: str, secondary: str | None = None) -> Database:
        """Start with a database whose files are there already, as a started service does: same settings as before.

        Raises:
            TornDatabase: they do not belong together.

        """
        database = Database(name, self._files(name, data, log, secondary), self.io_lock, self.clock)
        self.add(database)
        return database

    def attach_database(
        self, name: str, *, data: str, log: str, secondary: str | None = None, owner: str = "sa"
    ) -> Database:
        """CREATE DATABASE ... FOR ATTACH: strict about the files, and TRUSTWORTHY and the broker go off.

        Raises:
            TornDatabase: they do not belong together.

        """
        files = self._files(name, data, log, secondary)
        attach(files[0].path, files[-1].path, files[1].path if secondary else None)
        database = self.open_database(name, data=data, log=log, secondary=secondary)
        changes = {"owner_sid": self._sid(owner), "trustworthy": "0", "broker": "0", "created": self._now()}
        for option, value in changes.items():
            database.set_option(option, value)
        return database

    def adopt(self, name: str, files: tuple[DataFile, ...], owner: Login) -> Database:
        """Start with a database that was attached or restored: TRUSTWORTHY and the broker go off, its format becomes ours.

        Raises:
            TornDatabase: the files do not belong together.

        """
        database = Database(name, files, self.io_lock, self.clock)
        options = database.options()
        changes = {
            "owner_sid": owner.security_id.hex(),
            "trustworthy": "0",
            "broker": "0",
            "created": self._now(),
            "version": str(self.release.internal),
            "compatibility": str(max(int(options["compatibility"]), self.release.lowest_compatibility)),
        }
        for option, value in changes.items():
            database.set_option(option, value)
        self.restoring.pop(name, None)
        self.add(database)
        return database

    def drop_database(self, name: str) -> None:
        """Take a database off the instance and delete its files; those that somebody took away are not missed."""
        files = self.restoring.pop(name, ())
        if name in self.databases:
            files = self.databases[name].files
            self.detach_database(name)
        for file in files:
            file.path.unlink(missing_ok=True)

    def detach_database(self, name: str) -> None:
        """Take a database off the instance; its files stay and are free."""
        database = self.databases[name]
        self.databases = {key: each for key, each in self.databases.items() if key != name}
        database.close()
        self._changed()

    def freeze(self) -> None:
        """Freeze every database of the instance."""
        for database in self.databases.values():
            database.freeze()

    def thaw(self) -> None:
        """Thaw every database of the instance."""
        for database in self.databases.values():
            database.thaw()

    def close(self) -> None:
        """Stop: close every database. That is no change of what the instance has."""
        self.on_databases.clear()
        for name in list(self.databases):
            self.detach_database(name)

    def add(self, database: Database) -> None:
        """Take up a database that is open."""
        self.ids.setdefault(database.name.lower(), len(SYSTEM_DATABASES) + len(self.ids) + 1)
        self.databases = {**self.databases, database.name: database}
        self._changed()

    def _changed(self) -> None:
        for told in self.on_databases:
            told()

    def _files(self, name: str, data: str, log: str, secondary: str | None) -> tuple[DataFile, ...]:
        rows = [DataFile(name, "ROWS", data, self.resolve(data))]
        if secondary:
            rows.append(DataFile(f"{name}_2", "ROWS", secondary, self.resolve(secondary)))
        return (*rows, DataFile(f"{name}_log", "LOG", log, self.resolve(log)))

    def _now(self) -> str:
        """For create_date, which is of the server: one that is attached or restored is as young as that."""
        return self.local(self.clock()).isoformat(timespec="milliseconds")

    def _sid(self, owner: str) -> str:
        login = self.login(owner) or Login(owner)
        return login.security_id.hex()

    def _below_root(self, path: str) -> Path:
        windows = PureWindowsPath(path)
        if not windows.is_absolute() or len(windows.drive) != len("D:"):
            raise ValueError(f"not a path with a drive letter: {path}")
        return self.root.joinpath(windows.drive[0].upper(), *windows.parts[1:])


def create_site_database(
    instance: Instance,
    site_code: str,
    *,
    name: str | None = None,
    data_dir: str | None = None,
    log_dir: str | None = None,
    secondary: bool = False,
    generation: str = "cb",
    server: str = "",
    parent: str = "",
    bulk_bytes: int = 0,
    version: str | None = None,
) -> Database:
    """Make a site's database, or open it when its data file is there already.

    Args:
        instance: where to.
        site_code: three characters.
        name: default ``SMS_<code>`` for generation 2007, else ``CM_<code>``.
        data_dir: Windows folder of the data files; default the instance's.
        log_dir: Windows folder of the log; default ``data_dir``.
        secondary: with an ``.ndf``, which then holds the big table.
        generation: ``2007``, ``2012`` or ``cb``.
        server: the site server's name, default the instance's host.
        parent: the parent site's code.
        version: the site's version; default that of the generation.
        bulk_bytes: at least so many bytes of checksummed filling, for a database of some size.

    """
    name = name or (f"SMS_{site_code}" if generation == "2007" else f"CM_{site_code}")
    folder = PureWindowsPath(data_dir or instance.data_dir)
    data, log = str(folder / f"{name}.mdf"), str(PureWindowsPath(log_dir or folder) / f"{name}_log.ldf")
    ndf = str(folder / f"{name}_2.ndf") if secondary else None
    if instance.resolve(data).exists():
        return instance.open_database(name, data=data, log=log, secondary=ndf)
    database = instance.create_database(
        name,
        data=data,
        log=log,
        secondary=ndf,
        schema=site_schema(secondary=secondary, build=int((version or VERSIONS[generation]).split(".")[2])),
    )
    database.set_option("recovery", "SIMPLE")
    if generation != "2007":
        database.set_option("trustworthy", "1")
        database.set_option("honor_broker_priority", "1")
        database.set_option("change_tracking", "5")  # days
    with database.change("SITE SETUP") as connection:
        site_rows(connection, site_code, server or instance.host, parent, generation, database.clock(), version)
        bulk_rows(connection, bulk_bytes)
    return database
