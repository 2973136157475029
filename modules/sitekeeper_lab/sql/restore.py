"""``RESTORE``: FILELISTONLY, HEADERONLY, VERIFYONLY and DATABASE, from the lab's backup files.

Columns and their types are those of Microsoft's pages of RESTORE FILELISTONLY and HEADERONLY; a column that came later
than the release is not there.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic

from sitekeeper_lab.sql import reply
from sitekeeper_lab.sql import storage_errors as errors
from sitekeeper_lab.sql.attaching import check_startable, path_of, start, tell_upgrade, user_of
from sitekeeper_lab.sql.backup import tell_end
from sitekeeper_lab.sql.bakfile import BackedFile, BadBlock, Head, NoBackup, blocks, read_head
from sitekeeper_lab.sql.boot import Boot
from sitekeeper_lab.sql.convert import Value, moment_text
from sitekeeper_lab.sql.database import Instance
from sitekeeper_lab.sql.datatypes import parse_type
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.files import DataFile
from sitekeeper_lab.sql.lexer import Token, join, words
from sitekeeper_lab.sql.progress import Progress
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.withoptions import Evaluate, Options, device_of, read_options, split_with

_KNOWN = words("MOVE CHECKSUM NO_CHECKSUM STATS REPLACE RECOVERY FILE")
STATEMENT = "RESTORE DATABASE"
_FILE_COLUMNS = (
    "LogicalName nvarchar(128); PhysicalName nvarchar(260); Type char(1); FileGroupName nvarchar(128); "
    "Size numeric(20,0); MaxSize numeric(20,0); FileId bigint; UniqueId uniqueidentifier; BackupSizeInBytes bigint; "
    "SourceBlockSize int; FileGroupId int; IsReadOnly bit; IsPresent bit"
)
_HEAD_COLUMNS = (
    "BackupName nvarchar(128); BackupType smallint; Compressed tinyint; Position smallint; DeviceType tinyint; "
    "UserName nvarchar(128); ServerName nvarchar(128); DatabaseName nvarchar(128); DatabaseVersion int; "
    "BackupSize numeric(20,0); BackupStartDate datetime; BackupFinishDate datetime; CompatibilityLevel tinyint; "
    "SoftwareVersionMajor int; SoftwareVersionMinor int; SoftwareVersionBuild int; MachineName nvarchar(128); "
    "Collation nvarchar(128); FamilyGUID uniqueidentifier; HasBackupChecksums bit; IsDamaged bit; IsSnapshot bit; "
    "IsCopyOnly bit; RecoveryModel nvarchar(60); BackupSetGUID uniqueidentifier"
)


def restore(tokens: Sequence[Token], state: SessionState, out: Reply, value: Evaluate) -> None:
    """Run one RESTORE statement."""
    before, behind = split_with(tokens)
    what = before[1].upper
    options = read_options(behind, _KNOWN, value)
    if str(options.values.get("FILE", 1)) != "1":
        raise not_emulated("a second backup in one file")
    at = 4 if what == "DATABASE" else 3
    if before[at - 1].upper != "FROM" or what not in {"DATABASE", "FILELISTONLY", "HEADERONLY", "VERIFYONLY"}:
        raise not_emulated(join(tokens[:4]))
    device = device_of(before, at, value)
    named = {"DATABASE": STATEMENT, "VERIFYONLY": "VERIFY DATABASE"}.get(what, f"RESTORE {what}")
    if state.transaction or state.implicit:
        raise errors.in_transaction(named)
    if not {"sysadmin", "dbcreator"} & set(state.login.roles):
        raise errors.together(errors.no_permission("CREATE DATABASE", "master"), errors.terminated(named))
    path, head = _opened(state.instance, device, named)
    if what == "FILELISTONLY":
        _list_files(head, out)
    elif what == "HEADERONLY":
        _show_head(head, state.instance, out)
    elif what == "VERIFYONLY":
        _verify(path, head, device, options, state, out)
    else:
        Restore(before[2].value, path, head, device, options, state, out).run()


def _opened(instance: Instance, device: str, statement: str) -> tuple[Path, Head]:
    try:
        path = path_of(instance, device)
        if not path.is_file():
            raise errors.cannot_open_device(device, 2 if path.parent.is_dir() else 3, statement)
        return path, read_head(path)
    except FileNotFoundError:
        raise errors.cannot_open_device(device, 3, statement) from None
    except NoBackup:
        text = (
            f"The media family on device '{device}' is incorrectly formed. SQL Server cannot process this media family."
        )
        raise errors.together(SqlFailure(3241, text, 16, 0), errors.terminated(statement)) from None


def _rows(columns: str, rows: list[dict[str, Value]], out: Reply) -> None:
    kinds = [part.strip().split(" ", 1) for part in columns.split(";")]
    out.columns([reply.Column(name, parse_type(kind)) for name, kind in kinds])
    for row in rows:
        out.row([row.get(name) for name, _ in kinds])
    out.done(len(rows), reply.SELECT)


def _list_files(head: Head, out: Reply) -> None:
    ids = file_ids(head.files)
    rows: list[dict[str, Value]] = [
        {
            "LogicalName": file.logical,
            "PhysicalName": file.physical,
            "Type": file.kind,
            "FileGroupName": None if file.kind == "L" else "PRIMARY",
            "Size": str(file.size),
            "MaxSize": "35184372080640",
            "FileId": ids[file.logical],
            "UniqueId": str(uuid.uuid5(uuid.UUID(head.family), file.logical)).upper(),
            "BackupSizeInBytes": file.size,
            "SourceBlockSize": 512,
            "FileGroupId": int(file.kind == "D"),
            "IsReadOnly": 0,
            "IsPresent": 1,
        }
        for file in head.files
    ]
    _rows(_FILE_COLUMNS, rows, out)


def file_ids(files: tuple[BackedFile, ...]) -> dict[str, int]:
    """The primary data file is 1, the log 2, others follow."""
    data = [file.logical for file in files if file.kind == "D"]
    logs = [file.logical for file in files if file.kind == "L"]
    return {name: number for number, name in enumerate([*data[:1], *logs, *data[1:]], 1)}


def _show_head(head: Head, instance: Instance, out: Reply) -> None:
    major, minor, build = (int(part) for part in head.version.split(".")[:3])
    started, finished = (
        moment_text(datetime.fromisoformat(at).replace(tzinfo=None)) for at in (head.started, head.finished)
    )
    row: dict[str, Value] = {
        "BackupName": head.name or None,
        "BackupType": 1,
        "Compressed": int(head.compressed),
        "Position": 1,
        "DeviceType": 2,
        "UserName": head.user,
        "ServerName": head.server,
        "DatabaseName": head.database,
        "DatabaseVersion": head.internal,
        "BackupSize": str(head.size),
        "BackupStartDate": started,
        "BackupFinishDate": finished,
        "CompatibilityLevel": head.compatibility,
        "SoftwareVersionMajor": major,
        "SoftwareVersionMinor": minor,
        "SoftwareVersionBuild": build,
        "MachineName": head.machine,
        "Collation": head.collation,
        "FamilyGUID": head.family.upper(),
        "HasBackupChecksums": int(head.checksums),
        "IsDamaged": 0,
        "IsSnapshot": 0,
        "IsCopyOnly": int(head.copy_only),
        "RecoveryModel": head.recovery,
        "BackupSetGUID": head.guid,
    }
    columns = _HEAD_COLUMNS if instance.release.major >= 10 else _HEAD_COLUMNS.replace(" Compressed tinyint;", "")
    _rows(columns, [row], out)


def _verify(path: Path, head: Head, device: str, options: Options, state: SessionState, out: Reply) -> None:
    named = "VERIFY DATABASE"
    _require_checksums(head, options, named)
    with state.instance.activity.running(state.spid, "RESTORE VERIFYONLY", head.database) as request:
        fault = state.faults.of_statement("restore")
        progress = Progress(out, request, fault, head.size, stats=options.stats, device=device, statement=named)
        try:
            for _, content in blocks(path):
                progress.advance(len(content))
        except BadBlock as bad:
            failure = _ended(device) if bad.ended else SqlFailure(3189, "Damage to the backup set was detected.")
            raise errors.together(failure, errors.terminated(named)) from None
    out.info(3262, "The backup set on file 1 is valid.", 10)
    out.done(None)


def _require_checksums(head: Head, options: Options, statement: str) -> None:
    if "CHECKSUM" in options.words and not head.checksums:
        text = "RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information."
        raise errors.together(SqlFailure(3187, text), errors.terminated(statement))


def _ended(device: str) -> SqlFailure:
    return SqlFailure(3203, f'Read on "{device}" failed: {errors.os_error(38)}')


class Restore:
    """One RESTORE DATABASE."""

    def __init__(
        self, name: str, path: Path, head: Head, device: str, options: Options, state: SessionState, out: Reply
    ) -> None:
        self._name, self._path, self._head, self._device = name, path, head, device
        self._options, self._state, self._out = options, state, out

    def run(self) -> None:
        """Run it. What ends half-way leaves the database RESTORING, as on a real server."""
        state, began = self._state, monotonic()
        instance = state.instance
        _require_checksums(self._head, self._options, STATEMENT)
        self._refuse_existing()
        if self._head.internal > instance.release.internal:
            text = f"The database was backed up on a server running version {self._head.version}. That version is incompatible "
            text += f"with this server, which is running version {instance.version}. Either restore the database on a server "
            text += "that supports the backup, or use a backup that is compatible with this server."
            raise self._because(SqlFailure(3169, text))
        files = self._planned()
        with instance.activity.running(state.spid, STATEMENT, self._name) as request:
            fault = state.faults.of_statement("restore")
            progress = Progress(
                self._out,
                request,
                fault,
                self._head.size,
                stats=self._options.stats,
                device=self._device,
                statement=STATEMENT,
            )
            if self._name in instance.databases:
                instance.drop_database(self._name)
            instance.restoring[self._name] = files
            self._copy(files, progress)
            boot = self._boot()
            try:
                check_startable(self._name, boot, instance)
            except SqlFailure as refused:
                instance.drop_database(self._name)
                raise self._because(*refused.more) from None
            database = start(instance, self._name, files, state)
        tell_end(self._out, STATEMENT, self._name, self._head.files, monotonic() - began)
        tell_upgrade(self._out, self._name, boot, database)

    def _because(self, *failures: SqlFailure) -> SqlFailure:
        return errors.together(*failures, errors.terminated(STATEMENT))

    def _boot(self) -> Boot:
        head = self._head
        options = {"version": str(head.internal), "compressed_table": head.compressed_table}
        return Boot(head.boot_name, uuid.UUID(head.family), 0, 1, options)

    def _refuse_existing(self) -> None:
        instance, spid = self._state.instance, self._state.spid
        there = instance.database(self._name)
        if there is None:
            return
        self._name = there.name
        if instance.activity.others_in(there.name, spid) or self._state.database == there.name:
            text = "Exclusive access could not be obtained because the database is in use."
            raise self._because(SqlFailure(3101, text))
        if "REPLACE" in self._options.words:
            return
        if str(there.family) != self._head.family:
            text = f"The backup set holds a backup of a database other than the existing '{there.name}' database."
            raise self._because(SqlFailure(3154, text, 16, 4))
        if there.options()["recovery"] != "SIMPLE":
            text = f'The tail of the log for the database "{there.name}" has not been backed up. Use BACKUP LOG WITH NORECOVERY '
            text += "to backup the log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause "
            raise self._because(
                SqlFailure(3159, text + "of the RESTORE statement to just overwrite the contents of the log.")
            )

    def _planned(self) -> tuple[DataFile, ...]:
        logical = {file.logical.lower() for file in self._head.files}
        for name, _ in self._options.moves:
            if name.lower() not in logical:
                text = f"Logical file '{name}' is not part of database '{self._name}'. Use RESTORE FILELISTONLY to list the "
                raise self._because(SqlFailure(3234, text + "logical file names.", 16, 2))
        moved = {name.lower(): to for name, to in self._options.moves}
        files, problems = [], []
        for file in self._head.files:
            to = moved.get(file.logical.lower(), file.physical)
            try:
                real = path_of(self._state.instance, to)
                problems += self._problem(file, to, real)
                files.append(DataFile(file.logical, "LOG" if file.kind == "L" else "ROWS", to, real))
            except FileNotFoundError:
                problems += [_no_folder(to), _use_move(file, to)]
        if problems:
            text = (
                "Problems were identified while planning for the RESTORE statement. Previous messages provide details."
            )
            raise self._because(*problems, SqlFailure(3119, text))
        return tuple(files)

    def _problem(self, file: BackedFile, to: str, real: Path) -> list[SqlFailure]:
        if not real.parent.is_dir():
            return [_no_folder(to), _use_move(file, to)]
        user = user_of(self._state.instance, real)
        if user is not None and user != self._name:
            text = f"The file '{to}' cannot be overwritten. It is being used by database '{user}'."
            return [SqlFailure(1834, text), _use_move(file, to)]
        if user is None and real.exists() and "REPLACE" not in self._options.words:
            text = f'File "{to}" cannot be restored over the existing "{to}". Reissue the RESTORE statement using WITH REPLACE '
            return [
                SqlFailure(
                    3142, text + "to overwrite pre-existing files, or WITH MOVE to identify an alternate location."
                )
            ]
        return []

    def _copy(self, files: tuple[DataFile, ...], progress: Progress) -> None:
        with contextlib.ExitStack() as stack:
            targets = [stack.enter_context(file.path.open("wb")) for file in files]
            try:
                for number, content in blocks(self._path):
                    targets[number].write(content)
                    progress.advance(len(content))
            except BadBlock as bad:
                text = f'RESTORE detected an error on page ({bad.file + 1}:{bad.page}) in database "{self._name}" as read from '
                damage = SqlFailure(3183, text + "the backup set.")
                raise self._because(_ended(self._device) if bad.ended else damage) from None


def _no_folder(path: str) -> SqlFailure:
    text = f'Directory lookup for the file "{path}" failed with the operating system error {errors.os_error(3)}.'
    return SqlFailure(5133, text)


def _use_move(file: BackedFile, to: str) -> SqlFailure:
    text = (
        f"File '{file.logical}' cannot be restored to '{to}'. Use WITH MOVE to identify a valid location for the file."
    )
    return SqlFailure(3156, text, 16, 3)
