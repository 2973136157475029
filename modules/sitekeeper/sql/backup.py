"""Writes a copy-only backup of a database to the SQL Server's own disk, and proves it in three ways; undo deletes the file.

It is additional evidence beside the snapshot, made after the offline window. A set is complete without it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, SqlError, UnreachableError, UsageError
from sitekeeper.engine.figures import show_duration, show_rate, show_size
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import BackupFile
from sitekeeper.sql.server import dropping, queries, statements
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server, measure_time
from sitekeeper.transport.sql.session import SqlOutcome
from sitekeeper.windows.files.work_folder import list_files, work_dir_of

DONE, VALID = 3014, 3262
CLAIM = "made-by-sitekeeper.txt"
"""An empty file: with it the run's folder is created."""
HINTS = {
    3201: "SQL Server's service account needs write access to sql_work_dir, and the run's folder must exist there",
    3202: "check the free space on the volume of sql_work_dir",
    1844: "this version or edition cannot compress backups: remove `compress`",
}


class BackupParams(Params):
    """Which database."""

    database: str
    """Its name."""
    compress: bool = False
    """Needs 2008 Enterprise Edition, or 2008 R2 and later Standard Edition."""
    on: str | None = None
    """The host of the SQL Server; default: the play's own. Its variable ``sql_work_dir`` names the folder."""
    instance: str | None = None
    """Its instance; default: the host's variable ``sql_instance``, or the default instance."""


class BackupIntent(Record):
    """Where the file will be."""

    version: Literal[1] = 1
    on: str
    instance: str
    database: str
    run: str
    root: str
    name: str


class Backup(Module[BackupParams, BackupIntent, BackupFile]):
    """Example::

    - sql.backup: {on: "{{ site.database.host }}", database: "{{ site.database.name }}"}
      undo: play
      register: bak
    """

    needs = Needs(
        cmdlets=WRITE_OUTPUT,
        functions=("Get-SkWorkFile", "Write-SkWorkFile", "Remove-SkWorkFile"),
        rights="BACKUP DATABASE, and read msdb",
    )
    reversible = True
    stands_alone = True

    def plan(self, ctx: Context, params: BackupParams) -> Plan[BackupIntent, BackupFile]:
        there = choose_context(ctx, params)
        server, root = Server(there, params.instance), work_dir_of(there)
        list_files(there, root, "")
        rows = server.ask(queries.FILES, params.database)
        if not rows:
            raise UsageError(
                f"database {params.database} does not exist on {there.host}, or the login cannot see it",
                host=there.host,
            )
        size = sum(int(str(row["size_bytes"])) for row in rows)
        name = f"sk_{''.join(one if one.isalnum() else '_' for one in params.database)}.bak"
        path = f"{root}\\{ctx.run_id}\\{name}"
        return Plan(
            result=BackupFile(
                changed=True,
                msg=f"a copy-only backup of {params.database} ({show_size(size)}) would be written",
                on=there.host,
                instance=server.instance,
                database=params.database,
                path=path,
                name=name,
                bytes=size,
                id=Unknown("sql.backup"),
            ),
            changes=(Change(f"{there.host} {path}", "does not exist", f"a copy-only backup of {params.database}"),),
            intent=BackupIntent(
                on=there.host, instance=server.instance, database=params.database, run=ctx.run_id, root=root, name=name
            ),
        )

    def apply(self, ctx: Context, params: BackupParams, plan: Plan[BackupIntent, BackupFile]) -> BackupFile:
        intent = plan.intended
        there = choose_context(ctx, intent)
        server, path = Server(there, intent.instance), plan.result.path
        # SQL Server creates files, but not folders.
        there.ps.change("Write-SkWorkFile", Root=intent.root, Run=intent.run, Name=CLAIM, Offset=0, Data=b"")
        sql = statements.backup(intent.database, path, f"sitekeeper {intent.run}", compressed=params.compress)
        outcome, seconds = measure_time(there, lambda: _explain_errors(lambda: server.change(sql, text="backup")))
        if not outcome.has(DONE):
            raise IntegrityError(
                f"SQL Server did not confirm that the backup of {intent.database} is complete (message 3014)",
                host=there.host,
            )
        identity = _find_in_msdb(server, intent.database, path)
        checked, verifying = measure_time(
            there,
            lambda: _explain_errors(
                lambda: server.run(server.session(), statements.verify(path), text="verifying the backup")
            ),
        )
        if not checked.has(VALID):
            raise IntegrityError(f"SQL Server did not confirm that {path} is valid (message 3262)", host=there.host)
        size = plan.result.bytes
        return plan.result.model_copy(
            update={
                "seconds": seconds,
                "verify_seconds": verifying,
                "id": identity,
                "msg": f"{intent.database}: {show_size(size)} in {show_duration(seconds)} ({show_rate(size, seconds)}), verified",
            }
        )

    def in_place(self, ctx: Context, intent: BackupIntent, outcome: BackupFile, generation: int) -> bool:
        return intent.name in list_files(choose_context(ctx, intent), intent.root, intent.run)

    def undo(self, ctx: Context, intent: BackupIntent, outcome: BackupFile | None) -> str:
        there = choose_context(ctx, intent)
        if outcome is None:
            with suppress(UnreachableError, SqlError):  # a server that is down writes nothing any more
                dropping.settle(Server(there, intent.instance))
        there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=[intent.name, CLAIM])
        return f"{intent.name} deleted on {there.host}"


def _explain_errors(work: Callable[[], SqlOutcome]) -> SqlOutcome:
    try:
        return work()
    except SqlError as error:
        error.hint = HINTS.get(error.number, error.hint)
        raise


def _find_in_msdb(server: Server, database: str, path: str) -> str:
    """Find the backup in the server's own history, over another connection: it must be a complete copy-only backup."""
    rows = server.ask(queries.BACKUP_OF_FILE, path, database="msdb")
    if rows and rows[0]["database_name"] == database and rows[0]["type"] == "D":
        row = rows[0]
        if row["copy_only"] and row["checksums"] and not row["damaged"] and row["finished"] is not None:
            return str(row["id"])
    raise IntegrityError(
        f"msdb on {server.host} does not list a complete copy-only backup of {database} in {path}", host=server.host
    )
