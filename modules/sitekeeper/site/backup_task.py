"""Runs ConfigMgr's own backup task, and keeps the backup that was there before until the new one is safe.

The task deletes the previous ``<code>Backup`` before it knows whether the new one will be good. So that is renamed first, in its own
folder. At the play's end (``undo: play``) it is deleted if this run's set is in the store, and put back if the new one is not
proved good. It stays beside a good new one that did not reach the store; the next run with a set in the store deletes it.
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
from sitekeeper.engine.figures import show_duration, show_size
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
    "SkTaskRuns": "somebody else, or its schedule, has just started the task: wait until it has finished, then run again",
    "SkNoDestination": "the destination does not exist any more, or was changed in the site control: run again",
    "SkInvalidDestination": "the destination was changed in the site control: run again",
    "SkLinkInPath": "the destination, or the backup in it, is a link: enter the folder itself in the task's properties",
}
"""Errors of ``Save-SkTaskBackup``, and what to do."""


class TaskParams(Params):
    """Which site, and the time limits."""

    site: SiteFacts
    """The site."""
    set: Staging
    """The staging set, opened before: with it this play alone uses the machines."""
    longest: Duration = timedelta(hours=4)
    """How long the task may run. Then its service is stopped, and the previous backup is put back."""
    reported: Duration = timedelta(minutes=15)
    """How long the site may take to store its status messages in its database."""
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
                f"{site.code} has its database on another host, or no database: sitekeeper cannot collect its backup task's backup",
                hint="use playbooks/backup.yml for this site",
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
        told = f"the backup task of {site.code} would run" + (
            "; warning: it writes to a volume of the site" if same_volume else ""
        )
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
            Change(f"{destination}\\{site.code}Backup", "the previous backup", "put aside, and a new backup written"),
            *(Change(f"service {one.name}", one.state, "stopped and started by the task") for one in found[1:]),
            Change(f"service {SERVICE}", found[0].state, "started; stops by itself"),
        )
        return Plan(result=result, changes=changes, intent=intent)

    def covers(self, intent: TaskIntent) -> Covers:
        """The task starts the services by itself. If it does not, and our beats stop, the guard does."""
        return Covers(services=intent.running)

    def apply(self, ctx: Context, params: TaskParams, plan: Plan[TaskIntent, TaskRun]) -> TaskRun:
        intent = plan.intended
        same_volume = plan.result.proof.same_volume
        begun = ctx.clock.monotonic()
        (control,) = ctx.ps.call("Read-SkTaskControl", Drive=intent.drive, Path=intent.path)
        mark = _put_aside(ctx, intent)
        if str(mark["Destination"]).lower() != intent.destination.lower():
            raise IntegrityError(
                f"the destination of the backup task was changed meanwhile: now {mark['Destination']}, before {intent.destination}"
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
        found = task_folder.list_files(ctx, intent.drive)
        lacks = task_folder.missing(found, intent.files, cd_latest=intent.cd_latest)
        if lacks:
            raise IntegrityError(
                f"the site's backup task reports success, but its backup lacks {', '.join(lacks)}",
                hint="check whether AfterBackup.bat moves or changes it"
                if control["After"]
                else "check whether smsbkup.ctl was changed",
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
        notes = [f"{len(files)} files, {show_size(size)} in {show_duration(ctx.clock.monotonic() - begun)}"]
        notes += ["warning: it writes to a volume of the site"] if same_volume else []
        notes += [f"warning: it left {', '.join(left)} stopped; sitekeeper started them"] if left else []
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
        return task_folder.digest(task_folder.list_files(ctx, intent.drive)) == str(outcome.listing)

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
            f"the site's backup task is already running ({SERVICE} is {task.state}): somebody else, or its schedule, started it",
            hint="wait until it has finished, then run again, at another time than its schedule",
        )
    if task.start_mode == "Disabled":
        raise PreflightError(
            f"{SERVICE} is disabled: the site's backup task cannot be started", hint="set its start mode to Manual"
        )
    down = [one.name for one in site if one.state != "Running"]
    if down:
        raise PreflightError(
            f"these services of the site do not run: {', '.join(down)}; a backup now would be of a damaged site",
            hint="start them, or repair the site first",
        )


def _put_aside(ctx: Context, intent: TaskIntent) -> dict[str, Any]:
    """Rename the previous backup to this run's name; return the mark."""
    try:
        (mark,) = ctx.ps.change("Save-SkTaskBackup", Drive=intent.drive, Run=intent.run, Site=intent.site)
    except RemoteError as error:
        word = error.record.message if error.record is not None else ""
        hint = REFUSALS.get(
            word,
            "find the program that has files of the previous backup open (a share, a virus scanner, a backup program)",
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
            "somebody else started the site's backup task at the same moment",
            hint="wait until it has finished, then run again",
        )
    if code != 0:
        raise RemoteError(f"{SERVICE} cannot be started: {RETURN_CODES.get(code, f'code {code}')}")


def _mark(ctx: Context, intent: TaskIntent) -> dict[str, Any] | None:
    rows = ctx.ps.call("Get-SkTaskMark", Drive=intent.drive, Run=intent.run)
    return dict(rows[0]) if rows else None


def _put_back(ctx: Context, intent: TaskIntent, error: SitekeeperError) -> None:
    """Restore at once, before the play's end: stop our task if it still runs, and start the site's services."""
    try:
        mark = _mark(ctx, intent)
        if mark is not None:
            _await_end(ctx, intent, mark)
        _services_up(ctx, intent)
    except SitekeeperError as second:
        error.hint = (
            f"{error.hint or ''} (the services could not be started at once: {second.message}; the undo tries again)"
        )


def _await_end(ctx: Context, intent: TaskIntent, mark: dict[str, Any]) -> None:
    """Make sure that no run of the task continues: stop ours (Microsoft: stop and start the service to retry), wait for others."""
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
                f"another run of the site's backup task is still running ({SERVICE} is {found.state}): the previous backup "
                f"stays in {mark['Archive']}",
                hint=f"wait until it has finished, then run `sitekeeper rollback {intent.run}`",
            )
        ctx.progress(
            int(intent.timeout - (until - ctx.clock.monotonic())),
            int(intent.timeout),
            "s",
            "waiting for another run of the backup task",
        )
        ctx.lease.take()
        ctx.clock.sleep(1.0)


def _services_up(ctx: Context, intent: TaskIntent) -> tuple[str, ...]:
    """Wait until the site's services run and have settled; return those that the task left stopped."""
    left: tuple[str, ...] = ()
    until = ctx.clock.monotonic() + 5.0  # those that the task has just started are still starting
    while True:
        left = tuple(one.name for one in states(ctx, intent.running) if one.state == "Stopped")
        if not left or ctx.clock.monotonic() > until:
            break
        ctx.clock.sleep(0.25)
    start_all(ctx, intent.running, intent.timeout, intent.settle, intent.drive, intent.path)
    return left


def _settle_backups(ctx: Context, intent: TaskIntent) -> str:
    """Decide what happens to the backup that was put aside; return what was done."""
    mark = _mark(ctx, intent)
    if mark is not None and not mark["HasRoot"]:
        raise UndoError(
            f"{mark['Destination']} does not exist now: the previous backup is in it, as {mark['Archive']}",
            hint=f"when the folder is available again, run `sitekeeper rollback {intent.run}`",
        )
    if mark is None or not (mark["HasArchive"] or mark["HasRejected"]):
        return "no previous backup was put aside"
    keep, said = "previous", "the previous backup was put back in its place"
    if mark["HasArchive"] and mark["HasFolder"]:
        published, why = _judge(ctx, intent, mark)
        if not published and not why:
            return f"the new backup is good and stays, but is not in the store; the previous one stays beside it: {mark['Archive']}"
        keep = "new" if published else "previous"
        said = f"the previous backup was deleted: {published} is in the store" if published else f"{said}: {why}"
    ctx.ps.change("Complete-SkTaskBackup", Drive=intent.drive, Run=intent.run, Keep=keep, deadline=DELETING)
    return said


def _judge(ctx: Context, intent: TaskIntent, mark: dict[str, Any]) -> tuple[str, str]:
    """The id of this run's set in the store, or why the new backup is not good; both empty if it is good but not in the store.

    Raises:
        UndoError: it cannot be found out, so neither backup is deleted.

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
        raise  # the undo is tried once more
    except SitekeeperError as error:
        raise UndoError(
            f"it is not known whether the new backup is good ({error.message}): it stays, and the previous one stays beside it: "
            f"{mark['Archive']}",
            hint=f"correct the cause, then run `sitekeeper rollback {intent.run}`; or delete the backup that you do not need first",
        ) from None


def _find_published(intent: TaskIntent) -> str:
    """Find the id of the set that this run put into the store; empty without one.

    A damaged set does not affect the others, and the header of a sealed one needs no key.

    Raises:
        SpaceError: the store cannot be read.

    """
    store = store_folder.Folder(Path(intent.store))
    try:
        if not store.begun():
            raise SpaceError(f"the store {store.root} does not exist", hint="check that it is mounted")
        for _, found in catalogue.of(store, intent.site):
            if isinstance(found, catalogue.CatalogueEntry) and found.kind == "task" and found.run == intent.run:
                return found.id
    except OSError as error:
        raise store_folder.store_error(error, store.root) from None
    except UsageError as error:
        raise SpaceError(error.message, hint=error.hint) from None
    return ""
