"""Attaches pushed copies of a site's database files under a name with this run's mark; undo drops it with its files.

The server checks only boot page and log: ``sql.checkdb`` finds a torn page. An attach leaves TRUSTWORTHY and the
Service Broker off (Microsoft: ALTER DATABASE SET options), and a newer server upgrades the files permanently: they are copies.
"""

from __future__ import annotations

from sitekeeper.engine.errors import SqlError, UsageError
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.windows import PushedFile
from sitekeeper.sql.server import dropping, mark, statements
from sitekeeper.sql.server.attached import PushedDatabase, explain_refusal, prove_online, sort_files, undo_database
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server, measure_time
from sitekeeper.windows.files.work_folder import work_dir_of


class AttachParams(Params):
    """Which files, under which name."""

    name: str
    """``sk_<site code>_<run id>``; anything else is refused."""
    files: Many[PushedFile]
    """The pushed files, the primary data file first; they are deleted with the database."""
    on: str | None = None
    """The host; default: the play's own."""


class AttachIntent(PushedDatabase):
    """The name of the database, and its files, which are deleted with it."""


class Attach(Module[AttachParams, AttachIntent, AttachedDatabase]):
    """Example::

    - sql.attach: {on: "{{ scratch }}", name: "sk_{{ site_code }}_{{ run.id }}", files: "{{ pushed.files }}"}
      undo: play
      register: attached
    """

    needs = Needs(
        cmdlets=WRITE_OUTPUT,
        functions=("Remove-SkWorkFile",),
        rights="sysadmin of the SQL Server",
    )
    reversible = True

    def plan(self, ctx: Context, params: AttachParams) -> Plan[AttachIntent, AttachedDatabase]:
        there = choose_context(ctx, params)
        mark.refuse_foreign(params.name, ctx.run_id)
        server, root = Server(there), work_dir_of(there)
        folder = f"{root}\\{ctx.run_id}\\".lower()
        for one in params.files:
            if not one.path.lower().startswith(folder) or one.path.lower() != folder + one.name.lower():
                raise UsageError(f"{one.path} is not a file that this run copied to {there.host}", host=there.host)
        if dropping.exists(server, params.name) is not None:
            raise UsageError(f"{there.host} already has a database {params.name}", host=there.host)
        paths = tuple(one.path for one in sort_files(params.files))
        return Plan(
            result=AttachedDatabase(
                changed=True,
                msg=f"{len(paths)} files would be attached",
                on=there.host,
                server=Unknown("sql.attach"),
                instance=server.instance,
                name=params.name,
                files=paths,
                bytes=sum(one.size for one in params.files),
            ),
            changes=(
                Change(f"database {params.name} on {there.host}", "does not exist", f"{len(paths)} files attached"),
            ),
            intent=AttachIntent(
                on=there.host, instance=server.instance, name=params.name, run=ctx.run_id, root=root, files=paths
            ),
        )

    def apply(self, ctx: Context, params: AttachParams, plan: Plan[AttachIntent, AttachedDatabase]) -> AttachedDatabase:
        intent = plan.intended
        server = Server(choose_context(ctx, intent), intent.instance)
        sql = statements.attach(intent.name, intent.files)
        try:
            _, seconds = measure_time(server.there, lambda: server.change(sql, text="attaching", silent=True))
        except SqlError as error:
            raise explain_refusal(error, intent.name) from None
        return prove_online(server, plan.result, seconds)

    def in_place(self, ctx: Context, intent: AttachIntent, outcome: AttachedDatabase, generation: int) -> bool:
        return dropping.exists(Server(choose_context(ctx, intent), intent.instance), intent.name) == "ONLINE"

    def undo(self, ctx: Context, intent: AttachIntent, outcome: AttachedDatabase | None) -> str:
        return undo_database(choose_context(ctx, intent), intent, made=outcome is not None)
