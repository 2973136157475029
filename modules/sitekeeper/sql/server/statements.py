"""T-SQL that creates, checks and drops whole databases, as functions of names and paths; valid from SQL Server 2005 on.

No statement takes parameters: BACKUP, RESTORE, DBCC and CREATE DATABASE need literals, and FreeTDS delivers the messages of
a statement with parameters only at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sitekeeper.engine.errors import UsageError
from sitekeeper.sql.server.queries import quote_name

STATS = 5
"""Percent between two progress messages of BACKUP and RESTORE."""


def literal(text: str) -> str:
    """Write a text as a T-SQL literal.

    Raises:
        UsageError: it contains a control character.

    """
    if any(character < " " for character in text):
        raise UsageError(f"{text!r} contains a control character and cannot be written in T-SQL")
    return "N'" + text.replace("'", "''") + "'"


def attach(name: str, paths: Sequence[str]) -> str:
    """Attach files, the primary one first."""
    files = ", ".join(f"(FILENAME = {literal(path)})" for path in paths)
    return f"CREATE DATABASE {quote_name(name)} ON {files} FOR ATTACH"


def single_user(name: str) -> str:
    """End every session in a database and keep others out."""
    return f"ALTER DATABASE {quote_name(name)} SET SINGLE_USER WITH ROLLBACK IMMEDIATE"


def drop(name: str) -> str:
    """Drop a database and delete its files."""
    return f"DROP DATABASE {quote_name(name)}"


def backup(name: str, path: str, label: str, *, compressed: bool) -> str:
    """Write a copy-only backup; compression needs 2008 and an edition that supports it."""
    more = ", COMPRESSION" if compressed else ""
    return (
        f"BACKUP DATABASE {quote_name(name)} TO DISK = {literal(path)} "
        f"WITH COPY_ONLY, CHECKSUM, INIT, FORMAT, NAME = {literal(label)}, STATS = {STATS}{more}"
    )


def header(path: str) -> str:
    """List the backups in a file."""
    return f"RESTORE HEADERONLY FROM DISK = {literal(path)}"


def file_list(path: str) -> str:
    """List the database's files in a backup."""
    return f"RESTORE FILELISTONLY FROM DISK = {literal(path)}"


def verify(path: str) -> str:
    """Read a complete backup and verify its checksums."""
    return f"RESTORE VERIFYONLY FROM DISK = {literal(path)} WITH CHECKSUM, STATS = {STATS}"


def restore(name: str, path: str, moves: Mapping[str, str]) -> str:
    """Restore under a name, each logical file to its own path; the broker stays off."""
    moved = ", ".join(f"MOVE {literal(logical)} TO {literal(to)}" for logical, to in moves.items())
    return f"RESTORE DATABASE {quote_name(name)} FROM DISK = {literal(path)} WITH {moved}, CHECKSUM, STATS = {STATS}"


def checkdb(name: str) -> str:
    """Read every page and every structure. Errors are returned as rows, because ODBC shows only one of several messages."""
    return f"DBCC CHECKDB ({quote_name(name)}) WITH TABLERESULTS, NO_INFOMSGS, ALL_ERRORMSGS"


def set_option(name: str, option: str) -> str:
    """Set one database option: an item of ``OPTIONS``."""
    if option not in OPTIONS:
        raise UsageError(f"sitekeeper does not set the database option {option}")
    return f"ALTER DATABASE {quote_name(name)} SET {option}"


OPTIONS = ("TRUSTWORTHY ON", "ENABLE_BROKER WITH ROLLBACK IMMEDIATE", "HONOR_BROKER_PRIORITY ON")
"""HONOR_BROKER_PRIORITY: 2008 and later."""


def change_owner(name: str, login: str) -> str:
    """Set the owner of a database."""
    return f"ALTER AUTHORIZATION ON DATABASE::{quote_name(name)} TO {quote_name(login)}"


def configure(name: str, value: int) -> tuple[str, str]:
    """Change a setting of the instance, and activate it."""
    return f"EXEC sp_configure {literal(name)}, {value}", "RECONFIGURE"
