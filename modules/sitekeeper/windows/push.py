"""Puts files of the control host into the run's folder on a host, where its SQL Server can open them; equal on both ends.

A lost connection is taken up where the host's file ends: a chunk is written at its offset and ends the file, so sending it
once more comes to the same file. The shell that may still be writing is deleted before we look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sitekeeper.engine.errors import (
    IntegrityError,
    UsageError,
)
from sitekeeper.engine.holding.leases import changed_on
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many, Size
from sitekeeper.model.windows import FileToPush, Pushed
from sitekeeper.windows.files.sending import Sending, prove, pushed_file, refuse_taken
from sitekeeper.windows.files.work_folder import listed, work_dir_of


class PushParams(Params):
    """Which files, from where."""

    folder: str
    """Folder of the control host."""
    files: Many[FileToPush]
    """The files: path in that folder, name on the host, size and SHA-256."""
    on: str | None = None
    """The host; the play's own when left out. It names the folder in its variable ``sql_work_dir``."""
    rate: Size | None = None
    """Bytes a second at most."""


class PushIntent(Record):
    """Where the files will be, and what they are called."""

    version: Literal[1] = 1
    on: str
    run: str
    root: str
    names: tuple[str, ...]


class Push(Module[PushParams, PushIntent, Pushed]):
    """Example::

    - windows.push: {on: "{{ scratch }}", folder: "{{ got.folder }}", files: "{{ got.database_files }}"}
      undo: play
      register: pushed
    """

    needs = Needs(
        functions=("Get-SkWorkFile", "Write-SkWorkFile", "Measure-SkWorkFile", "Remove-SkWorkFile"),
        rights="write in the folder sql_work_dir",
    )
    reversible = True

    def machines(self, params: PushParams) -> tuple[str, ...]:
        return (
            (params.on,) if params.on is not None else ()
        )  # one restore at a time on a server, for its lease and its time

    def plan(self, ctx: Context, params: PushParams) -> Plan[PushIntent, Pushed]:
        there = changed_on(ctx, params)
        root = work_dir_of(there)
        names = [one.name for one in params.files]
        if len({name.lower() for name in names}) != len(names) or not names:
            raise UsageError(f"files to push need names of their own: {', '.join(names) or 'none given'}")
        for one in params.files:
            found = Path(params.folder, one.file)
            if not found.is_file() or found.stat().st_size != one.size:
                raise IntegrityError(f"{found} is not there with {one.size} bytes")
        refuse_taken(there, root, ctx.run_id, names)
        folder = f"{root}\\{ctx.run_id}"
        return Plan(
            result=Pushed(
                changed=True,
                msg=f"{len(names)} files would be pushed",
                on=there.host,
                folder=folder,
                files=tuple(pushed_file(one, folder) for one in params.files),
                bytes=sum(one.size for one in params.files),
            ),
            changes=tuple(
                Change(f"{there.host} {folder}\\{one.name}", "not there", f"{one.size} bytes") for one in params.files
            ),
            intent=PushIntent(on=there.host, run=ctx.run_id, root=root, names=tuple(names)),
        )

    def apply(self, ctx: Context, params: PushParams, plan: Plan[PushIntent, Pushed]) -> Pushed:
        intent = plan.intended
        there = changed_on(ctx, intent)
        refuse_taken(there, intent.root, intent.run, intent.names)
        sending = Sending(
            ctx, there, Path(params.folder), params.files, root=intent.root, run=intent.run, rate=params.rate
        )
        for one in params.files:
            sending.send(one)
        prove(there, intent.root, intent.run, params.files)
        result, seconds = plan.result, sending.seconds
        rate = sending.bytes / 2**20 / seconds if seconds else 0.0
        return result.model_copy(
            update={"seconds": seconds, "msg": f"{sending.bytes} bytes in {len(params.files)} files, {rate:.1f} MiB/s"}
        )

    def in_place(self, ctx: Context, intent: PushIntent, outcome: Pushed, generation: int) -> bool:
        there = changed_on(ctx, intent)
        found = listed(there, intent.root, intent.run)
        return all(found.get(one.name) == one.size for one in outcome.files)

    def undo(self, ctx: Context, intent: PushIntent, outcome: Pushed | None) -> str:
        there = changed_on(ctx, intent)
        there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=list(intent.names))
        return f"pushed files deleted on {there.host}"
