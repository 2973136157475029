"""Reads the description of a site database from its SQL Server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from sitekeeper.engine.errors import SqlError, UnreachableError
from sitekeeper.model.site import DatabaseFile, OtherDatabase, SiteDatabase
from sitekeeper.sql.server import queries
from sitekeeper.transport.sql.session import SqlSession

T = TypeVar("T")


def read_over(connect: Callable[[], SqlSession], read: Callable[[SqlSession], T]) -> T:
    """Read. If the connection is lost, read again over a new one: the old one may have died long before.

    Raises:
        UnreachableError: the new connection fails too.

    """
    session = connect()
    try:
        return read(session)
    except UnreachableError:
        return read(connect())


def database_of(session: SqlSession, *, host: str, server: str, instance: str, name: str) -> SiteDatabase:
    """Everything about a database that its backup and its recovery need to know.

    Raises:
        SqlError: it does not exist, or the login may not see it.

    """
    about = session.query(queries.SERVER)[0]
    rows = session.query(queries.DATABASE, name)
    if not rows:
        raise SqlError(
            f"database {name} does not exist on {server}, or the login cannot see it",
            hint="check the name; the login needs VIEW ANY DATABASE",
        )
    row = rows[0]
    if row["state"] != "ONLINE":
        raise SqlError(f"database {name} on {server} is {row['state']}, not ONLINE")
    files = tuple(_file(one) for one in session.query(queries.FILES, name))
    if not files:
        raise SqlError(
            f"the login cannot see the files of database {name} on {server}",
            hint="the login needs VIEW ANY DEFINITION (or sysadmin)",
        )
    configuration = {str(one["name"]): one["value"] for one in session.query(queries.CONFIGURATION)}
    version = str(about["version"])
    tracking = session.query(queries.CHANGE_TRACKING, name) if int(version.split(".", maxsplit=1)[0]) >= 10 else []
    others: dict[str, list[str]] = {}
    for one in session.query(queries.OTHER_FILES, name):
        others.setdefault(str(one["database_name"]), []).append(str(one["path"]))
    return SiteDatabase(
        host=host,
        server=server,
        instance=instance,
        name=name,
        version=version,
        edition=str(about["edition"]),
        collation=str(row["collation"]),
        recovery_model=str(row["recovery_model"]),
        owner=str(row["owner"] or ""),
        trustworthy=bool(row["trustworthy"]),
        broker=bool(row["broker_enabled"]),
        clr=bool(configuration.get("clr enabled")),
        compatibility=_int(row["compatibility_level"]),
        change_tracking=f"{tracking[0]['retention_period']} {tracking[0]['retention_units']}" if tracking else "",
        files=files,
        logins=tuple(str(one["name"]) for one in session.query(queries.LOGINS)),
        others=tuple(OtherDatabase(name=key, files=tuple(paths)) for key, paths in others.items()),
    )


def _file(row: dict[str, object]) -> DatabaseFile:
    kind: Literal["data", "log"] = "log" if row["type"] == "LOG" else "data"
    return DatabaseFile(
        logical=str(row["logical_name"]), path=str(row["path"]), kind=kind, bytes=_int(row["size_bytes"])
    )


def _int(value: Any) -> int:
    return int(value)


def counts_of(session: SqlSession, tables: tuple[str, ...]) -> dict[str, int]:
    """Count the rows of tables of schema dbo, in one statement."""
    return {str(row["table_name"]): _int(row["row_count"]) for row in session.query(queries.row_counts(tables))}
