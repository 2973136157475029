"""Attaches pushed copies of a site's database files under a name with this run's mark; undo drops it with its files.

The server believes boot page and log alone: a torn page shows in ``sql.checkdb``. An attach leaves TRUSTWORTHY and the
Service Broker off (Microsoft: ALTER DATABASE SET options), and a newer server changes the files for good: they are copies.
"""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import IntegrityError, SqlError, UsageError
from sitekeeper.engine.holding.leases import changed_on
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.sql import Made
from sitekeeper.model.windows import PushedFile
from sitekeeper.sql.server import dropping, mark, queries, statements
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server, rate, timed
from sitekeeper.windows.files.work_folder import work_dir_of

NOT_STARTED = 1813
"""The database cannot be started, and nothing of why: all that Microsoft's driver shows, whatever the cause."""
TORN = frozenset({5171, 5172, 5173, 9003})
"""Not one database of one instant: the files' own fault, on whichever server."""
FORMAT = frozenset({905, 909, 933, 948, 950})
"""Of a newer version, or with what this edition has not."""


class AttachParams(Params):
    """Which files, under which name."""

    name: str
    """``sk_<site code>_<run id>``; anything else is refused."""
    files: Many[PushedFile]
    """The pushed files, the primary data file first; they are deleted with the database."""
    on: str | None = None
    """The host; the play's own when left out."""


class AttachIntent(Record):
    """What the database will be called, and which files go with it."""

    version: Literal[1] = 1
    on: str
    instance: str
    name: str
    run: str
    root: str
    files: tuple[str, ...]


class Attach(Module[AttachParams, Made]):
    """Example::

    - sql.attach: {on: "{{ scratch }}", name: "sk_{{ site_code }}_{{ run.id }}", files: "{{ pushed.files }}"}
      undo: play
      register: attached
    """

    needs = Needs(
        cmdlets=WRITE_OUTPUT, functions=("Remove-SkWorkFile",), rights="sysadmin of the SQL Server",
    )  # fmt: skip
    reversible = True
    intent_type = AttachIntent

    def plan(self, ctx: Context, params: AttachParams) -> Plan[Made]:
        there = changed_on(ctx, params)
        mark.refuse_foreign(params.name, ctx.run_id)
        server, root = Server(there), work_dir_of(there)
        folder = f"{root}\\{ctx.run_id}\\".lower()
        for one in params.files:
            if not one.path.lower().startswith(folder) or one.path.lower() != folder + one.name.lower():
                raise UsageError(f"{one.path} is not a file that this run has pushed", host=there.host)
        if dropping.exists(server, params.name) is not None:
            raise UsageError(f"{there.host} has a database {params.name} already", host=there.host)
        paths = tuple(one.path for one in in_order(params.files))
        return Plan(
            result=Made(
                changed=True, msg=f"{len(paths)} files would be attached", on=there.host, server=Unknown("sql.attach"),
                instance=server.instance, name=params.name, files=paths, bytes=sum(one.size for one in params.files),
            ),
            changes=(Change(f"database {params.name} on {there.host}", "not there", f"{len(paths)} files attached"),),
            intent=AttachIntent(
                on=there.host, instance=server.instance, name=params.name, run=ctx.run_id, root=root, files=paths
            ),
        )  # fmt: skip

    def apply(self, ctx: Context, plan: Plan[Made]) -> Made:
        intent = plan.intent
        assert isinstance(intent, AttachIntent)  # noqa: S101 - the plan is our own
        server = Server(changed_on(ctx, intent), intent.instance)
        sql = statements.attach(intent.name, intent.files)
        try:
            _, seconds = timed(server.there, lambda: server.change(sql, text="attaching", silent=True))
        except SqlError as error:
            raise refused(error, intent.name) from None
        return online(server, plan.result, seconds)

    def in_place(self, ctx: Context, intent: AttachIntent, outcome: Made, generation: int) -> bool:
        return dropping.exists(Server(changed_on(ctx, intent), intent.instance), intent.name) == "ONLINE"

    def undo(self, ctx: Context, intent: AttachIntent, outcome: Made | None) -> str:
        return take_back(changed_on(ctx, intent), intent, made=outcome is not None)


def in_order(files: tuple[PushedFile, ...]) -> list[PushedFile]:
    """The primary data file first, logs last. A set lists data files in the order of the database's own.

    "If PRIMARY is not specified, the first file listed in the CREATE DATABASE statement becomes the primary file" (Microsoft).
    """
    return sorted(files, key=lambda one: one.kind == "log")


def take_back(there: Context, intent: AttachIntent, *, made: bool) -> str:
    """Drop the database and what is left of its files, after a change that was made, half made or never sent."""
    server = Server(there, intent.instance)
    if not made:
        dropping.settle(server)
    dropped = dropping.drop(server, intent.name, intent.run)
    names = [path.rpartition("\\")[2] for path in intent.files]
    there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=names)
    return f"database {intent.name} {'dropped' if dropped else 'was not there'}"


def online(server: Server, predicted: Made, seconds: float) -> Made:
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
            "server": str(about["server"]), "seconds": seconds,
            "msg": f"{predicted.name} is online, {predicted.bytes} bytes in {seconds:.1f} s, {rate(predicted.bytes, seconds)}",
        }
    )  # fmt: skip


def refused(error: SqlError, name: str) -> SqlError | IntegrityError:
    """What it means that the server does not start the database."""
    if error.number in TORN or error.number == NOT_STARTED:
        torn = IntegrityError(
            f"the files are not a database that this server can start: {error.message}", host=error.host,
            hint="of different instants or databases, damaged, or of a newer version: its error log says which; the set does not restore",
        )  # fmt: skip
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
