"""Following a run of ConfigMgr's own backup task, and proving it: service, log, status messages and files must say the same.

A stopped service alone proves nothing: the task stops after a failure just so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, LimitError, RemoteTimeoutError, RunInterruptedError
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
"""Seconds for which a log that does not yet say what the service's end says is looked at again."""
SILENT_MINUTES = 3
"""A task whose log has not grown for so long is still followed, and the progress says so."""


class TaskIntent(Record):
    """What was found before the task was started: what its proof and its undo go by."""

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
        """Read on to the log's end; what it says by now."""
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
    """When the services were down, as far as somebody looked."""

    down: tuple[str, float] | None = None
    up: tuple[str, float] | None = None

    def note(self, ctx: Context, *, all_running: bool) -> None:
        """Note one look."""
        now = (ctx.clock.now().astimezone(UTC).isoformat(), ctx.clock.monotonic())
        if not all_running and self.down is None:
            self.down = now
        if all_running and self.down is not None and self.up is None:
            self.up = now


def follow(ctx: Context, intent: TaskIntent, longest: float, watch: ServiceWatch) -> TaskLog:
    """Watch the task until its service has stopped.

    Raises:
        RemoteTimeoutError: it does not end. RunInterruptedError: the operator stopped the run.

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
        ctx.lease.take()  # renewed when half of it is over: the task may take longer than a lease holds
        if ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator while the site's backup task ran")
        if passed > longest:
            raise RemoteTimeoutError(
                f"the site's backup task did not end within {longest:.0f} s: its service is {found[0].state}, its last "
                f"line: {told.last}{log.silence()}",
                hint="its service is stopped now; a space in the destination and another VSS backup are known causes",
            )
        ctx.progress(int(passed), int(longest), "s", f"the site's backup task runs: {told.last[:60]}{log.silence()}")
        ctx.clock.sleep(min(1.0, 0.1 + passed / 20), ctx.stop)


def prove_log(ctx: Context, log: TaskLog) -> messages.LogExcerpt:
    """The whole log of a run that has ended well.

    Raises:
        RemoteError, SpaceError, IntegrityError: it did not end well; says what is known of the cause.

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
    """The run's status messages, once the site has taken them into its database.

    Raises:
        IntegrityError: they are not those of one good run.

    """
    until = ctx.clock.monotonic() + longest
    while True:
        found = status_messages.since(ctx, intent.server, intent.database, intent.instance, intent.site, intent.record)
        why = messages.find_fault([one.message for one in found])
        if not why:
            return found
        if ctx.clock.monotonic() > until or any(one.message in messages.FAILURES for one in found):
            raise IntegrityError(
                f"the log of the site's backup task says that it is good, the site's status messages do not: {why}",
                hint="does the executive process status messages? look at the component status of the site",
            )
        if ctx.stop.is_set():
            raise RunInterruptedError("stopped by the operator while the site's status messages were awaited")
        ctx.clock.sleep(0.5, ctx.stop)


def find_fault(ctx: Context, intent: TaskIntent) -> str:
    """Why the backup that lies there now is not whole and good; empty where log, messages and files all say that it is.

    The newest run counts, whoever began it: a good backup of somebody else's is no reason to put an older one in its place.

    Raises:
        SitekeeperError: one of them cannot be asked, which says nothing of the backup.

    """
    if states(ctx, (SERVICE,))[0].state != "Stopped":
        raise LimitError("the site's backup task runs")
    why = messages.find_fault(messages.newest(TaskLog(ctx, intent).more().messages))
    if not why:
        found = status_messages.since(ctx, intent.server, intent.database, intent.instance, intent.site, intent.record)
        why = messages.find_fault(messages.newest([one.message for one in found]))
    if not why:
        lacks = task_folder.missing(task_folder.listed(ctx, intent.drive), intent.files, cd_latest=intent.cd_latest)
        why = f"it lacks {', '.join(lacks)}" if lacks else ""
    return why


def proof_of(intent: TaskIntent, told: Sequence[StatusMessage], watch: ServiceWatch) -> TaskProof:
    """What the manifest keeps of a good run. The services were down within 5055 and 5035, whoever saw it."""
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
