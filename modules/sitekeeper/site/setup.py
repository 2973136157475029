"""Lets ConfigMgr's own setup recover a site (2012 and current branch), as a named account, and follows it to its end.

It cannot be undone: only setup can finish what it has started. So it does not start before the operator has typed the site
code, the machine has passed the rules of ``site.target``, and setup's own prerequisite checker has returned 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sitekeeper.engine.errors import PreflightError, RemoteError, RemoteTimeoutError, UnreachableError, UsageError
from sitekeeper.engine.figures import show_duration
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
"""If a step has no exit code and no program of it runs for so long, the step counts as gone: the Task Scheduler starts a program
a moment after the request."""
SILENT_SECONDS = 300.0
"""If the log of a running step has no new line for so long, the progress says so."""
BETWEEN_SECONDS = 1.0
"""Between two runs of the task: while one is running, the Task Scheduler silently ignores a second start."""
REFUSED = {
    "SkNoSetupTask": "the scheduled task sitekeeper-setup does not exist on this host",
    "SkSetupWithoutPassword": "the scheduled task sitekeeper-setup runs as SYSTEM, or as an account without a stored password",
    "SkOtherSetupTask": "the scheduled task sitekeeper-setup does not run sitekeeper's file setup.cmd",
    "SkOtherSetupAccount": "the scheduled task sitekeeper-setup runs as {account}, but recovery.account is {wanted}",
}
"""By the error of Start-SkSetup."""
TASK_HINT = (
    "register it once as an administrator, with the account for setup: "
    r"schtasks /create /tn sitekeeper-setup /tr {drive}:\sitekeeper\setup.cmd /sc once /st 00:00 /sd 01/01/2000 "
    r"/rl highest /ru DOMAIN\account /rp *"
)


class SetupParams(Params):
    """Which set, staged where."""

    set: ExtractedSet
    """The set."""
    staged: StagedRecovery
    """Where CD.Latest and the recovery script are on the site server."""
    confirm: str
    """The site code, typed by the operator: ``-e confirm=PR2``."""
    recovery: Any = None
    """The operator's decisions; default: the variable ``recovery``."""
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
    """The result of setup."""

    site: str | Unknown = ""
    """Code of the recovered site; not known before setup has finished."""
    account: str = ""
    """The account that it ran as."""
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
                "setup recovers sites of 2012 and later only",
                hint="recover a 2007 site with the Site Repair Wizard: see the recovery book",
            )
        if params.confirm.strip().upper() != got.site:
            raise UsageError(
                f"setup would now recover {got.site} on {ctx.host}; this cannot be undone",
                hint=f"to confirm, type the site code: -e confirm={got.site}",
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
            msg=f"setup recovered {intent.site} as {account} in {show_duration(seconds)}",
        )


def _start_once(ctx: Context, intent: SetupIntent, step: str, wanted: str, *names: str) -> str:
    """Start a step. If the reply is lost, the state on the host shows whether it was started: it is never started twice."""
    try:
        return _start(ctx, intent, step, wanted, *names)
    except UnreachableError:
        until = ctx.clock.monotonic() + STEP_SECONDS
        while (found := _look(ctx, intent, step, until)) is None:
            ctx.clock.sleep(FOLLOW_SECONDS)
        if not found["Started"]:
            raise
    return _start(ctx, intent, step, wanted, *names)  # it only returns the account now


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
    """What is known about a running step: when its log last grew, and since when its program is gone."""

    grew: float
    length: int = -1
    gone: float | None = None

    def note(self, found: dict[str, Any] | None, now: float) -> None:
        """Note one observation; None: the host could not be reached, so nothing is known."""
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
            return "the host cannot be reached; setup continues without sitekeeper"
        silent = now - self.grew
        if silent >= SILENT_SECONDS:
            return f"still running, but its log has no new line for {silent / 60:.0f} min"
        return _last_line(str(found["Tail"]))


def _follow(ctx: Context, intent: SetupIntent, step: str, until: float) -> str:
    """Wait until a step has finished with 0; return the last lines of its log.

    Raises:
        RemoteTimeoutError: it did not finish in time, and continues. RemoteError: its exit code is not 0, or its program is
        gone without an exit code. UnreachableError: the host could not be reached until the end of that time.

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
                f"{step} was cut off: none of its programs runs on {ctx.host}, and it left no exit code "
                "(it was killed, or the host restarted)",
                hint=f"read {log} in the root of the system drive; then run `sitekeeper rollback {intent.run}`, and recover again",
            )
        if now >= until:
            late = RemoteTimeoutError(
                f"{step} has not finished after {show_duration(now - began)}; it continues, and its files stay on the host",
                hint=f"read ConfigMgrSetup.log in the root of the system drive; `sitekeeper resume {intent.run}` follows it to its end",
            )
            late.goes_on = True
            raise late
        ctx.progress(int(now - began), None, "s", watch.describe(found, now))
        ctx.clock.sleep(min(pause, until - now))
        pause = min(pause * 1.5, FOLLOW_SECONDS)
    tail = str(found["Tail"])
    if found["Code"] != "0":
        raise RemoteError(
            f"{step} finished with exit code {found['Code']}: {_last_line(tail)}",
            hint=f"read {log} in the root of the system drive",
        )
    return tail


def _look(ctx: Context, intent: SetupIntent, step: str, until: float) -> dict[str, Any] | None:
    """Read the state of a step; None while the host cannot be reached: the step continues without us, so we keep trying."""
    try:
        ctx.lease.take()  # renewed when half of its time is over: setup may take longer than a lease is valid
        return _read(ctx, intent, step)
    except UnreachableError as error:
        if ctx.stop.is_set() or ctx.clock.monotonic() >= until:
            error.goes_on = True
            raise
        return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-200:] if lines else ""
