"""The system views of an instance: their columns by version, and their rows.

Columns and their types are those of Microsoft's reference pages; ``since`` is the major version (10.0 = 2008, 10.5 =
2008 R2, 11.0 = 2012) from which a view or column exists, so that a query too new for an old server fails as there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sitekeeper_lab.sql import view_rows
from sitekeeper_lab.sql.datatypes import SqlType, parse_type
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.view_rows import Rows


@dataclass(frozen=True, slots=True)
class View:
    """One system view; a column that a row does not name is NULL."""

    columns: dict[str, str]
    rows: Callable[[SessionState, str], Rows]
    since: float = 9.0
    newer: dict[str, float] = field(default_factory=dict)
    """Columns that came later, and when."""

    def columns_in(self, release: float) -> dict[str, SqlType]:
        """The columns that this release has."""
        return {name: parse_type(kind) for name, kind in self.columns.items() if self.newer.get(name, 9.0) <= release}


def _spec(text: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in text.split(";"))


_FILES = (
    "database_id int; file_id int; type tinyint; type_desc nvarchar(60); data_space_id int; name sysname; "
    "physical_name nvarchar(260); state tinyint; state_desc nvarchar(60); size int; max_size int; growth int; "
    "is_media_read_only bit; is_read_only bit; is_percent_growth bit"
)
_OBJECTS = "name sysname; object_id int; schema_id int; type char(2); type_desc nvarchar(60); is_ms_shipped bit"
_PRINCIPALS = (
    "name sysname; principal_id int; sid varbinary(85); type char(1); type_desc nvarchar(60); create_date datetime; "
)
VIEWS: dict[str, View] = {
    "sys.databases": View(
        _spec(
            "name sysname; database_id int; source_database_id int; owner_sid varbinary(85); create_date datetime; "
            "compatibility_level tinyint; collation_name sysname; user_access tinyint; user_access_desc nvarchar(60); "
            "is_read_only bit; is_auto_close_on bit; state tinyint; state_desc nvarchar(60); is_in_standby bit; "
            "snapshot_isolation_state tinyint; recovery_model tinyint; recovery_model_desc nvarchar(60); "
            "page_verify_option tinyint; page_verify_option_desc nvarchar(60); is_trustworthy_on bit; "
            "is_broker_enabled bit; service_broker_guid uniqueidentifier; is_honor_broker_priority_on bit; "
            "is_cdc_enabled bit; is_encrypted bit; containment tinyint; containment_desc nvarchar(60)"
        ),
        view_rows.database_rows,
        newer={
            "is_honor_broker_priority_on": 10.0,
            "is_cdc_enabled": 10.0,
            "is_encrypted": 10.0,
            "containment": 11.0,
            "containment_desc": 11.0,
        },
    ),
    "sys.master_files": View(_spec(_FILES), view_rows.master_files),
    "sys.database_files": View(_spec(_FILES.removeprefix("database_id int; ")), view_rows.database_files),
    "sys.configurations": View(
        _spec(
            "configuration_id int; name nvarchar(35); value sql_variant; minimum sql_variant; maximum sql_variant; "
            "value_in_use sql_variant; description nvarchar(255); is_dynamic bit; is_advanced bit"
        ),
        view_rows.configurations,
    ),
    "sys.server_principals": View(
        _spec(
            _PRINCIPALS + "is_disabled bit; modify_date datetime; default_database_name sysname; "
            "default_language_name sysname; is_fixed_role bit"
        ),
        view_rows.server_principals,
        newer={"is_fixed_role": 11.0},
    ),
    "sys.server_role_members": View(_spec("role_principal_id int; member_principal_id int"), view_rows.role_members),
    "sys.database_principals": View(
        _spec(_PRINCIPALS + "default_schema_name sysname; is_fixed_role bit"), view_rows.database_principals
    ),
    "sys.change_tracking_databases": View(
        _spec(
            "database_id int; is_auto_cleanup_on bit; retention_period int; retention_period_units tinyint; "
            "retention_period_units_desc nvarchar(60); max_cleanup_version bigint"
        ),
        view_rows.change_tracking,
        since=10.0,
    ),
    "sys.dm_exec_requests": View(
        _spec(
            "session_id smallint; request_id int; status nvarchar(30); command nvarchar(32); database_id smallint; "
            "percent_complete real; blocking_session_id smallint"
        ),
        view_rows.requests,
    ),
    "sys.tables": View(_spec(_OBJECTS), view_rows.only_tables),
    "sys.objects": View(_spec(_OBJECTS), view_rows.tables),
    "sys.schemas": View(_spec("name sysname; schema_id int; principal_id int"), view_rows.schemas),
    "msdb.dbo.backupmediafamily": View(
        _spec(
            "media_set_id int; family_sequence_number tinyint; media_count tinyint; physical_device_name nvarchar(260); "
            "device_type tinyint; mirror tinyint"
        ),
        view_rows.media_families,
    ),
    "msdb.dbo.backupset": View(
        _spec(
            "backup_set_id int; backup_set_uuid uniqueidentifier; media_set_id int; name nvarchar(128); "
            "database_name nvarchar(128); server_name nvarchar(128); machine_name nvarchar(128); "
            "backup_start_date datetime; backup_finish_date datetime; type char(1); backup_size numeric(20,0); "
            "compressed_backup_size numeric(20,0); is_copy_only bit; is_snapshot bit; has_backup_checksums bit; "
            "is_damaged bit; recovery_model nvarchar(60); position int; software_major_version tinyint"
        ),
        view_rows.backups,
        newer={"compressed_backup_size": 10.0},
    ),
}
