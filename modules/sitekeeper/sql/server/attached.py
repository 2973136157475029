"""A database that was attached or restored from files of a run: prove that it is online, explain errors, drop it with its files."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import IntegrityError, SqlError
from sitekeeper.engine.figures import show_duration, show_rate, show_size
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.windows import PushedFile
from sitekeeper.sql.server import dropping, queries
from sitekeeper.sql.server.server import Server

NOT_STARTED = 1813
"""The database cannot be started. Microsoft's driver shows only this number, whatever the cause."""


TORN = frozenset({5171, 5172, 5173, 9003})
"""The files are not one database of one instant: the fault of the files, on any server."""


FORMAT = frozenset({905, 909, 933, 948, 950})
"""From a newer version, or with a feature that this edition does not have."""


class PushedDatabase(Record):
    """The name of a database created from pushed files, and its files, which are deleted with it."""

    version: Literal[1] = 1
    on: str
    instance: str
    name: str
    run: str
    root: str
    files: tuple[str, ...]


def sort_files(files: tuple[PushedFile, ...]) -> list[PushedFile]:
    """Sort the primary data file first, logs last. A set lists data files in the database's own order.

    "If PRIMARY is not specified, the first file listed in the CREATE DATABASE statement becomes the primary file" (Microsoft).
    """
    return sorted(files, key=lambda one: one.kind == "log")


def undo_database(there: Context, intent: PushedDatabase, *, made: bool) -> str:
    """Drop the database and its remaining files, after a change that was made, half made or never sent."""
    server = Server(there, intent.instance)
    if not made:
        dropping.settle(server)
    dropped = dropping.drop(server, intent.name, intent.run)
    names = [path.rpartition("\\")[2] for path in intent.files]
    there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=names)
    return f"database {intent.name} {'dropped' if dropped else 'did not exist'}, its files deleted"


def prove_online(server: Server, predicted: AttachedDatabase, seconds: float) -> AttachedDatabase:
    """Prove that the database is online, with exactly these files.

    Raises:
        IntegrityError: it is not.

    """
    rows = server.ask(queries.DATABASE, predicted.name)
    if not rows or rows[0]["state"] != "ONLINE":
        raise IntegrityError(
            f"database {predicted.name} on {server.host} is not ONLINE: it {'is ' + str(rows[0]['state']) if rows else 'does not exist'}"
        )
    files = {str(row["path"]).lower() for row in server.ask(queries.FILES, predicted.name)}
    if files != {path.lower() for path in predicted.files}:
        raise IntegrityError(
            f"database {predicted.name} on {server.host} has other files than expected: {', '.join(sorted(files))}"
        )
    about = server.ask(queries.SERVER)[0]
    return predicted.model_copy(
        update={
            "server": str(about["server"]),
            "seconds": seconds,
            "msg": f"{predicted.name} is online, {show_size(predicted.bytes)} in {show_duration(seconds)} "
            f"({show_rate(predicted.bytes, seconds)})",
        }
    )


def explain_refusal(error: SqlError, name: str) -> SqlError | IntegrityError:
    """Explain why the server does not start the database."""
    if error.number in TORN or error.number == NOT_STARTED:
        torn = IntegrityError(
            f"this server cannot start a database from the files: {error.message}",
            host=error.host,
            hint="the files are damaged, of different moments or databases, or of a newer version: read the SQL Server error log; "
            "this set cannot be restored",
        )
        if error.number in TORN:
            torn.blames = "set"
        else:
            torn.hint = "read the SQL Server error log: the files may be damaged, or the server may lack disk space, rights or memory"
        return torn
    hint = {5120: "SQL Server's service account needs read and write access to sql_work_dir"}.get(error.number)
    if error.number in FORMAT:
        hint = "use a scratch server of the set's own version and edition"
    return SqlError(f"{name}: {error.message}", number=error.number, host=error.host, hint=hint or error.hint)
