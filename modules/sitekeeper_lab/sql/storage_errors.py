"""Errors about files, backups and whole databases, worded as Microsoft's lists of events and errors word them.

Source: MicrosoftDocs/sql-docs, ``docs/relational-databases/errors-events/database-engine-events-and-errors-*.md``. In
which order several arrive follows transcripts of SSMS (1813 before 948 and 950; 1834, 3156, 3119, 3013).
"""

from __future__ import annotations

from sitekeeper_lab.sql.failure import SqlFailure

OS_ERRORS = {
    2: "The system cannot find the file specified.",
    3: "The system cannot find the path specified.",
    5: "Access is denied.",
    32: "The process cannot access the file because it is being used by another process.",
    38: "Reached the end of the file.",
    112: "There is not enough space on the disk.",
    1117: "The request could not be performed because of an I/O device error.",
}


def os_error(code: int) -> str:
    """``2(The system cannot find the file specified.)``"""
    return f"{code}({OS_ERRORS[code]})"


def together(*failures: SqlFailure) -> SqlFailure:
    """Several errors of one statement, in the order in which they are sent."""
    first, *rest = failures
    first.more = tuple(rest)
    return first


def terminated(statement: str) -> SqlFailure:
    """3013, which comes after the cause."""
    return SqlFailure(3013, f"{statement} is terminating abnormally.")


def not_opened(database: str) -> SqlFailure:
    """1813, which comes before the cause where an attached database cannot be started."""
    return SqlFailure(1813, f"Could not open new database '{database}'. CREATE DATABASE is aborted.", 16, 2)


def cannot_open_file(path: str, code: int) -> SqlFailure:
    """5120."""
    text = f'Unable to open the physical file "{path}". Operating system error {code}: "{os_error(code)}".'
    return SqlFailure(5120, text, 16, 101)


def cannot_open_device(path: str, code: int, statement: str) -> SqlFailure:
    """3201 and 3013."""
    text = f"Cannot open backup device '{path}'. Operating system error {os_error(code)}."
    return together(SqlFailure(3201, text), terminated(statement))


def exists(name: str) -> SqlFailure:
    """1801."""
    return SqlFailure(1801, f"Database '{name}' already exists. Choose a different database name.", 16, 3)


def newer(database: str, version: int, supported: int) -> SqlFailure:
    """948."""
    text = f"The database '{database}' cannot be opened because it is version {version}. This server supports version "
    return SqlFailure(948, text + f"{supported} and earlier. A downgrade path is not supported.", 20)


def edition_lacks(database: str, table: str) -> tuple[SqlFailure, SqlFailure]:
    """909 and 933: a feature of Enterprise Edition is in the database, and the server's edition is less."""
    compressed = (
        f"Database '{database}' cannot be started in this edition of SQL Server because part or all of object '{table}' is "
        "enabled with data compression or vardecimal storage format. Data compression and vardecimal storage format are "
        "only supported on SQL Server Enterprise Edition."
    )
    whole = (
        f"Database '{database}' cannot be started because some of the database functionality is not available in the "
        "current edition of SQL Server."
    )
    return SqlFailure(909, compressed, 21), SqlFailure(933, whole, 21)


def foreign_file() -> SqlFailure:
    """5173."""
    text = (
        "One or more files do not match the primary file of the database. If you are attempting to attach a database, "
    )
    text += (
        "retry the operation with the correct files. If this is an existing database, the file may be corrupted and "
    )
    return SqlFailure(5173, text + "should be restored from a backup.")


def wrong_log(database: str, lsn: int) -> SqlFailure:
    """9003."""
    text = f"The log scan number ({lsn}:0:0) passed to log scan in database '{database}' is not valid. This error may "
    text += "indicate data corruption or that the log file (.ldf) does not match the data file (.mdf). If this error "
    text += (
        "occurred during replication, re-create the publication. Otherwise, restore from backup if the problem results "
    )
    return SqlFailure(9003, text + "in a failure during startup.", 20)


def no_permission(what: str, database: str) -> SqlFailure:
    """262."""
    return SqlFailure(262, f"{what} permission denied in database '{database}'.", 14)


def in_transaction(statement: str) -> SqlFailure:
    """3021 and 3013."""
    text = "Cannot perform a backup or restore operation within a transaction."
    return together(SqlFailure(3021, text, 16, 0), terminated(statement))
