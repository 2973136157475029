"""Restores a pushed backup under a name with this run's mark, into the run's own folder; undo drops it with its files."""

from __future__ import annotations

from collections.abc import Mapping

from sitekeeper.engine.errors import IntegrityError, SqlError, UsageError
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.windows import PushedFile
from sitekeeper.sql.server import dropping, mark, statements
from sitekeeper.sql.server.attached import PushedDatabase, prove_online, undo_database
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server, measure_time
from sitekeeper.windows.files.work_folder import work_dir_of

DONE = 3014
NO_BACKUP = frozenset({3183, 3187, 3189, 3203, 3241})
"""The file is not a backup, is damaged or cut off, or has no checksums."""
UNREAD = 3203
"""A read failed: the file may be cut off, or the server's disk may be broken."""
HINTS = {
    3169: "use a scratch server of the set's own version or a newer one",
    3201: "SQL Server's service account needs read access to sql_work_dir",
    3257: "the restored database is larger than its backup: free more space",
}
_WHOLE = 1
"""BackupType of HEADERONLY: a complete database."""


class RestoreParams(Params):
    """Which backup, under which name."""

    name: str
    """``sk_<site code>_<run id>``; anything else is refused."""
    backup: PushedFile
    """The backup file, pushed by this run."""
    on: str | None = None
    """The host; default: the play's own."""


class RestoreIntent(PushedDatabase):
    """As for an attach: name and files."""

    backup: str
    moves: Mapping[str, str]
    """Logical name to path."""


class Restore(Module[RestoreParams, RestoreIntent, AttachedDatabase]):
    """Example::

    - sql.restore: {on: "{{ scratch }}", name: "sk_{{ site_code }}_{{ run.id }}", backup: "{{ pushed.files[0] }}"}
      undo: play
      register: restored
    """

    needs = Needs(
        cmdlets=WRITE_OUTPUT,
        functions=("Remove-SkWorkFile",),
        rights="sysadmin of the SQL Server",
    )
    reversible = True

    def plan(self, ctx: Context, params: RestoreParams) -> Plan[RestoreIntent, AttachedDatabase]:
        there = choose_context(ctx, params)
        mark.refuse_foreign(params.name, ctx.run_id)
        server, root = Server(there), work_dir_of(there)
        folder, path = f"{root}\\{ctx.run_id}", params.backup.path
        if path.lower() != f"{folder}\\{params.backup.name}".lower():
            raise UsageError(f"{path} is not a file that this run copied to {there.host}", host=there.host)
        if dropping.exists(server, params.name) is not None:
            raise UsageError(f"{there.host} already has a database {params.name}", host=there.host)
        _refuse_incomplete(server, path)
        try:
            files = server.ask(statements.file_list(path))
        except SqlError as error:
            raise explain_error(error, path) from None
        moves = {str(row["LogicalName"]): f"{folder}\\{params.name}_{row['FileId']}.{_ending(row)}" for row in files}
        size = sum(int(str(row["Size"])) for row in files)
        return Plan(
            result=AttachedDatabase(
                changed=True,
                msg=f"{len(moves)} files would be restored",
                on=there.host,
                server=Unknown("sql.restore"),
                instance=server.instance,
                name=params.name,
                files=tuple(moves.values()),
                bytes=size,
                source="backup",
            ),
            changes=(
                Change(
                    f"database {params.name} on {there.host}", "does not exist", f"restored from {params.backup.name}"
                ),
            ),
            intent=RestoreIntent(
                on=there.host,
                instance=server.instance,
                name=params.name,
                run=ctx.run_id,
                root=root,
                files=tuple(moves.values()),
                backup=path,
                moves=moves,
            ),
        )

    def apply(
        self, ctx: Context, params: RestoreParams, plan: Plan[RestoreIntent, AttachedDatabase]
    ) -> AttachedDatabase:
        intent = plan.intended
        server = Server(choose_context(ctx, intent), intent.instance)
        sql = statements.restore(intent.name, intent.backup, intent.moves)
        try:
            outcome, seconds = measure_time(server.there, lambda: server.change(sql, text="restoring", silent=True))
        except SqlError as error:
            raise explain_error(error, intent.backup) from None
        if not outcome.has(DONE):
            raise IntegrityError(
                f"SQL Server did not confirm that {intent.name} is restored (message 3014)", host=server.host
            )
        return prove_online(server, plan.result, seconds)

    def in_place(self, ctx: Context, intent: RestoreIntent, outcome: AttachedDatabase, generation: int) -> bool:
        return dropping.exists(Server(choose_context(ctx, intent), intent.instance), intent.name) == "ONLINE"

    def undo(self, ctx: Context, intent: RestoreIntent, outcome: AttachedDatabase | None) -> str:
        return undo_database(choose_context(ctx, intent), intent, made=outcome is not None)


def explain_error(error: SqlError, path: str) -> SqlError | IntegrityError:
    """Explain why the server does not restore it."""
    if error.number in NO_BACKUP:
        damaged = IntegrityError(
            f"{path} is not a complete backup: {error.message}",
            host=error.host,
            hint="this backup cannot be restored; try to attach the set's own database files instead",
        )
        damaged.blames = "" if error.number == UNREAD else "set"
        return damaged
    error.hint = HINTS.get(error.number, error.hint)
    return error


def _refuse_incomplete(server: Server, path: str) -> None:
    try:
        rows = server.ask(statements.header(path))
    except SqlError as error:
        raise explain_error(error, path) from None
    if len(rows) != 1 or rows[0]["BackupType"] != _WHOLE or not rows[0]["HasBackupChecksums"] or rows[0]["IsDamaged"]:
        other = IntegrityError(
            f"{path} is not exactly one complete database backup with checksums",
            host=server.host,
            hint="sql.backup writes such a file, with COPY_ONLY, CHECKSUM, INIT, FORMAT",
        )
        other.blames = "set"
        raise other


def _ending(row: Mapping[str, object]) -> str:
    return {"L": "ldf", "D": "mdf" if str(row["FileId"]) == "1" else "ndf"}.get(str(row["Type"]), "dat")
