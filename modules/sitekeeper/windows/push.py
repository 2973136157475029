"""Puts files of the control host into the run's folder on a host, where its SQL Server can open them; equal on both ends.

A lost connection is taken up where the host's file ends: a chunk is written at its offset and ends the file, so sending it
once more comes to the same file. The shell that may still be writing is deleted before we look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from sitekeeper.engine.errors import (
    IntegrityError,
    RemoteError,
    RunInterruptedError,
    SpaceError,
    UnreachableError,
    UsageError,
)
from sitekeeper.engine.holding.leases import changed_on
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many, Size
from sitekeeper.model.windows import FileToPush, Pushed, PushedFile
from sitekeeper.windows.files.work_folder import explained, listed, work_dir_of

CHUNK = 4 * 2**20
"""Bytes a pipeline: in base64 below the 10 MB that PowerShell takes as one object (PSMaximumReceivedObjectSizeMB)."""
ATTEMPTS = 5
"""How often a chunk is tried after a lost connection."""
PAUSE = 1.0
_DISK_FULL = "IOException"


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


class Push(Module[PushParams, Pushed]):
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
    intent_type = PushIntent

    def machines(self, params: PushParams) -> tuple[str, ...]:
        return (
            (params.on,) if params.on is not None else ()
        )  # one restore at a time on a server, for its lease and its time

    def plan(self, ctx: Context, params: PushParams) -> Plan[Pushed]:
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
                changed=True, msg=f"{len(names)} files would be pushed", on=there.host, folder=folder,
                files=tuple(pushed_file(one, folder) for one in params.files), bytes=sum(one.size for one in params.files),
            ),
            changes=tuple(Change(f"{there.host} {folder}\\{one.name}", "not there", f"{one.size} bytes") for one in params.files),
            intent=PushIntent(on=there.host, run=ctx.run_id, root=root, names=tuple(names)),
            data=params,
        )  # fmt: skip

    def apply(self, ctx: Context, plan: Plan[Pushed]) -> Pushed:
        intent, params = plan.intent, plan.data
        assert isinstance(intent, PushIntent)  # noqa: S101 - the plan is our own
        there = changed_on(ctx, intent)
        refuse_taken(there, intent.root, intent.run, intent.names)
        sending = Sending(ctx, there, intent, params)
        for one in params.files:
            sending.send(one)
        prove(there, intent, params.files)
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


class Sending:
    """Files on their way to one host."""

    def __init__(self, ctx: Context, there: Context, intent: PushIntent, params: PushParams) -> None:
        self._ctx, self._there, self._intent, self._params = ctx, there, intent, params
        self._started = ctx.clock.monotonic()
        self._total = sum(one.size for one in params.files)
        self.bytes = 0

    @property
    def seconds(self) -> float:
        """Since the first byte."""
        return self._ctx.clock.monotonic() - self._started

    def send(self, one: FileToPush) -> None:
        """Send one file, and hold it against the hash that it must have."""
        digest, path = hashlib.sha256(), Path(self._params.folder, one.file)
        with path.open("rb") as file:
            offset, sent = 0, False
            while (data := file.read(CHUNK)) or not sent:
                digest.update(data)
                self._write(one.name, offset, data)
                offset, sent = offset + len(data), True
                self._pace(len(data))
        if digest.hexdigest() != one.sha256 or offset != one.size:
            raise IntegrityError(f"{path} is not what its set says (SHA-256)", hint="`sitekeeper backups verify`")

    def _write(self, name: str, offset: int, data: bytes) -> None:
        intent, there = self._intent, self._there
        for attempt in range(1, ATTEMPTS + 1):
            try:
                (length,) = there.ps.change(
                    "Write-SkWorkFile", Root=intent.root, Run=intent.run, Name=name, Offset=offset, Data=data
                )
            except UnreachableError:
                if attempt == ATTEMPTS:
                    raise
                self._ctx.clock.sleep(PAUSE, self._ctx.stop)
                if self._arrived(name, offset + len(data)):
                    return
            except RemoteError as error:
                if error.record is not None and error.record.short_id == _DISK_FULL:
                    raise SpaceError(
                        f"{there.host} has no room for {name}: {error.record.message}", host=there.host
                    ) from None
                raise explained(error, intent.root) from None
            else:
                if int(length) != offset + len(data):
                    raise IntegrityError(
                        f"{name} on {there.host} has {length} bytes after {offset + len(data)} were sent"
                    )
                return

    def _arrived(self, name: str, length: int) -> bool:
        """Whether the host's file ends where this chunk does: then it was written, and only the answer was lost."""
        return listed(self._there, self._intent.root, self._intent.run).get(name) == length

    def _pace(self, amount: int) -> None:
        ctx = self._ctx
        self.bytes += amount
        if ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator")
        ctx.progress(self.bytes, self._total, "B", "pushing")
        rate = min((one for one in (self._params.rate, ctx.rate) if one), default=None)
        ahead = self.bytes / rate - self.seconds if rate else 0.0
        if ahead > 0:
            ctx.clock.sleep(ahead, ctx.stop)


def refuse_taken(there: Context, root: str, run: str, names: Sequence[str]) -> None:
    """Refuse names that the run's folder has already.

    Raises:
        IntegrityError: it has one.

    """
    taken = {name.lower() for name in listed(there, root, run)}
    for name in names:
        if name.lower() in taken:
            raise IntegrityError(f"{root}\\{run} on {there.host} has a file {name} already", host=there.host)


def prove(there: Context, intent: PushIntent, files: Sequence[FileToPush]) -> None:
    """Read what lies on the host's disk now, and compare."""
    found: dict[str, tuple[int, str]] = {}
    for row in there.ps.stream("Measure-SkWorkFile", Root=intent.root, Run=intent.run, Name=list(intent.names)):
        if row["Sha256"]:
            found[str(row["Name"])] = (int(row["Length"]), bytes(row["Sha256"]).hex())
    for one in files:
        if found.get(one.name) != (one.size, one.sha256):
            raise IntegrityError(f"{one.name} arrived on {there.host} different from what was sent (SHA-256)")


def pushed_file(one: FileToPush, folder: str) -> PushedFile:
    """A file as it will be on the host."""
    facts: dict[str, Any] = one.model_dump(exclude={"file"})
    return PushedFile(path=f"{folder}\\{one.name}", **facts)
