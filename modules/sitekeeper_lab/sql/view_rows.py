"""The rows of the system views, computed from the instance."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sitekeeper_lab.sql.convert import Value, moment_text
from sitekeeper_lab.sql.database import Login
from sitekeeper_lab.sql.state import SYSTEM_IDS, SessionState

Rows = Iterable[dict[str, Value]]


def _databases(state: SessionState, _current: str) -> Rows:
    instance = state.instance
    for name, number in SYSTEM_IDS.items():
        yield {
            "name": name,
            "database_id": number,
            "owner_sid": b"\x01",
            "create_date": "2003-04-08 09:13:36.390",
            "compatibility_level": instance.release.compatibility,
            "collation_name": instance.collation,
            "recovery_model_desc": "FULL" if name == "model" else "SIMPLE",
            "is_trustworthy_on": int(name == "msdb"),
            "is_broker_enabled": int(name in {"tempdb", "msdb"}),
            "is_honor_broker_priority_on": 0,
            "service_broker_guid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{instance.host}.{name}")).upper(),
            **_same(0),
        }
    for name, database in instance.databases.items():
        options = database.options()
        yield {
            "name": name,
            "database_id": state.database_id(name),
            "owner_sid": bytes.fromhex(options["owner_sid"]),
            "create_date": options["created"][:23].replace("T", " "),
            "compatibility_level": int(options["compatibility"]),
            "collation_name": options["collation"],
            "recovery_model_desc": options["recovery"],
            "is_trustworthy_on": int(options["trustworthy"]),
            "is_broker_enabled": int(options["broker"]),
            "is_honor_broker_priority_on": int(options.get("honor_broker_priority", "0")),
            "service_broker_guid": options["broker_guid"].upper(),
            **_same(0),
            "user_access": int(options.get("user_access") == "SINGLE_USER"),
            "user_access_desc": options.get("user_access", "MULTI_USER"),
        }
    for name in instance.restoring:
        yield {
            "name": name,
            "database_id": 32000,
            "owner_sid": b"\x01",
            "create_date": moment_text(instance.local(instance.clock())),
            "compatibility_level": instance.release.compatibility,
            "collation_name": None,
            "recovery_model_desc": "FULL",
            **_same(1),
            "state_desc": "RESTORING",
        }


def _same(state: int) -> dict[str, Value]:
    return {
        "user_access": 0,
        "user_access_desc": "MULTI_USER",
        "is_read_only": 0,
        "is_auto_close_on": 0,
        "state": state,
        "state_desc": "ONLINE",
        "is_in_standby": 0,
        "snapshot_isolation_state": 0,
        "page_verify_option": 2,
        "page_verify_option_desc": "CHECKSUM",
        "is_cdc_enabled": 0,
        "is_encrypted": 0,
        "containment": 0,
        "containment_desc": "NONE",
    }


def database_rows(state: SessionState, current: str) -> Rows:
    """Rows of sys.databases."""
    models = {"FULL": 1, "BULK_LOGGED": 2, "SIMPLE": 3}
    for row in _databases(state, current):
        yield {**row, "recovery_model": models[str(row["recovery_model_desc"])]}


def master_files(state: SessionState, _current: str) -> Rows:
    """Rows of sys.master_files."""
    folder = state.instance.data_dir
    logical = {"master": ("master", "mastlog"), "tempdb": ("tempdev", "templog"), "model": ("modeldev", "modellog")}
    files = {"master": ("master.mdf", "mastlog.ldf"), "tempdb": ("tempdb.mdf", "templog.ldf")}
    for name, number in SYSTEM_IDS.items():
        names = logical.get(name, ("MSDBData", "MSDBLog"))
        paths = files.get(name, ("model.mdf", "modellog.ldf") if name == "model" else ("MSDBData.mdf", "MSDBLog.ldf"))
        for index in (0, 1):
            yield _file_row(number, index + 1, index, names[index], f"{folder}\\{paths[index]}", 512)
    for name, database in state.instance.databases.items():
        rows, log = (sorted((f for f in database.files if f.kind == kind), key=str) for kind in ("ROWS", "LOG"))
        # The primary data file is file 1, the log 2, secondary files come after.
        for file_id, file in enumerate([database.mdf, *log, *(f for f in rows if f is not database.mdf)], 1):
            pages = -(-file.size // 8192)
            number_of = state.database_id(name) or 0
            yield _file_row(number_of, file_id, int(file.kind == "LOG"), file.logical, file.physical, pages)


def _file_row(database: int, file_id: int, kind: int, name: str, path: str, pages: int) -> dict[str, Value]:
    return {
        "database_id": database,
        "file_id": file_id,
        "type": kind,
        "type_desc": "LOG" if kind else "ROWS",
        "data_space_id": 0 if kind else 1,
        "name": name,
        "physical_name": path,
        "state": 0,
        "state_desc": "ONLINE",
        "size": pages,
        "max_size": -1,
        "growth": 128,
        "is_percent_growth": 0,
        "is_media_read_only": 0,
        "is_read_only": 0,
    }


def database_files(state: SessionState, current: str) -> Rows:
    """Rows of sys.database_files of the current database."""
    number = state.database_id(current)
    return (row for row in master_files(state, current) if row["database_id"] == number)


def configurations(state: SessionState, _current: str) -> Rows:
    """Rows of sys.configurations."""
    numbers = {"show advanced options": 518, "clr enabled": 1562, "max text repl size (B)": 1536}
    for index, (name, value) in enumerate(state.instance.configuration.items()):
        number = numbers.get(name, 16000 + index)
        yield {
            "configuration_id": number,
            "name": name,
            "value": value,
            "value_in_use": value,
            "description": name,
            "minimum": 0,
            "maximum": 2147483647,
            "is_dynamic": 1,
            "is_advanced": 0,
        }


_ROLES = ("public", "sysadmin", "securityadmin", "serveradmin", "setupadmin", "processadmin", "diskadmin", "dbcreator")


def server_principals(state: SessionState, _current: str) -> Rows:
    """Rows of sys.server_principals."""
    created = "2003-04-08 09:10:35.460"
    for number, role in enumerate(_ROLES, 2):
        yield {
            "name": role,
            "principal_id": number,
            "sid": bytes([number]),
            "type": "R",
            "type_desc": "SERVER_ROLE",
            "is_disabled": 0,
            "create_date": created,
            "modify_date": created,
            "is_fixed_role": 1,
        }
    for number, login in _login_ids(state):
        kind = (
            ("G", "WINDOWS_GROUP") if login.group else ("U", "WINDOWS_LOGIN") if login.windows else ("S", "SQL_LOGIN")
        )
        yield {
            "name": login.name,
            "principal_id": number,
            "sid": login.security_id,
            "type": kind[0],
            "type_desc": kind[1],
            "is_disabled": int(login.disabled),
            "create_date": created,
            "modify_date": created,
            "default_database_name": login.default_database,
            "default_language_name": "us_english",
            "is_fixed_role": 0,
        }


def _login_ids(state: SessionState) -> Iterable[tuple[int, Login]]:
    for index, login in enumerate(state.instance.logins):
        yield (1 if login.name.lower() == "sa" else 257 + index), login


def role_members(state: SessionState, _current: str) -> Rows:
    """Rows of sys.server_role_members."""
    for number, login in _login_ids(state):
        for role in login.roles:
            if role in _ROLES[1:]:
                yield {"role_principal_id": _ROLES.index(role) + 2, "member_principal_id": number}


def database_principals(state: SessionState, current: str) -> Rows:
    """Rows of sys.database_principals."""
    database = state.instance.database(current)
    owner = bytes.fromhex(database.options()["owner_sid"]) if database else b"\x01"
    common: dict[str, Value] = {"default_schema_name": "dbo", "create_date": "2003-04-08 09:10:42.287"}
    yield {
        **common,
        "name": "dbo",
        "principal_id": 1,
        "type": "S",
        "type_desc": "SQL_USER",
        "sid": owner,
        "is_fixed_role": 0,
    }
    yield {"name": "guest", "principal_id": 2, "type": "S", "type_desc": "SQL_USER", "sid": b"\0", "is_fixed_role": 0}
    yield {"name": "db_owner", "principal_id": 16384, "type": "R", "type_desc": "DATABASE_ROLE", "is_fixed_role": 1}


def change_tracking(state: SessionState, _current: str) -> Rows:
    """Rows of sys.change_tracking_databases."""
    for name, database in state.instance.databases.items():
        days = database.options().get("change_tracking")
        if days:
            yield {
                "database_id": state.database_id(name),
                "is_auto_cleanup_on": 1,
                "retention_period": int(days),
                "retention_period_units": 3,
                "retention_period_units_desc": "DAYS",
                "max_cleanup_version": None,
            }


def requests(state: SessionState, current: str) -> Rows:
    """Rows of sys.dm_exec_requests: the one who asks, and the long statements of others."""
    yield {
        "session_id": state.spid,
        "request_id": 0,
        "status": "running",
        "command": "SELECT",
        "database_id": state.database_id(current),
        "percent_complete": 0.0,
        "blocking_session_id": 0,
    }
    for request in state.instance.activity.requests():
        yield {
            "session_id": request.spid,
            "request_id": 0,
            "status": "suspended",
            "command": request.command,
            "database_id": state.database_id(request.database) or 1,
            "percent_complete": request.percent,
            "blocking_session_id": 0,
        }


def backups(state: SessionState, _current: str) -> Rows:
    """Rows of msdb.dbo.backupset."""
    instance = state.instance
    for number, backup in enumerate(instance.backups, 1):
        start, finish = (instance.local(moment) for moment in (backup.started, backup.finished))
        yield {
            "backup_set_id": number,
            "backup_set_uuid": str(backup.guid or uuid.uuid5(uuid.NAMESPACE_DNS, f"{instance.host}.{number}")).upper(),
            "media_set_id": number,
            "name": backup.name,
            "database_name": backup.database,
            "server_name": instance.server_name,
            "machine_name": instance.host,
            "backup_start_date": moment_text(start),
            "backup_finish_date": moment_text(finish),
            "type": backup.kind,
            "backup_size": str(backup.size),
            "compressed_backup_size": str(backup.compressed_size or backup.size),
            "is_copy_only": int(backup.copy_only),
            "is_snapshot": int(backup.snapshot),
            "has_backup_checksums": int(backup.checksums),
            "is_damaged": 0,
            "recovery_model": "FULL",
            "position": 1,
            "software_major_version": int(instance.release.major),
        }


def media_families(state: SessionState, _current: str) -> Rows:
    """Rows of msdb.dbo.backupmediafamily."""
    for number, backup in enumerate(state.instance.backups, 1):
        yield {
            "media_set_id": number,
            "family_sequence_number": 1,
            "media_count": 1,
            "physical_device_name": backup.device,
            "device_type": 2 if backup.device else 7,
            "mirror": 0,
        }


def tables(state: SessionState, current: str) -> Rows:
    """Rows of sys.objects: tables and views."""
    database = state.instance.database(current)
    if database is None:
        return
    with database.read() as data:
        names = [
            (name, kind)
            for part in (("main", "ndf") if database.ndf else ("main",))
            for name, kind in data.execute(f"SELECT name, type FROM {part}.sqlite_master")  # noqa: S608  # a constant
            if kind in {"table", "view"} and not name.startswith("sqlite_") and name != "lab_boot"
        ]
    for number, (name, kind) in enumerate(sorted(names), 245575913):
        yield {
            "name": name,
            "object_id": number,
            "schema_id": 1,
            "type": "U" if kind == "table" else "V",
            "type_desc": "USER_TABLE" if kind == "table" else "VIEW",
            "is_ms_shipped": 0,
        }


def only_tables(state: SessionState, current: str) -> Rows:
    """Rows of sys.tables."""
    return (row for row in tables(state, current) if row["type"] == "U")


def schemas(_state: SessionState, _current: str) -> Rows:
    """Rows of sys.schemas."""
    yield {"name": "dbo", "schema_id": 1, "principal_id": 1}
    yield {"name": "sys", "schema_id": 4, "principal_id": 4}
