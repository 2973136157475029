"""``CREATE DATABASE ... ON (FILENAME = ...) FOR ATTACH``: as strict as the real one, and as blind.

It believes the boot page and the log, and does not look at the other pages: a torn one shows when it is read, or in
DBCC CHECKDB. Log and data must be of one instant; a real server would roll forward what its log still holds, the lab's
log holds no pages to do so with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from sitekeeper_lab.sql import storage_errors as errors
from sitekeeper_lab.sql.boot import Boot, NoBootPage, is_data_file, read_boot
from sitekeeper_lab.sql.convert import Value
from sitekeeper_lab.sql.database import Instance
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.files import Database, DataFile
from sitekeeper_lab.sql.lexer import Token, closing, join
from sitekeeper_lab.sql.logfile import LogContent, TornDatabase, read_log
from sitekeeper_lab.sql.progress import Progress
from sitekeeper_lab.sql.releases import ENGINE_EDITIONS
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.state import SessionState

_ENTERPRISE = 3
_SAME_IN_ALL_EDITIONS = 13.0
"""2016 (from its SP1, which the lab's has) opens in Standard Edition what older releases open in Enterprise only."""
Found = tuple[str, Path]


def create(tokens: Sequence[Token], state: SessionState, out: Reply, value: Callable[[Token], Value]) -> None:
    """Run one CREATE statement."""
    words = [token.upper for token in tokens]
    if words[1:2] != ["DATABASE"] or words[-2:] != ["FOR", "ATTACH"] or words[3:4] != ["ON"]:
        raise not_emulated(join(tokens[:4]))
    if state.transaction:
        raise SqlFailure(226, "CREATE DATABASE statement not allowed within multi-statement transaction.", 16, 6)
    if not {"sysadmin", "dbcreator"} & set(state.login.roles):
        raise errors.no_permission("CREATE DATABASE", "master")
    paths, at = [], 4
    while words[at] == "(":
        end = closing(tokens, at)
        where = words.index("FILENAME", at, end)
        paths.append(str(value(tokens[where + 2])))
        at = end + 1 + (words[end + 1] == ",")
    attach(tokens[2].value, paths, state, out)


def attach(name: str, paths: list[str], state: SessionState, out: Reply) -> None:
    """Attach the files as a database of that name."""
    instance = state.instance
    if (
        instance.database(name) is not None
        or name in instance.restoring
        or name.lower() in {"master", "msdb", "model", "tempdb"}
    ):
        raise errors.exists(name)
    with instance.activity.running(state.spid, "CREATE DATABASE", name) as request:
        progress = Progress(out, request, state.faults.of_statement("attach"), 100)
        found = [_file(instance, path) for path in paths]
        boot = _boot(name, *found[0])
        if not boot.primary:
            raise not_primary(found[0][0])
        check_startable(name, boot, instance)
        files = _members(name, boot, found)
        progress.advance(99)
        database = start(instance, name, files, state)
        progress.advance(1)
        tell_upgrade(out, name, boot, database)


def start(instance: Instance, name: str, files: tuple[DataFile, ...], state: SessionState) -> Database:
    """Open the files as a database of the session's login."""
    try:
        return instance.adopt(name, files, state.login)
    except TornDatabase as torn:
        raise errors.together(errors.not_opened(name), errors.foreign_file()) from torn


def check_startable(name: str, boot: Boot, instance: Instance) -> None:
    """Refuse what this version or edition does not start."""
    version = int(boot.options.get("version", instance.release.internal))
    if version > instance.release.internal:
        raise errors.together(errors.not_opened(name), errors.newer(name, version, instance.release.internal))
    table = boot.options.get("compressed_table")
    edition = ENGINE_EDITIONS[instance.edition.split(maxsplit=1)[0]]
    if table and edition != _ENTERPRISE and instance.release.major < _SAME_IN_ALL_EDITIONS:
        raise errors.together(errors.not_opened(name), *errors.edition_lacks(name, table))


def tell_upgrade(out: Reply, name: str, boot: Boot, database: Database) -> None:
    """951, where the files were of an older version."""
    old, new = boot.options.get("version"), database.options()["version"]
    if old is not None and old != new:
        out.info(951, f"Database '{name}' running the upgrade step from version {old} to version {new}.", 10)
    out.done(None)


def path_of(instance: Instance, path: str) -> Path:
    """Where a Windows path is on the lab's disk.

    Raises:
        FileNotFoundError: there is no such volume, or it is no path.

    """
    try:
        return instance.resolve(path)
    except ValueError as error:
        raise FileNotFoundError(path) from error


def user_of(instance: Instance, path: Path) -> str | None:
    """The database that has this file open."""
    for name, database in instance.databases.items():
        if any(file.path == path for file in database.files):
            return name
    return None


def _file(instance: Instance, path: str) -> Found:
    try:
        real = path_of(instance, path)
    except FileNotFoundError:
        raise errors.cannot_open_file(path, 3) from None
    if not real.is_file():
        raise errors.cannot_open_file(path, 2 if real.parent.is_dir() else 3)
    if user_of(instance, real) is not None:
        raise errors.cannot_open_file(path, 32)
    return path, real


def not_primary(path: str) -> SqlFailure:
    """5171."""
    return SqlFailure(5171, f"{path} is not a primary database file.")


def _boot(name: str, path: str, real: Path) -> Boot:
    if not is_data_file(real):
        raise not_primary(path)
    try:
        return read_boot(real)
    except NoBootPage:
        text = f"The header for file '{path}' is not a valid database file header. The PageAudit property is incorrect."
        raise errors.together(SqlFailure(5172, text, 16, 15), errors.not_opened(name)) from None


def _members(name: str, boot: Boot, found: list[Found]) -> tuple[DataFile, ...]:
    """The files by kind, of one family and one instant."""
    rows = [one for one in found if is_data_file(one[1])]
    logs = [one for one in found if one not in rows]
    if len(rows) != boot.data_files or len(logs) != 1:
        raise errors.together(errors.foreign_file(), errors.not_opened(name))
    for path, real in rows[1:]:
        other = _boot(name, path, real)
        if other.family != boot.family or other.lsn != boot.lsn:
            raise errors.together(errors.foreign_file(), errors.not_opened(name))
    log = _log(name, *logs[0])
    if log.family != boot.family:
        raise errors.together(errors.foreign_file(), errors.not_opened(name))
    if log.lsn != boot.lsn or log.trailing:
        raise errors.together(errors.not_opened(name), errors.wrong_log(name, boot.lsn))
    data = [DataFile(boot.logical(number), "ROWS", *one) for number, one in enumerate(rows, 1)]
    return (*data, DataFile(boot.logical(0, log=True), "LOG", *logs[0]))


def _log(name: str, path: str, real: Path) -> LogContent:
    try:
        return read_log(real)
    except TornDatabase:
        if real.read_bytes()[:6] == b"LABLDF":
            return LogContent(UUID(int=0), (), 1)
        text = f"The header for file '{path}' is not a valid database file header. The FILE SIZE property is incorrect."
        raise errors.together(SqlFailure(5172, text, 16, 15), errors.not_opened(name)) from None
