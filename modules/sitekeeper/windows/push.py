"""Copies files of the control host into the run's folder on a host, where its SQL Server can open them; compares both ends.

After a lost connection it goes on where the host's file ends: a chunk is written at its offset and ends the file, so sending
it again gives the same file. The shell that may still be writing is deleted before we look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sitekeeper.engine.errors import (
    IntegrityError,
    UsageError,
)
from sitekeeper.engine.figures import show_duration, show_rate, show_size
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many, Size
from sitekeeper.model.windows import FileToPush, PushedFiles
from sitekeeper.windows.files.sending import Sending, predict_pushed_file, prove, refuse_taken
from sitekeeper.windows.files.work_folder import list_files, work_dir_of


class PushParams(Params):
    """Which files, from where."""

    folder: str
    """Folder of the control host."""
    files: Many[FileToPush]
    """The files: path in that folder, name on the host, size and SHA-256."""
    on: str | None = None
    """The host; default: the play's own. Its variable ``sql_work_dir`` names the folder."""
    rate: Size | None = None
    """At most this many bytes a second."""


class PushIntent(Record):
    """Where the files will be, and what they are called."""

    version: Literal[1] = 1
    on: str
    run: str
    root: str
    names: tuple[str, ...]


class Push(Module[PushParams, PushIntent, PushedFiles]):
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
        return (params.on,) if params.on is not None else ()  # one restore at a time on a server: lease and load

    def plan(self, ctx: Context, params: PushParams) -> Plan[PushIntent, PushedFiles]:
        there = choose_context(ctx, params)
        root = work_dir_of(there)
        names = [one.name for one in params.files]
        if len({name.lower() for name in names}) != len(names) or not names:
            raise UsageError(f"each file to push needs a name of its own: {', '.join(names) or 'no files were given'}")
        for one in params.files:
            found = Path(params.folder, one.file)
            if not found.is_file() or found.stat().st_size != one.size:
                raise IntegrityError(f"{found} does not exist, or its size is not {one.size} bytes")
        refuse_taken(there, root, ctx.run_id, names)
        folder = f"{root}\\{ctx.run_id}"
        return Plan(
            result=PushedFiles(
                changed=True,
                msg=f"{len(names)} files would be copied to {there.host}",
                on=there.host,
                folder=folder,
                files=tuple(predict_pushed_file(one, folder) for one in params.files),
                bytes=sum(one.size for one in params.files),
            ),
            changes=tuple(
                Change(f"{there.host} {folder}\\{one.name}", "does not exist", show_size(one.size))
                for one in params.files
            ),
            intent=PushIntent(on=there.host, run=ctx.run_id, root=root, names=tuple(names)),
        )

    def apply(self, ctx: Context, params: PushParams, plan: Plan[PushIntent, PushedFiles]) -> PushedFiles:
        intent = plan.intended
        there = choose_context(ctx, intent)
        refuse_taken(there, intent.root, intent.run, intent.names)
        sending = Sending(
            ctx, there, Path(params.folder), params.files, root=intent.root, run=intent.run, rate=params.rate
        )
        for one in params.files:
            sending.send(one)
        prove(there, intent.root, intent.run, params.files)
        result, seconds = plan.result, sending.seconds
        told = f"{len(params.files)} files, {show_size(sending.bytes)} in {show_duration(seconds)}"
        return result.model_copy(update={"seconds": seconds, "msg": f"{told} ({show_rate(sending.bytes, seconds)})"})

    def in_place(self, ctx: Context, intent: PushIntent, outcome: PushedFiles, generation: int) -> bool:
        there = choose_context(ctx, intent)
        found = list_files(there, intent.root, intent.run)
        return all(found.get(one.name) == one.size for one in outcome.files)

    def undo(self, ctx: Context, intent: PushIntent, outcome: PushedFiles | None) -> str:
        there = choose_context(ctx, intent)
        there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=intent.run, Name=list(intent.names))
        return f"copied files deleted on {there.host}"
