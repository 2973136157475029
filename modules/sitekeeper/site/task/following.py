"""Follows a run of ConfigMgr's own backup task, and proves it: service, log, status messages and files must agree.

A stopped service alone proves nothing: the task also stops after a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, LimitError, RemoteTimeoutError, RunInterruptedError
from sitekeeper.engine.figures import show_duration
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context
from sitekeeper.model.site import TaskProof
from sitekeeper.site.task import messages
from sitekeeper.sql.server import status_messages
from sitekeeper.sql.server.status_messages import StatusMessage
from sitekeeper.store.pulling import task_folder
from sitekeeper.windows.services.control import states

SERVICE = "SMS_SITE_BACKUP"
PATIENCE = 10.0
"""For so many seconds the log is read again, if the service has stopped and the log does not show the end yet."""
SILENT_MINUTES = 3
"""A task whose log has not grown for so long is still followed, and the progress says so."""


class TaskIntent(Record):
    """The state before the task was started: its proof and its undo use it."""

    version: Literal[1] = 1
    run: str
    host: str
    site: str
    drive: str
    path: str
    """Install folder, relative to its drive."""
    destination: str
    store: str
    running: tuple[str, ...]
    """The site's services, all running, in the order in which they are started."""
    timeout: float
    settle: float
    server: str
    database: str
    instance: str
    files: tuple[str, ...]
    """Names of the database's files."""
    cd_latest: bool
    log_length: int
    record: int
    """RecordID of the newest status message."""


@dataclass(slots=True)
class TaskLog:
    """The task's log since the run began."""

    ctx: Context
    intent: TaskIntent
    text: str = ""
    _at: int = field(init=False)
    _grew: float = field(init=False)

    def __post_init__(self) -> None:
        self._at = self.intent.log_length
        self._grew = self.ctx.clock.monotonic()

    def more(self) -> messages.LogExcerpt:
        """Read on to the end of the log, and return everything read so far."""
        while True:
            (row,) = self.ctx.ps.call("Read-SkTaskLog", Drive=self.intent.drive, Path=self.intent.path, Offset=self._at)
            said = str(row["Text"])
            self.text += said
            if said:
                self._grew = self.ctx.clock.monotonic()
            self._at = int(row["From"]) + len(said)
            if not said or self._at >= int(row["Length"]):
                return messages.read(self.text)

    def silence(self) -> str:
        """``; its log has not grown for 12 min``, where that is so."""
        minutes = int(self.ctx.clock.monotonic() - self._grew) // 60
        return f"; its log has not grown for {minutes} min" if minutes >= SILENT_MINUTES else ""


@dataclass(slots=True)
class ServiceWatch:
    """When the services were down, as far as it was observed."""

    down: tuple[str, float] | None = None
    up: tuple[str, float] | None = None

    def note(self, ctx: Context, *, all_running: bool) -> None:
        """Note one observation."""
        now = (ctx.clock.now().astimezone(UTC).isoformat(), ctx.clock.monotonic())
        if not all_running and self.down is None:
            self.down = now
        if all_running and self.down is not None and self.up is None:
            self.up = now


def follow(ctx: Context, intent: TaskIntent, longest: float, watch: ServiceWatch) -> TaskLog:
    """Watch the task until its service has stopped.

    Raises:
        RemoteTimeoutError: it does not finish. RunInterruptedError: the operator stopped the run.

    """
    log = TaskLog(ctx, intent)
    begun = ctx.clock.monotonic()
    while True:
        found = states(ctx, (SERVICE, *intent.running))
        watch.note(ctx, all_running=all(one.state == "Running" for one in found[1:]))
        told = log.more()
        if found[0].state == "Stopped":
            return log
        passed = ctx.clock.monotonic() - begun
        ctx.lease.take()  # renewed when half of its time is over: the task may take longer than a lease is valid
        if ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator during the site's backup task")
        if passed > longest:
            raise RemoteTimeoutError(
                f"the site's backup task did not finish within {show_duration(longest)}: its service is {found[0].state}, the last "
                f"line of its log: {told.last}{log.silence()}",
                hint="sitekeeper stops its service now; known causes: a space in the destination, or another VSS backup",
            )
        ctx.progress(
            int(passed), int(longest), "s", f"the site's backup task is running: {told.last[:60]}{log.silence()}"
        )
        ctx.clock.sleep(min(1.0, 0.1 + passed / 20), ctx.stop)


def prove_log(ctx: Context, log: TaskLog) -> messages.LogExcerpt:
    """Prove by its log that a run was good, and return the log.

    Raises:
        RemoteError, SpaceError, IntegrityError: it failed; the message has what is known about the cause.

    """
    until = ctx.clock.monotonic() + PATIENCE
    while True:
        told = log.more()
        why = messages.find_fault(told.messages)
        if not why:
            return told
        if ctx.clock.monotonic() > until or any(one in messages.FAILURES for one in told.messages):
            raise messages.build_error(told, why)
        ctx.clock.sleep(0.5, ctx.stop)


def await_messages(ctx: Context, intent: TaskIntent, longest: float) -> list[StatusMessage]:
    """Wait until the site has stored the run's status messages in its database, and return them.

    Raises:
        IntegrityError: they do not belong to one good run.

    """
    until = ctx.clock.monotonic() + longest
    while True:
        found = status_messages.since(ctx, intent.server, intent.database, intent.instance, intent.site, intent.record)
        why = messages.find_fault([one.message for one in found])
        if not why:
            return found
        if ctx.clock.monotonic() > until or any(one.message in messages.FAILURES for one in found):
            raise IntegrityError(
                f"the log of the site's backup task reports success, but the site's status messages do not: {why}",
                hint="check that the executive processes status messages: see the component status of the site in the console",
            )
        if ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator while waiting for the site's status messages")
        ctx.clock.sleep(0.5, ctx.stop)


def find_fault(ctx: Context, intent: TaskIntent) -> str:
    """Find why the current backup is not complete and good; empty if log, messages and files all agree that it is.

    The newest run counts, whoever started it: a good backup of somebody else must not be replaced by an older one.

    Raises:
        SitekeeperError: one of them cannot be read; this proves nothing about the backup.

    """
    if states(ctx, (SERVICE,))[0].state != "Stopped":
        raise LimitError("the site's backup task is still running")
    why = messages.find_fault(messages.newest(TaskLog(ctx, intent).more().messages))
    if not why:
        found = status_messages.since(ctx, intent.server, intent.database, intent.instance, intent.site, intent.record)
        why = messages.find_fault(messages.newest([one.message for one in found]))
    if not why:
        lacks = task_folder.missing(task_folder.list_files(ctx, intent.drive), intent.files, cd_latest=intent.cd_latest)
        why = f"it lacks {', '.join(lacks)}" if lacks else ""
    return why


def proof_of(intent: TaskIntent, told: Sequence[StatusMessage], watch: ServiceWatch) -> TaskProof:
    """What the manifest stores about a good run. The services were down between 5055 and 5035."""
    started = next(one for one in told if one.message == messages.STARTED)
    completed = next(one for one in told if one.message == messages.COMPLETED)
    snapshot = next((one.at for one in told if one.message == messages.SNAPSHOT), "")
    down, up = watch.down, watch.up
    return TaskProof(
        started=started.record,
        completed=completed.record,
        started_at=_iso(started.at),
        snapshot_at=_iso(snapshot),
        completed_at=_iso(completed.at),
        down_from=down[0] if down and up else "",
        up_at=up[0] if down and up else "",
        down_seconds=round(up[1] - down[1], 3) if down and up else 0.0,
        log_from=intent.log_length,
    )


def _iso(at: str) -> str:
    return datetime.fromisoformat(at).replace(tzinfo=UTC).isoformat() if at else ""
