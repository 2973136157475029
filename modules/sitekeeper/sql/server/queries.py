"""The queries of our SQL modules, as data. Every statement is valid from SQL Server 2005 on, unless noted.

Each is one SELECT. SERVERPROPERTY is always cast: no ODBC driver reads its own type, sql_variant, completely.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sitekeeper.engine.errors import UsageError

SERVER = """
SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
       CAST(SERVERPROPERTY('ProductLevel') AS nvarchar(128)) AS level,
       CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition,
       CAST(SERVERPROPERTY('EngineEdition') AS int) AS engine_edition,
       CAST(SERVERPROPERTY('ServerName') AS nvarchar(128)) AS server,
       CAST(SERVERPROPERTY('InstanceName') AS nvarchar(128)) AS instance,
       CAST(SERVERPROPERTY('MachineName') AS nvarchar(128)) AS machine,
       CAST(SERVERPROPERTY('Collation') AS nvarchar(128)) AS collation
"""
"""One row. ``instance`` is NULL for the default instance; ``engine_edition`` 2 Standard, 3 Enterprise, 4 Express."""

DATABASE = """
SELECT d.name, d.database_id, d.state_desc AS state, d.collation_name AS collation,
       d.recovery_model_desc AS recovery_model, d.compatibility_level,
       SUSER_SNAME(d.owner_sid) AS owner, d.owner_sid,
       d.is_trustworthy_on AS trustworthy, d.is_broker_enabled AS broker_enabled,
       CAST(d.service_broker_guid AS nvarchar(36)) AS broker_guid, d.is_read_only AS read_only
FROM sys.databases AS d
WHERE d.name = ?
"""
"""One row, or none; ``owner_sid`` as bytes (sa is 0x01 whatever its name), ``owner`` NULL if the login does not exist any more."""

BROKER_PRIORITY = """
SELECT d.is_honor_broker_priority_on AS honor_broker_priority
FROM sys.databases AS d
WHERE d.name = ?
"""
"""SQL Server 2008 and later."""

CONFIGURATION = """
SELECT c.name, CAST(c.value_in_use AS bigint) AS value
FROM sys.configurations AS c
WHERE c.name IN ('clr enabled', 'max text repl size (B)')
"""

FILES = """
SELECT d.name AS database_name, f.file_id, f.name AS logical_name, f.type_desc AS type, f.physical_name AS path,
       CAST(f.size AS bigint) * 8192 AS size_bytes
FROM sys.master_files AS f
INNER JOIN sys.databases AS d ON d.database_id = f.database_id
WHERE d.name = ?
ORDER BY f.file_id
"""
"""``type`` is ROWS, LOG, FILESTREAM or FULLTEXT. The primary file_id is always 1 (Microsoft: sys.master_files)."""

OTHER_FILES = """
SELECT d.name AS database_name, d.state_desc AS state, f.name AS logical_name, f.type_desc AS type,
       f.physical_name AS path
FROM sys.master_files AS f
INNER JOIN sys.databases AS d ON d.database_id = f.database_id
WHERE d.name <> ?
ORDER BY d.name, f.file_id
"""
"""Every other database of the instance with its files: one that shares a volume with the site's is in the snapshot too."""

UPDATES = """
SELECT p.PackageGuid AS package, p.State AS state
FROM dbo.CM_UpdatePackages AS p
"""
"""In-console updates of a current-branch site, a row each (Microsoft, KB 4490424: ``SELECT PackageGuid, State FROM CM_UpdatePackages``)."""

LOGINS = """
SELECT p.name, p.type_desc AS type, p.sid, p.is_disabled AS disabled, p.default_database_name AS default_database,
       CASE WHEN EXISTS (SELECT 1
                         FROM sys.server_role_members AS m
                         INNER JOIN sys.server_principals AS r ON r.principal_id = m.role_principal_id
                         WHERE m.member_principal_id = p.principal_id AND r.name = 'sysadmin')
            THEN 1 ELSE 0 END AS sysadmin
FROM sys.server_principals AS p
WHERE p.type IN ('S', 'U', 'G') AND p.name NOT LIKE '##%'
ORDER BY p.name
"""
"""Logins are in master, not in a backup of the site's database: after a restore elsewhere they must be recreated."""

CHANGE_TRACKING = """
SELECT c.retention_period, c.retention_period_units_desc AS retention_units, c.is_auto_cleanup_on AS auto_cleanup
FROM sys.change_tracking_databases AS c
INNER JOIN sys.databases AS d ON d.database_id = c.database_id
WHERE d.name = ?
"""
"""SQL Server 2008 and later; no row where change tracking is off."""

LAST_BACKUPS = """
SELECT b.type, b.is_copy_only AS copy_only, b.is_snapshot AS snapshot, MAX(b.backup_finish_date) AS finished
FROM msdb.dbo.backupset AS b
WHERE b.database_name = ?
GROUP BY b.type, b.is_copy_only, b.is_snapshot
ORDER BY b.type
"""
"""``type`` D full, I differential, L log. Times are the server's local ones."""

DATABASES = """
SELECT d.name, d.state_desc AS state, d.create_date AS created
FROM sys.databases AS d
WHERE d.database_id > 4
ORDER BY d.name
"""
"""Every database except the server's own."""

UNDER_WAY = """
SELECT r.session_id AS session, r.command, r.percent_complete AS percent_done
FROM sys.dm_exec_requests AS r
WHERE r.command IN ('CREATE DATABASE', 'RESTORE DATABASE', 'BACKUP DATABASE') AND r.session_id <> @@SPID
"""
"""Statements on whole databases in other sessions; a session whose client was lost may still be running."""

PERCENT = """
SELECT r.percent_complete AS percent_done
FROM sys.dm_exec_requests AS r
WHERE r.session_id = ?
"""

BACKUP_OF_FILE = """
SELECT b.database_name, b.type, b.is_copy_only AS copy_only, b.has_backup_checksums AS checksums,
       b.is_damaged AS damaged, b.backup_size AS bytes, b.backup_finish_date AS finished,
       CAST(b.backup_set_uuid AS nvarchar(36)) AS id
FROM msdb.dbo.backupset AS b
INNER JOIN msdb.dbo.backupmediafamily AS m ON m.media_set_id = b.media_set_id
WHERE m.physical_device_name = ?
ORDER BY b.backup_set_id DESC
"""
"""What msdb records about the backup in a file; the newest first."""

SA = """
SELECT p.name
FROM sys.server_principals AS p
WHERE p.sid = 0x01
"""
"""The sa login, whatever its name is."""

CREATED = """
SELECT d.create_date AS created, GETDATE() AS local, GETUTCDATE() AS utc
FROM sys.databases AS d
WHERE d.name = ?
"""
"""One row, or none. ``created`` is the local time of this server, in the time zone it had then; for an attached or restored
database it is the time of the attach or restore (Microsoft Learn, sys.databases)."""

STATEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "server": SERVER,
        "database": DATABASE,
        "configuration": CONFIGURATION,
        "files": FILES,
        "other_files": OTHER_FILES,
        "logins": LOGINS,
        "last_backups": LAST_BACKUPS,
    }
)
"""By name; all valid on 2005."""

WHOLE_DATABASES: Mapping[str, str] = MappingProxyType(
    {
        "databases": DATABASES,
        "under_way": UNDER_WAY,
        "percent": PERCENT,
        "backup_of_file": BACKUP_OF_FILE,
        "sa": SA,
        "created": CREATED,
    }
)
"""By name; queries about whole databases. All valid on 2005."""

SINCE_2008: Mapping[str, str] = MappingProxyType(
    {"change_tracking": CHANGE_TRACKING, "broker_priority": BROKER_PRIORITY}
)
"""By name; SQL Server 2008 (10.0) and later."""


def quote_name(name: str) -> str:
    """Write an identifier in brackets.

    Raises:
        UsageError: it is empty or longer than 128 characters.

    """
    if not name or len(name) > 128 or "\0" in name:
        raise UsageError(f"invalid SQL Server name {name!r}")
    return "[" + name.replace("]", "]]") + "]"


def row_counts(tables: Iterable[str], *, database: str | None = None) -> str:
    """One SELECT of ``table_name, row_count`` for these tables of schema dbo, exact, in one statement.

    Raises:
        UsageError: no tables, or an invalid name.

    """
    prefix = f"{quote_name(database)}." if database is not None else ""
    parts = []
    for table in tables:
        source = f"{prefix}[dbo].{quote_name(table)}"
        literal = table.replace("'", "''")
        parts.append(f"SELECT N'{literal}' AS table_name, COUNT_BIG(*) AS row_count FROM {source}")  # noqa: S608  # both quoted above
    if not parts:
        raise UsageError("no tables to count were given")
    return "\nUNION ALL\n".join(parts)


def site_rows(database: str) -> str:
    """The sites that a site database knows, one row each.

    ``v_Site`` is ConfigMgr's own view, in all its versions; the columns are those that published reports select.
    """
    return (
        "SELECT s.SiteCode, s.ReportingSiteCode, s.Version, s.BuildNumber "  # noqa: S608  # quoted below
        f"FROM {quote_name(database)}.[dbo].[v_Site] AS s"
    )


_OWN = "m.SiteCode = ? AND m.ModuleName = 'SMS Server' AND (m.MachineName = ? OR m.MachineName LIKE ?)"


def own_messages(site: str, server: str) -> tuple[str, str, str]:
    """The first parameters of the statements on status messages of a site server's own components.

    The view also holds messages of child sites, of other site systems and of clients, each with the time of its sender's clock.
    Microsoft documents SiteCode, MachineName (the computer that created the message), ModuleName and Time (UTC, says
    RaiseRawStatusMsg) of SMS_StatusMessage ("SMS_StatusMessage Server WMI Class", 2007 to current branch); that
    v_StatusMessage has MachineName, Time and the site code, and that the modules are called SMS Client, SMS Provider and SMS
    Server ("Status and alert views"). Assumed: that its column is called ModuleName, as published reports select, and that
    MachineName is the NetBIOS name or the full one (the latter stands as SYS= in published logs).
    """
    return site, server, f"{server}.%"


def last_message(database: str) -> str:
    """One row: when the newest own status message was written (``last``, UTC); NULL without one."""
    return f"SELECT MAX(m.Time) AS last FROM {quote_name(database)}.[dbo].[v_StatusMessage] AS m WHERE {_OWN}"  # noqa: S608  # quoted


def last_message_until(database: str) -> str:
    """The same of those up to a time: one more parameter, as ISO 8601 with a T, which every language setting reads."""
    return f"{last_message(database)} AND m.Time <= ?"


def first_message(database: str) -> str:
    """One row: when the oldest own status message in the database was written (``first``, UTC); NULL without one."""
    return f"SELECT MIN(m.Time) AS first FROM {quote_name(database)}.[dbo].[v_StatusMessage] AS m WHERE {_OWN}"  # noqa: S608  # quoted


def messages(database: str) -> str:
    """One row: the number of all status messages (``number``), whoever wrote them."""
    return f"SELECT COUNT(*) AS number FROM {quote_name(database)}.[dbo].[v_StatusMessage] AS m"  # noqa: S608  # quoted
