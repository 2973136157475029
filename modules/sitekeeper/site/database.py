"""Brings up a set's database under its own name, so that setup uses it as a manually recovered one (option 20).

Its files stay where they were copied: below the folder ``sql_work_dir`` of the database server. This folder should therefore
be on the volume for the site database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sitekeeper.engine.errors import SqlError, UsageError
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.model.site import TargetFacts
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.store import ExtractedSet
from sitekeeper.model.windows import FileToPush
from sitekeeper.site.recovery.setup_state import READS_SERVICES, READS_SITE, refuse_in_use
from sitekeeper.sql.server import dropping, statements
from sitekeeper.sql.server.attached import explain_refusal, prove_online, sort_files
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server, measure_time
from sitekeeper.windows.files.sending import Sending, predict_pushed_file, prove, refuse_taken
from sitekeeper.windows.files.work_folder import work_dir_of


class DatabaseParams(Params):
    """Which set, on which machine."""

    set: ExtractedSet
    """The set, as plain files."""
    target: TargetFacts
    """The machine, as ``site.target`` found it."""


class DatabaseIntent(Record):
    """The database and its files."""

    version: Literal[1] = 1
    on: str
    instance: str
    name: str
    run: str
    root: str
    names: tuple[str, ...]
    drive: str
    """System drive of the site server, where setup's state is."""


class Database(Module[DatabaseParams, DatabaseIntent, AttachedDatabase]):
    """Example::

    - site.database: {set: "{{ got }}", target: "{{ target }}"}
      register: made
    """

    needs = Needs(
        cmdlets={**WRITE_OUTPUT, **READS_SERVICES},
        functions=("Get-SkWorkFile", "Write-SkWorkFile", "Measure-SkWorkFile", "Remove-SkWorkFile", *READS_SITE),
        rights="write in the folder sql_work_dir; sysadmin of the SQL Server",
    )
    reversible = True

    def machines(self, params: DatabaseParams) -> tuple[str, ...]:
        return (params.target.sql_host,)

    def plan(self, ctx: Context, params: DatabaseParams) -> Plan[DatabaseIntent, AttachedDatabase]:
        got, on = params.set, params.target.sql_host
        known = got.database
        if known is None or not got.database_files:
            raise UsageError(f"{got.id} has no database")
        there = ctx.of(on)
        server, root = Server(there, known.instance), work_dir_of(there)
        if dropping.exists(server, known.name) is not None:
            raise UsageError(
                f"{on} already has a database {known.name}",
                hint="sitekeeper does not replace an existing database: detach it first if you do not need it",
            )
        names = tuple(one.name for one in got.database_files)
        refuse_taken(there, root, ctx.run_id, names)
        folder = f"{root}\\{ctx.run_id}"
        paths = tuple(f"{folder}\\{name}" for name in names)
        result = AttachedDatabase(
            changed=True,
            msg=f"{known.name} would be brought up from {got.id}",
            on=on,
            server=Unknown("site.database"),
            instance=server.instance,
            name=known.name,
            files=paths,
            bytes=sum(one.size for one in got.database_files),
        )
        return Plan(
            result=result,
            changes=(Change(f"database {known.name} on {on}", "does not exist", f"brought up from {got.id}"),),
            intent=DatabaseIntent(
                on=on,
                instance=server.instance,
                name=known.name,
                run=ctx.run_id,
                root=root,
                names=names,
                drive=params.target.drive,
            ),
        )

    def apply(
        self, ctx: Context, params: DatabaseParams, plan: Plan[DatabaseIntent, AttachedDatabase]
    ) -> AttachedDatabase:
        intent, got = plan.intended, params.set
        there = choose_context(ctx, intent)
        files = tuple(FileToPush.model_validate(one) for one in got.database_files)
        sending = Sending(ctx, there, Path(got.folder), files, root=intent.root, run=intent.run)
        for one in files:
            sending.send(one)
        prove(there, intent.root, intent.run, files)
        server = Server(there, intent.instance)
        paths = [
            one.path
            for one in sort_files(tuple(predict_pushed_file(one, f"{intent.root}\\{intent.run}") for one in files))
        ]
        try:
            _, seconds = measure_time(
                there, lambda: server.change(statements.attach(intent.name, paths), text="attaching", silent=True)
            )
        except SqlError as error:
            raise explain_refusal(error, intent.name) from None
        return prove_online(server, plan.result, sending.seconds + seconds)

    def in_place(self, ctx: Context, intent: DatabaseIntent, outcome: AttachedDatabase, generation: int) -> bool:
        return dropping.exists(Server(choose_context(ctx, intent), intent.instance), intent.name) == "ONLINE"

    def undo(self, ctx: Context, intent: DatabaseIntent, outcome: AttachedDatabase | None) -> str:
        if refuse_in_use(ctx, intent.drive, intent.run) == "done":
            return f"database {intent.name} stays: it belongs to the recovered site now"
        there = choose_context(ctx, intent)
        server = Server(there, intent.instance)
        if outcome is None:
            dropping.settle(server)
        dropped = dropping.drop(server, intent.name, intent.run, f"{intent.root}\\{intent.run}")
        there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=list(intent.names))
        return f"database {intent.name} {'dropped' if dropped else 'did not exist'}, its files deleted"
