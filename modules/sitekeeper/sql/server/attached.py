"""A database that was attached or restored from files that a run pushed: brought online, judged, dropped with its files."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import IntegrityError, SqlError
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.windows import PushedFile
from sitekeeper.sql.server import dropping, queries
from sitekeeper.sql.server.server import Server, rate

NOT_STARTED = 1813
"""The database cannot be started, and nothing of why: all that Microsoft's driver shows, whatever the cause."""


TORN = frozenset({5171, 5172, 5173, 9003})
"""Not one database of one instant: the files' own fault, on whichever server."""


FORMAT = frozenset({905, 909, 933, 948, 950})
"""Of a newer version, or with what this edition has not."""


class PushedDatabase(Record):
    """What a database will be called that is made from pushed files, and which files go with it."""

    version: Literal[1] = 1
    on: str
    instance: str
    name: str
    run: str
    root: str
    files: tuple[str, ...]


def sort_files(files: tuple[PushedFile, ...]) -> list[PushedFile]:
    """The primary data file first, logs last. A set lists data files in the order of the database's own.

    "If PRIMARY is not specified, the first file listed in the CREATE DATABASE statement becomes the primary file" (Microsoft).
    """
    return sorted(files, key=lambda one: one.kind == "log")


def undo_database(there: Context, intent: PushedDatabase, *, made: bool) -> str:
    """Drop the database and what is left of its files, after a change that was made, half made or never sent."""
    server = Server(there, intent.instance)
    if not made:
        dropping.settle(server)
    dropped = dropping.drop(server, intent.name, intent.run)
    names = [path.rpartition("\\")[2] for path in intent.files]
    there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=names)
    return f"database {intent.name} {'dropped' if dropped else 'was not there'}"


def prove_online(server: Server, predicted: AttachedDatabase, seconds: float) -> AttachedDatabase:
    """Prove that the database is there and started, with exactly these files.

    Raises:
        IntegrityError: it is not.

    """
    rows = server.ask(queries.DATABASE, predicted.name)
    if not rows or rows[0]["state"] != "ONLINE":
        raise IntegrityError(
            f"{predicted.name} on {server.host} is {rows[0]['state'] if rows else 'not there'}, not ONLINE"
        )
    files = {str(row["path"]).lower() for row in server.ask(queries.FILES, predicted.name)}
    if files != {path.lower() for path in predicted.files}:
        raise IntegrityError(
            f"{predicted.name} on {server.host} has other files than it was given: {', '.join(sorted(files))}"
        )
    about = server.ask(queries.SERVER)[0]
    return predicted.model_copy(
        update={
            "server": str(about["server"]),
            "seconds": seconds,
            "msg": f"{predicted.name} is online, {predicted.bytes} bytes in {seconds:.1f} s, {rate(predicted.bytes, seconds)}",
        }
    )


def explain_refusal(error: SqlError, name: str) -> SqlError | IntegrityError:
    """What it means that the server does not start the database."""
    if error.number in TORN or error.number == NOT_STARTED:
        torn = IntegrityError(
            f"the files are not a database that this server can start: {error.message}",
            host=error.host,
            hint="of different instants or databases, damaged, or of a newer version: its error log says which; the set does not restore",
        )
        if error.number in TORN:
            torn.blames = "set"
        else:
            torn.hint = (
                "its error log says why: the files may be torn, or the server may lack something (room, rights, memory)"
            )
        return torn
    hint = {5120: "may its service account read and write in sql_work_dir?"}.get(error.number)
    if error.number in FORMAT:
        hint = "a scratch server of the set's own version and edition opens it"
    return SqlError(f"{name}: {error.message}", number=error.number, host=error.host, hint=hint or error.hint)
