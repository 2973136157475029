"""Has ConfigMgr's own setup recover a site (2012 and current branch), as a named account, and follows it to its end.

It cannot be taken back: what setup has begun only setup ends. So nothing of it starts before the operator has typed the
site code, the machine has passed the rules of ``site.target``, and setup's own prerequisite checker has ended with 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sitekeeper.engine.errors import PreflightError, RemoteError, RemoteTimeoutError, UnreachableError, UsageError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Result, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.recovery.script import read_recovery_options
from sitekeeper.site.recovery.staging import StagedRecovery

STEP_SECONDS = 120.0
"""Deadline of starting one step."""
FOLLOW_SECONDS = 5.0
GONE_SECONDS = 60.0
"""For how long no program may be seen that runs a step without an exit code, until the step counts as gone: the Task Scheduler
starts it a moment after it was asked to."""
SILENT_SECONDS = 300.0
"""After how long without a new line in its log a step that is alive is told as silent."""
BETWEEN_SECONDS = 1.0
"""Between two runs of the task: while one has not ended, the Task Scheduler ignores a second start, and says nothing."""
REFUSED = {
    "SkNoSetupTask": "there is no task sitekeeper-setup on this host",
    "SkSetupWithoutPassword": "the task sitekeeper-setup runs as SYSTEM, or as an account without its password",
    "SkOtherSetupTask": "the task sitekeeper-setup runs something else than our file",
    "SkOtherSetupAccount": "the task sitekeeper-setup runs as {account}, recovery.account is {wanted}",
}
"""By the error that Start-SkSetup writes."""
TASK_HINT = (
    "an administrator registers it once, with the account that setup is to run as: "
    r"schtasks /create /tn sitekeeper-setup /tr {drive}:\sitekeeper\setup.cmd /sc once /st 00:00 /sd 01/01/2000 "
    r"/rl highest /ru DOMAIN\account /rp *"
)


class SetupParams(Params):
    """Which set, staged where."""

    set: ExtractedSet
    """The set."""
    staged: StagedRecovery
    """Where CD.Latest and the recovery script lie on the site server."""
    confirm: str
    """The site code, typed by the operator: ``-e confirm=PR2``."""
    recovery: Any = None
    """The operator's decisions; the variable ``recovery`` when left out."""
    timeout: Duration = timedelta(hours=8)
    """How long setup may take."""


class SetupIntent(Record):
    """Which recovery."""

    version: Literal[1] = 1
    run: str
    site: str
    root: str
    drive: str


class SetupResult(Result):
    """How setup ended."""

    site: str | Unknown = ""
    """Code of the site that it recovered: what asks for it is not asked before there is one."""
    account: str = ""
    """What it ran as."""
    seconds: float = 0.0
    tail: str = ""
    """The last lines of its log."""


class Setup(Module[SetupParams, SetupIntent, SetupResult]):
    """Example::

    - site.setup: {set: "{{ got }}", staged: "{{ staged }}", confirm: "{{ confirm }}"}
    """

    needs = Needs(
        functions=("Start-SkSetup", "Read-SkSetup"),
        rights="start the task sitekeeper-setup, whose account may install a site (Administrators here, sysadmin on the SQL Server)",
    )

    def plan(self, ctx: Context, params: SetupParams) -> Plan[SetupIntent, SetupResult]:
        got = params.set
        if got.product == "2007":
            raise UsageError(
                "setup recovers sites of 2012 and later; of 2007 the operator does, with the Site Repair Wizard"
            )
        if params.confirm.strip().upper() != got.site:
            raise UsageError(
                f"setup would now recover {got.site} on {ctx.host}, which cannot be taken back",
                hint=f"if that is what you want, type its code: -e confirm={got.site}",
            )
        read_recovery_options(params.recovery or ctx.vars.get("recovery"))
        change = Change(f"site {got.site}", "not installed", f"recovered by setup from {got.id}")
        return Plan(
            result=SetupResult(changed=True, msg=f"setup would recover {got.site}", site=Unknown("site.setup")),
            changes=(change,),
            intent=SetupIntent(run=ctx.run_id, site=got.site, root=params.staged.root, drive=params.staged.drive),
        )

    def made(self, ctx: Context, intent: SetupIntent) -> SetupResult | None:
        found = _read(ctx, intent, "setup")
        return (
            SetupResult(changed=True, msg=f"{intent.site} was recovered", site=intent.site, tail=found["Tail"])
            if found["Code"] == "0"
            else None
        )

    def apply(self, ctx: Context, params: SetupParams, plan: Plan[SetupIntent, SetupResult]) -> SetupResult:
        intent = plan.intended
        wishes = read_recovery_options(params.recovery or ctx.vars.get("recovery"))
        kind = "CAS" if params.set.site_type == "cas" else "PRI"
        until = ctx.clock.monotonic() + params.timeout.total_seconds()
        began = ctx.clock.monotonic()
        account = _start_once(ctx, intent, "prerequisites", wishes.account, kind, wishes.sql_server, wishes.provider)
        _follow(ctx, intent, "prerequisites", until)
        ctx.clock.sleep(BETWEEN_SECONDS)
        _start_once(ctx, intent, "setup", wishes.account)
        tail = _follow(ctx, intent, "setup", until)
        seconds = ctx.clock.monotonic() - began
        return SetupResult(
            changed=True,
            site=intent.site,
            account=account,
            seconds=round(seconds, 1),
            tail=tail,
            msg=f"setup recovered {intent.site} as {account} in {seconds:.0f} s",
        )


def _start_once(ctx: Context, intent: SetupIntent, step: str, wanted: str, *names: str) -> str:
    """Start a step. Where the answer is lost, what is on the host says whether it was started: it is never started twice."""
    try:
        return _start(ctx, intent, step, wanted, *names)
    except UnreachableError:
        until = ctx.clock.monotonic() + STEP_SECONDS
        while (found := _look(ctx, intent, step, until)) is None:
            ctx.clock.sleep(FOLLOW_SECONDS)
        if not found["Started"]:
            raise
    return _start(ctx, intent, step, wanted, *names)  # it only answers now


def _start(ctx: Context, intent: SetupIntent, step: str, wanted: str, *names: str) -> str:
    try:
        (row,) = ctx.ps.change(
            "Start-SkSetup",
            deadline=STEP_SECONDS,
            Drive=intent.drive,
            Run=intent.run,
            Root=intent.root,
            Step=step,
            Name=list(names),
            Expected=wanted,
        )
    except RemoteError as error:
        word = error.record.short_id if error.record else ""
        if word in REFUSED:
            said = REFUSED[word].format(account=error.record.target if error.record else "", wanted=wanted)
            raise PreflightError(f"setup was not started: {said}", hint=TASK_HINT.format(drive=intent.drive)) from None
        raise
    return str(row["Account"])


def _read(ctx: Context, intent: SetupIntent, step: str) -> dict[str, Any]:
    (row,) = ctx.ps.call("Read-SkSetup", Drive=intent.drive, Run=intent.run, Step=step)
    return dict(row)


@dataclass(slots=True)
class _StepWatch:
    """What is known of a step that is being followed: when its log last grew, and since when its program is gone."""

    grew: float
    length: int = -1
    gone: float | None = None

    def note(self, found: dict[str, Any] | None, now: float) -> None:
        """Take in one look; None: the host could not be reached, which says nothing."""
        if found is None:
            return
        if found["Length"] != self.length:
            self.length, self.grew = found["Length"], now
        if found["Alive"]:
            self.gone = None
        elif self.gone is None:
            self.gone = now

    def describe(self, found: dict[str, Any] | None, now: float) -> str:
        """Progress, for the operator."""
        if found is None:
            return "the host cannot be reached; setup goes on by itself"
        silent = now - self.grew
        if silent >= SILENT_SECONDS:
            return f"still running, but its log has not grown for {silent / 60:.0f} min"
        return _last_line(str(found["Tail"]))


def _follow(ctx: Context, intent: SetupIntent, step: str, until: float) -> str:
    """Wait until a step has ended with 0; returns the last lines of its log.

    Raises:
        RemoteTimeoutError: it has not ended in time; it goes on. RemoteError: it ended with another code than 0, or its
        program is gone and left no exit code. UnreachableError: the host could not be reached any more in all that time.

    """
    began, pause = ctx.clock.monotonic(), 0.2
    watch = _StepWatch(began)
    log = "ConfigMgrPrereq.log" if step == "prerequisites" else "ConfigMgrSetup.log"
    while True:
        found = _look(ctx, intent, step, until)
        if found is not None and found["Code"]:
            break
        now = ctx.clock.monotonic()
        watch.note(found, now)
        if watch.gone is not None and now - watch.gone >= GONE_SECONDS:
            raise RemoteError(
                f"{step} is gone: no program of it runs on {ctx.host}, and it left no exit code (it was ended, or the host restarted)",
                hint=f"read {log} at the root of the system drive; then `sitekeeper rollback {intent.run}`, and recover again",
            )
        if now >= until:
            late = RemoteTimeoutError(
                f"{step} has not ended after {now - began:.0f} s; it goes on by itself, and what it reads was left there",
                hint="look into ConfigMgrSetup.log at the root of the system drive; `sitekeeper resume` follows it on",
            )
            late.goes_on = True
            raise late
        ctx.progress(int(now - began), None, "s", watch.describe(found, now))
        ctx.clock.sleep(min(pause, until - now))
        pause = min(pause * 1.5, FOLLOW_SECONDS)
    tail = str(found["Tail"])
    if found["Code"] != "0":
        raise RemoteError(
            f"{step} ended with {found['Code']}: {_last_line(tail)}", hint=f"read {log} at the root of the system drive"
        )
    return tail


def _look(ctx: Context, intent: SetupIntent, step: str, until: float) -> dict[str, Any] | None:
    """How far a step is; None while the host cannot be reached, which is no reason to give up on what goes on without us."""
    try:
        ctx.lease.take()  # renewed when half of it is over: setup may take longer than a lease holds
        return _read(ctx, intent, step)
    except UnreachableError as error:
        if ctx.stop.is_set() or ctx.clock.monotonic() >= until:
            error.goes_on = True
            raise
        return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-200:] if lines else ""
