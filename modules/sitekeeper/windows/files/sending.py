"""Sends files of the control host to a host's disk: in chunks, resumed after a lost connection, compared on both ends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import (
    IntegrityError,
    RemoteError,
    RunInterruptedError,
    SpaceError,
    UnreachableError,
)
from sitekeeper.engine.session import Context
from sitekeeper.model.windows import FileToPush, PushedFile
from sitekeeper.windows.files.work_folder import explain_refusal, list_files

CHUNK = 4 * 2**20
"""Bytes a pipeline: in base64 below the 10 MB that PowerShell takes as one object (PSMaximumReceivedObjectSizeMB)."""


ATTEMPTS = 5
"""How often a chunk is tried after a lost connection."""


PAUSE = 1.0


_DISK_FULL = "IOException"


class Sending:
    """Files on their way to one host."""

    def __init__(
        self,
        ctx: Context,
        there: Context,
        folder: Path,
        files: Sequence[FileToPush],
        *,
        root: str,
        run: str,
        rate: int | None = None,
    ) -> None:
        """Send files of ``folder`` into the folder of ``run`` below ``root`` on the host ``there``; ``rate``: bytes a second."""
        self._ctx, self._there, self._folder = ctx, there, folder
        self._root, self._run, self._rate = root, run, rate
        self._started = ctx.clock.monotonic()
        self._total = sum(one.size for one in files)
        self.bytes = 0

    @property
    def seconds(self) -> float:
        """Since the first byte."""
        return self._ctx.clock.monotonic() - self._started

    def send(self, one: FileToPush) -> None:
        """Send one file, and compare it with the hash that it must have."""
        digest, path = hashlib.sha256(), self._folder / one.file
        with path.open("rb") as file:
            offset, sent = 0, False
            while (data := file.read(CHUNK)) or not sent:
                digest.update(data)
                self._write(one.name, offset, data)
                offset, sent = offset + len(data), True
                self._pace(len(data))
        if digest.hexdigest() != one.sha256 or offset != one.size:
            raise IntegrityError(
                f"{path} differs from its set's manifest (SHA-256)",
                hint="the file is damaged: check the set with `sitekeeper backups verify`",
            )

    def _write(self, name: str, offset: int, data: bytes) -> None:
        there = self._there
        for attempt in range(1, ATTEMPTS + 1):
            try:
                (length,) = there.ps.change(
                    "Write-SkWorkFile", Root=self._root, Run=self._run, Name=name, Offset=offset, Data=data
                )
            except UnreachableError:
                if attempt == ATTEMPTS:
                    raise
                self._ctx.clock.sleep(PAUSE, self._ctx.stop)
                if self._has_arrived(name, offset + len(data)):
                    return
            except RemoteError as error:
                if error.record is not None and error.record.short_id == _DISK_FULL:
                    raise SpaceError(
                        f"{there.host} has no room for {name} in {self._root}: {error.record.message}", host=there.host
                    ) from None
                raise explain_refusal(error, self._root) from None
            else:
                if int(length) != offset + len(data):
                    raise IntegrityError(
                        f"{name} on {there.host} has {length} bytes, but {offset + len(data)} were sent"
                    )
                return

    def _has_arrived(self, name: str, length: int) -> bool:
        """Whether the host's file ends where this chunk ends: then it was written, and only the reply was lost."""
        return list_files(self._there, self._root, self._run).get(name) == length

    def _pace(self, amount: int) -> None:
        ctx = self._ctx
        self.bytes += amount
        if ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator")
        ctx.progress(self.bytes, self._total, "B", "pushing")
        rate = min((one for one in (self._rate, ctx.rate) if one), default=None)
        ahead = self.bytes / rate - self.seconds if rate else 0.0
        if ahead > 0:
            ctx.clock.sleep(ahead, ctx.stop)


def refuse_taken(there: Context, root: str, run: str, names: Sequence[str]) -> None:
    """Refuse names that exist in the run's folder already.

    Raises:
        IntegrityError: one exists.

    """
    taken = {name.lower() for name in list_files(there, root, run)}
    for name in names:
        if name.lower() in taken:
            raise IntegrityError(f"{root}\\{run} on {there.host} already has a file {name}", host=there.host)


def prove(there: Context, root: str, run: str, files: Sequence[FileToPush]) -> None:
    """Read the files on the host's disk again, and compare.

    Raises:
        IntegrityError: one differs.

    """
    found: dict[str, tuple[int, str]] = {}
    for row in there.ps.stream("Measure-SkWorkFile", Root=root, Run=run, Name=[one.name for one in files]):
        if row["Sha256"]:
            found[str(row["Name"])] = (int(row["Length"]), bytes(row["Sha256"]).hex())
    for one in files:
        if found.get(one.name) != (one.size, one.sha256):
            raise IntegrityError(
                f"{root}\\{run}\\{one.name} on {there.host} differs from the file that was sent (SHA-256)"
            )


def predict_pushed_file(one: FileToPush, folder: str) -> PushedFile:
    """A file as it will be on the host."""
    facts: dict[str, Any] = one.model_dump(exclude={"file"})
    return PushedFile(path=f"{folder}\\{one.name}", **facts)
