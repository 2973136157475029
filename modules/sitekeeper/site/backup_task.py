"""Runs ConfigMgr's own backup task, and keeps the backup that was there before until the new one is safe.

The task deletes the previous ``<code>Backup`` before it knows whether the new one will be good. So that is renamed first, in its own
folder; at the play's end (``undo: play``) it goes when this run's set is in the store, comes back when the new one is not proven good,
and stays beside a good new one that never reached the store: the next run whose set does takes it away.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import (
    IntegrityError,
    LimitError,
    PreflightError,
    RemoteError,
    SitekeeperError,
    SpaceError,
    UndoError,
    UnreachableError,
    UsageError,
)
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Covers, Plan, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration
from sitekeeper.model.site import SiteFacts, TaskProof, TaskRun
from sitekeeper.model.store import Staging
from sitekeeper.model.windows import ServiceState
from sitekeeper.site.task import following
from sitekeeper.site.task.destination import destination_of
from sitekeeper.site.task.following import SERVICE, ServiceWatch, TaskIntent
from sitekeeper.sql.server import status_messages
from sitekeeper.store.format import catalogue, store_folder
from sitekeeper.store.pulling import task_folder
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.services.control import RETURN_CODES, start_all, states, stop_one

RUNS_ALREADY = 10
"""ReturnValue of Win32_Service.StartService (Microsoft Learn)."""
DELETING = 3600.0
"""Seconds that the deletion of a whole backup may take."""
REFUSALS = {
    "SkTaskRuns": "somebody else, or its schedule, has just started the task: wait for its end; then run again",
    "SkNoDestination": "the destination is not there any more, or the site control names another by now",
    "SkInvalidDestination": "the site control names another destination by now",
    "SkLinkInPath": "the destination, or the backup in it, is a link: name the folder itself in the task's properties",
}
"""Of ``Save-SkTaskBackup``: the word that it throws, and what to do."""


class TaskParams(Params):
    """Which site, and how long what may take."""

    site: SiteFacts
    """The site."""
    set: Staging
    """The staging set, opened before: with it the play has the machines for itself."""
    longest: Duration = timedelta(hours=4)
    """How long the task may run; then its service is stopped, and the previous backup put back."""
    reported: Duration = timedelta(minutes=15)
    """How long the site may take until its status messages are in its database."""
    settle: Duration = timedelta(seconds=10)
    """How long the site's services must keep running afterwards."""
    undo_timeout: Duration = timedelta(minutes=30)
    """How long one service may take to start or stop."""


class BackupTask(Module[TaskParams, TaskIntent, TaskRun]):
    """Example::

    - site.backup_task: {site: "{{ site }}", set: "{{ set }}"}
      undo: play
      register: task
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading("Win32_Service", "Win32_Volume"),
            "Invoke-WmiMethod": {
                "Path": r"Win32_Service\.Name='[^']+'",
                "Name": ("StopService", "StartService", "ResumeService"),
            },
        },
        functions=(
            "Get-SkBackupTask",
            "Get-SkTaskMark",
            "Save-SkTaskBackup",
            "Start-SkBackupTask",
            "Complete-SkTaskBackup",
            "Read-SkTaskLog",
            "Read-SkTaskControl",
            "Get-SkTree",
            "Measure-SkInbox",
            "Remove-SkFolder",
        ),
        rights="start and stop the services, write in the task's destination, read the site through the SMS Provider; "
        "select from v_StatusMessage",
    )
    reversible = True

    def plan(self, ctx: Context, params: TaskParams) -> Plan[TaskIntent, TaskRun]:
        site = params.site
        if site.database is None or site.database_machine is not None:
            raise PreflightError(
                f"{site.code} has its database on a host of its own, or none: its backup task is not collected yet",
                hint="back it up with playbooks/backup.yml",
            )
        found = states(ctx, (SERVICE, *site.services_to_stop))
        _refuse(found)
        destination, same_volume = destination_of(ctx, site)
        (log,) = ctx.ps.call("Read-SkTaskLog", Drive=site.drive, Path=site.install_path, Offset=-1)
        database = site.database
        intent = TaskIntent(
            run=ctx.run_id,
            host=ctx.host,
            site=site.code,
            drive=site.drive,
            path=site.install_path,
            destination=destination,
            store=params.set.store,
            running=site.services_to_stop,
            timeout=params.undo_timeout.total_seconds(),
            settle=params.settle.total_seconds(),
            server=database.server,
            database=database.name,
            instance=database.instance,
            files=tuple(file.path.rpartition("\\")[2] for file in database.files),
            cd_latest=task_folder.needs_cd_latest(site),
            log_length=int(log["Length"]),
            record=status_messages.newest(ctx, database.server, database.name, database.instance, site.code),
        )
        told = "its backup task would run" + ("; warning: it writes to a volume of the site" if same_volume else "")
        unknown = Unknown("site.backup_task")
        result = TaskRun(
            changed=True,
            msg=told,
            partial="",
            site=site.code,
            host=ctx.host,
            drive=site.drive,
            destination=destination,
            previous=False,
            listing=unknown,
            files=unknown,
            bytes=unknown,
            proof=TaskProof(same_volume=same_volume),
        )
        changes = (
            Change(f"{destination}\\{site.code}Backup", "the previous backup", "put aside, and a new one"),
            *(Change(f"service {one.name}", one.state, "stopped and started by the task") for one in found[1:]),
            Change(f"service {SERVICE}", found[0].state, "started; it stops by itself"),
        )
        return Plan(result=result, changes=changes, intent=intent)

    def covers(self, intent: TaskIntent) -> Covers:
        """The task starts the services by itself; if it does not, and nobody hears from us, the guard does."""
        return Covers(services=intent.running)

    def apply(self, ctx: Context, params: TaskParams, plan: Plan[TaskIntent, TaskRun]) -> TaskRun:
        intent = plan.intended
        same_volume = plan.result.proof.same_volume
        begun = ctx.clock.monotonic()
        (control,) = ctx.ps.call("Read-SkTaskControl", Drive=intent.drive, Path=intent.path)
        mark = _put_aside(ctx, intent)
        if str(mark["Destination"]).lower() != intent.destination.lower():
            raise IntegrityError(
                f"the destination of the backup task was changed meanwhile: {mark['Destination']} instead of {intent.destination}"
            )
        _start(ctx, intent)
        watch = ServiceWatch()
        try:
            log = following.follow(ctx, intent, params.longest.total_seconds(), watch)
            following.prove_log(ctx, log)
        except SitekeeperError as error:
            _put_back(ctx, intent, error)
            raise
        left = _services_up(ctx, intent)
        watch.note(ctx, all_running=True)
        told = following.await_messages(ctx, intent, params.reported.total_seconds())
        found = task_folder.listed(ctx, intent.drive)
        lacks = task_folder.missing(found, intent.files, cd_latest=intent.cd_latest)
        if lacks:
            raise IntegrityError(
                f"the site's backup task says that it is good, and its backup lacks {', '.join(lacks)}",
                hint="AfterBackup.bat may move or change it" if control["After"] else "was smsbkup.ctl changed?",
            )
        files = [one for one in found if one.kind == "file"]
        proof = following.proof_of(intent, told, watch).model_copy(
            update={
                "control": str(control["Control"]),
                "after": str(control["After"]),
                "same_volume": same_volume,
                "started_by_us": left,
            }
        )
        size = sum(one.size for one in files)
        notes = [f"{len(files)} files, {size} bytes in {ctx.clock.monotonic() - begun:.0f} s"]
        notes += ["warning: it writes to a volume of the site"] if same_volume else []
        notes += [f"warning: it left {', '.join(left)} stopped: started by us"] if left else []
        return TaskRun(
            changed=True,
            site=intent.site,
            host=ctx.host,
            drive=intent.drive,
            destination=intent.destination,
            previous=bool(mark["HasArchive"]),
            listing=task_folder.digest(found),
            files=len(files),
            bytes=size,
            proof=proof,
            msg="; ".join(notes),
        )

    def in_place(self, ctx: Context, intent: TaskIntent, outcome: TaskRun, generation: int) -> bool:
        if _find_published(intent):
            return True
        if _mark(ctx, intent) is None or following.find_fault(ctx, intent):
            return False
        return task_folder.digest(task_folder.listed(ctx, intent.drive)) == str(outcome.listing)

    def undo(self, ctx: Context, intent: TaskIntent, outcome: TaskRun | None) -> str:
        mark = _mark(ctx, intent)
        if mark is None:
            return "nothing was put aside"
        _await_end(ctx, intent, mark)
        _services_up(ctx, intent)
        said = _settle_backups(ctx, intent)
        ctx.ps.change("Remove-SkFolder", Drive=intent.drive, Run=intent.run, Name="task")
        return said


def _refuse(found: tuple[ServiceState, ...]) -> None:
    """Refuse a site whose task runs already, cannot run, or whose services do not run."""
    task, *site = found
    if task.state != "Stopped":
        raise PreflightError(
            f"the site's backup task runs already ({SERVICE} is {task.state}): somebody else, or its schedule, started it",
            hint="wait for its end; then run again, at another time than its schedule's",
        )
    if task.start_mode == "Disabled":
        raise PreflightError(f"{SERVICE} is disabled: the site's backup task cannot be started")
    down = [one.name for one in site if one.state != "Running"]
    if down:
        raise PreflightError(
            f"{', '.join(down)} does not run: the site's backup task would be of a site that is not well"
        )


def _put_aside(ctx: Context, intent: TaskIntent) -> dict[str, Any]:
    """The previous backup under this run's name; answers the mark."""
    try:
        (mark,) = ctx.ps.change("Save-SkTaskBackup", Drive=intent.drive, Run=intent.run, Site=intent.site)
    except RemoteError as error:
        word = error.record.message if error.record is not None else ""
        hint = REFUSALS.get(
            word, "does something hold files of the previous backup open? (a share, a scanner, a backup program)"
        )
        raise RemoteError(
            f"the previous backup in {intent.destination} cannot be put aside, so the task was not started: {error.message}",
            record=error.record,
            hint=hint,
        ) from None
    return dict(mark)


def _start(ctx: Context, intent: TaskIntent) -> None:
    (row,) = ctx.ps.change("Start-SkBackupTask", Drive=intent.drive, Run=intent.run)
    code = int(row["Code"])
    if code == RUNS_ALREADY:
        raise LimitError(
            "the site's backup task was started by somebody else at the same moment",
            hint="wait for its end; then run again",
        )
    if code != 0:
        raise RemoteError(f"{SERVICE} cannot be started: {RETURN_CODES.get(code, f'code {code}')}")


def _mark(ctx: Context, intent: TaskIntent) -> dict[str, Any] | None:
    rows = ctx.ps.call("Get-SkTaskMark", Drive=intent.drive, Run=intent.run)
    return dict(rows[0]) if rows else None


def _put_back(ctx: Context, intent: TaskIntent, error: SitekeeperError) -> None:
    """At once, not only at the play's end: no task of ours that still runs, and the site's services up."""
    try:
        mark = _mark(ctx, intent)
        if mark is not None:
            _await_end(ctx, intent, mark)
        _services_up(ctx, intent)
    except SitekeeperError as second:
        error.hint = f"{error.hint or ''} (the site could not be put back at once: {second.message}; it is tried again)"


def _await_end(ctx: Context, intent: TaskIntent, mark: dict[str, Any]) -> None:
    """No run of the task goes on: ours is stopped (Microsoft: stop and start the service to retry), another's is awaited."""
    until = ctx.clock.monotonic() + intent.timeout
    while True:
        (found,) = states(ctx, (SERVICE,))
        if found.state == "Stopped":
            return
        if found.pid and found.pid == int(mark["Started"]):
            stop_one(ctx, SERVICE, intent.timeout)
            return
        if ctx.clock.monotonic() > until:
            raise UndoError(
                f"a run of the site's backup task that is not ours goes on ({SERVICE} is {found.state}): the previous backup "
                f"stays where it was put, {mark['Archive']}",
                hint="when it has ended: `sitekeeper rollback`",
            )
        ctx.progress(
            int(intent.timeout - (until - ctx.clock.monotonic())),
            int(intent.timeout),
            "s",
            "another's backup task runs",
        )
        ctx.lease.take()
        ctx.clock.sleep(1.0)


def _services_up(ctx: Context, intent: TaskIntent) -> tuple[str, ...]:
    """The site's services run and have settled; answers those that the task had left stopped."""
    left: tuple[str, ...] = ()
    until = ctx.clock.monotonic() + 5.0  # those that the task has just started are on their way
    while True:
        left = tuple(one.name for one in states(ctx, intent.running) if one.state == "Stopped")
        if not left or ctx.clock.monotonic() > until:
            break
        ctx.clock.sleep(0.25)
    start_all(ctx, intent.running, intent.timeout, intent.settle, intent.drive, intent.path)
    return left


def _settle_backups(ctx: Context, intent: TaskIntent) -> str:
    """What becomes of the backup that was put aside."""
    mark = _mark(ctx, intent)
    if mark is not None and not mark["HasRoot"]:
        raise UndoError(
            f"{mark['Destination']} is not there: the previous backup lies in it, as {mark['Archive']}",
            hint="when it is there again: `sitekeeper rollback`",
        )
    if mark is None or not (mark["HasArchive"] or mark["HasRejected"]):
        return "no previous backup is put aside"
    keep, said = "previous", "the previous backup is back in its place"
    if mark["HasArchive"] and mark["HasFolder"]:
        published, why = _judge(ctx, intent, mark)
        if not published and not why:
            return f"the new backup is good and stays, though not in the store; the previous one stays beside it: {mark['Archive']}"
        keep = "new" if published else "previous"
        said = f"the previous backup went: {published} is in the store" if published else f"{said}: {why}"
    ctx.ps.change("Complete-SkTaskBackup", Drive=intent.drive, Run=intent.run, Keep=keep, deadline=DELETING)
    return said


def _judge(ctx: Context, intent: TaskIntent, mark: dict[str, Any]) -> tuple[str, str]:
    """The id of this run's set in the store, or why the new backup is not good; neither where it is good and not in the store.

    Raises:
        UndoError: what would tell cannot be asked, which is no reason to delete either of the two.

    """
    try:
        try:
            published = _find_published(intent)
        except SpaceError as gone:
            if following.find_fault(ctx, intent):
                raise gone from None
            return "", ""
        return published, "" if published else following.find_fault(ctx, intent)
    except UnreachableError:
        raise  # asked once more
    except SitekeeperError as error:
        raise UndoError(
            f"it cannot be told whether the new backup is good ({error.message}): it stays, and the previous one beside it: "
            f"{mark['Archive']}",
            hint="when it can be asked again: `sitekeeper rollback`; or delete the one that is not wanted, and then the same",
        ) from None


def _find_published(intent: TaskIntent) -> str:
    """The id of the set that this run put into the store; empty where there is none.

    A damaged set says nothing of any other, and what a sealed one is of needs no key.

    Raises:
        SpaceError: the store cannot be read.

    """
    store = store_folder.Folder(Path(intent.store))
    try:
        if not store.begun():
            raise SpaceError(f"the store {store.root} is not there", hint="is it mounted?")
        for _, found in catalogue.of(store, intent.site):
            if isinstance(found, catalogue.Kept) and found.kind == "task" and found.run == intent.run:
                return found.id
    except OSError as error:
        raise store_folder.store_error(error, store.root) from None
    except UsageError as error:
        raise SpaceError(error.message, hint=error.hint) from None
    return ""
