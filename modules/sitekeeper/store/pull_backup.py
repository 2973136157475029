"""Pulls the backup that ``sql.backup`` wrote on the SQL Server's disk into the staging set, as a file beside the rest.

It is listed in the manifest and verified like every file, and never is what makes a set complete: it is of a moment after the
window, and proves that the server itself could read its whole database then. ``sql.restore`` restores it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Size
from sitekeeper.model.sql import BackupFile
from sitekeeper.model.store import PulledFiles, Staging
from sitekeeper.store.format.entry_log import EntryLog
from sitekeeper.store.format.names import make_stored_path
from sitekeeper.store.keeping.extract import BACKUPS
from sitekeeper.store.pulling.streams import Streams
from sitekeeper.store.pulling.tree import Found
from sitekeeper.windows.files.work_folder import list_files


class PullBackupParams(Params):
    """Which backup, into which set."""

    set: Staging
    """The staging set."""
    backup: BackupFile
    """The backup, as ``sql.backup`` proved it."""
    rate: Annotated[Size, Field(gt=0)] | None = None
    """At most this many bytes a second."""


class PullBackup(Module[PullBackupParams, None, PulledFiles]):
    """Example::

    - store.pull_backup: {set: "{{ set }}", backup: "{{ bak }}"}
    """

    needs = Needs(functions=("Get-SkWorkFile", "Read-SkWorkFile"), rights="read in the folder sql_work_dir")
    on_host = False
    stands_alone = True

    def plan(self, ctx: Context, params: PullBackupParams) -> Plan[None, PulledFiles]:
        change = Change(f"set {params.set.id} {_place(params.backup)}", "not there", f"{params.backup.path}")
        return Plan(
            result=PulledFiles(
                changed=True, files=1, bytes=params.backup.bytes, msg=f"{params.backup.name} would be pulled"
            ),
            changes=(change,),
        )

    def apply(self, ctx: Context, params: PullBackupParams, plan: Plan[None, PulledFiles]) -> PulledFiles:
        backup, staging = params.backup, Path(params.set.folder)
        there = ctx.of(backup.on)
        root, run, name = backup.path.rsplit("\\", 2)
        started = ctx.clock.monotonic()

        def size() -> int:
            found = list_files(there, root, run).get(name)
            if found is None:
                raise IntegrityError(f"{backup.path} is not on {backup.on} any more", host=backup.on)
            return found

        def ask(offset: int) -> Iterator[object]:
            return there.ps.stream("Read-SkWorkFile", Root=root, Run=run, Name=name, Offset=offset)

        # FILETIME of now: when a backup was written stands in itself.
        modified = int((ctx.clock.now().timestamp() + 11_644_473_600) * 10_000_000)
        found = Found("file", backup.path[2:].lstrip("\\"), size(), modified, 0)
        with closing(EntryLog(staging)) as log:
            streams = Streams(ctx, staging, log, params.rate)
            streams.total = found.size
            try:
                streams.file(found, _place(backup), f"{backup.on}:{backup.path[:3]}", ask, lambda: _same(size(), found))
            except BaseException:
                # What was not pulled whole is no part of the set, which may be published without it.
                with suppress(OSError):
                    (staging / _place(backup)).unlink(missing_ok=True)
                    log.drop(_place(backup))
                    (staging / BACKUPS).rmdir()
                raise
        seconds = ctx.clock.monotonic() - started
        return PulledFiles(
            changed=True,
            files=streams.files,
            bytes=streams.bytes,
            seconds=round(seconds, 3),
            msg=f"{name}: {streams.bytes} bytes in {seconds:.1f} s",
        )


def _place(backup: BackupFile) -> str:
    return make_stored_path(BACKUPS, f"{backup.database}.bak")


def _same(size: int, found: Found) -> None:
    if size != found.size:
        raise IntegrityError(f"{found.path} has another length than before the connection was lost")
