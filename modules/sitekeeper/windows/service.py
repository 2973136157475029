"""Stops or starts services in order, waits until they are there, and puts back what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sitekeeper.engine.errors import (
    LimitError,
    RemoteError,
    RemoteTimeoutError,
    RunInterruptedError,
    SitekeeperError,
    UndoError,
    UsageError,
)
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Covers, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration, Many
from sitekeeper.model.site import SiteFacts
from sitekeeper.model.windows import ServicesResult, ServiceState
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.services.settling import Settling, log_length, wait_until_settled

NEVER_STOPPED = frozenset({"sms_site_vss_writer", "sqlwriter", "vss", "sms_site_backup"})
"""They make the backup: stopping them loses the writers (Microsoft Learn, "Back up a site")."""
RETURN_CODES = {
    2: "access denied", 3: "services that depend on it are running", 5: "it does not accept the control now",
    7: "it did not answer in time", 8: "unknown failure", 10: "it is already running", 14: "it is disabled",
    15: "its log-on failed", 21: "invalid parameter", 24: "it is paused",
}  # fmt: skip
"""ReturnValue of StartService and StopService (Microsoft Learn, "StopService method of the Win32_Service class")."""


class ServiceParams(Params):
    """Which services, and how they shall be."""

    names: Many[str]
    """Service names (not display names), in the order of work."""
    state: Literal["stopped", "started"]
    """What they shall be."""
    timeout: Duration = timedelta(minutes=20)
    """How long one service may take to stop or start."""
    undo_timeout: Duration = timedelta(minutes=30)
    """How long one service may take when it is put back: a hung stop is waited out, nothing is ever killed."""
    settle: Duration = timedelta(seconds=10)
    """How long a started service must keep running in one process before it counts as started."""
    site: SiteFacts | None = None
    """The site that they belong to: settled then also means that its log grows and no inbox only rises."""


class ServiceIntent(Record):
    """What was found, before anything was changed."""

    version: Literal[1] = 1
    names: tuple[str, ...]
    state: Literal["stopped", "started"]
    found: tuple[ServiceState, ...]
    timeout: float
    settle: float
    drive: str = ""
    path: str = ""
    beside: tuple[str, ...] = ()
    """Other hosts of the site: what is to be made there must be possible before anything is stopped here."""


class Service(Module[ServiceParams, ServicesResult]):
    """Example::

    - windows.service: {names: "{{ site.services_to_stop }}", state: stopped, site: "{{ site }}"}
      undo: block
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading("Win32_Service"),
            "Invoke-WmiMethod": {
                "Path": r"Win32_Service\.Name='[^']+'",
                "Name": ("StopService", "StartService", "ResumeService"),
            },
        },
        functions=("Measure-SkInbox",),
        rights="start and stop the services",
    )
    reversible = True
    intent_type = ServiceIntent

    def plan(self, ctx: Context, params: ServiceParams) -> Plan[ServicesResult]:
        for name in params.names:
            if params.state == "stopped" and name.lower() in NEVER_STOPPED:
                raise UsageError(f"{name} is never stopped: it takes part in the backup")
        found = states(ctx, params.names)
        wanted = "Stopped" if params.state == "stopped" else "Running"
        changes = tuple(Change(f"service {one.name}", one.state, wanted) for one in found if one.state != wanted)
        if not changes:
            return Plan(result=ServicesResult(services=found, msg=f"all are {wanted} already"))
        predicted = tuple(one.model_copy(update={"state": wanted, "pid": 0}) for one in found)
        site = params.site
        return Plan(
            result=ServicesResult(changed=True, services=predicted, msg=f"{wanted}: {', '.join(c.what for c in changes)}"),
            changes=changes,
            intent=ServiceIntent(
                names=params.names, state=params.state, found=found, timeout=params.undo_timeout.total_seconds(),
                settle=params.settle.total_seconds(), drive=site.drive if site else "", path=site.install_path if site else "",
                beside=(site.database.host,) if site and site.database and site.database_machine else (),
            ),
            data=params,
        )  # fmt: skip

    def leaves_down(self, params: Mapping[str, Any]) -> bool:
        return params.get("state") != "started"

    def covers(self, intent: Any) -> Covers:
        if not isinstance(intent, ServiceIntent) or intent.state != "stopped":
            return Covers()
        running = tuple(one.name for one in intent.found if one.state in {"Running", "Start Pending"})
        return Covers(services=running, hosts=intent.beside)

    def apply(self, ctx: Context, plan: Plan[ServicesResult]) -> ServicesResult:
        intent = plan.intent
        params = plan.data
        assert isinstance(intent, ServiceIntent)  # noqa: S101 - the plan is our own
        timeout = params.timeout.total_seconds()
        if intent.state == "started":
            start_all(ctx, intent, timeout)
        else:
            _going_down(ctx)
            try:
                for name in intent.names:
                    stop_one(ctx, name, timeout, heed=True)
            except SitekeeperError as error:
                self._put_back(ctx, intent, error)
                raise
        return ServicesResult(
            changed=True, services=states(ctx, intent.names), msg=f"{intent.state}: {', '.join(intent.names)}"
        )

    def _put_back(self, ctx: Context, intent: ServiceIntent, error: SitekeeperError) -> None:
        """Start again what was stopped, at once: the failure may be all that this run still does."""
        try:
            self.undo(ctx, intent, None)
        except SitekeeperError as second:
            error.hint = f"putting the services back failed too: {second.message}; it is tried again"

    def in_place(self, ctx: Context, intent: ServiceIntent, outcome: ServicesResult, generation: int) -> bool:
        wanted = "Stopped" if intent.state == "stopped" else "Running"
        return all(one.state == wanted for one in states(ctx, intent.names))

    def undo(self, ctx: Context, intent: ServiceIntent, outcome: ServicesResult | None) -> str:
        # A paused service was stopped by us too; one that was going down by itself was not.
        running = tuple(one for one in intent.found if one.state not in {"Stopped", "Stop Pending"})
        if intent.state == "started":
            for one in reversed(intent.found):
                if one.state == "Stopped":
                    stop_one(ctx, one.name, intent.timeout)
            return "stopped again what was stopped before"
        wanted = intent.model_copy(update={"names": tuple(one.name for one in running)})
        try:
            try:
                start_all(ctx, wanted, intent.timeout)
            except LimitError:  # another run came in between and is gone again: what we stopped is started all the same
                ctx.lease.take()
                start_all(ctx, wanted, intent.timeout)
        except RemoteTimeoutError as error:
            raise UndoError(
                f"{error.message}; look at the service on the host",
                hint="a service that hangs in Stop Pending is never killed by us",
            ) from None
        seconds = _came_up(ctx)
        return f"running again and settled: {', '.join(one.name for one in running) or 'nothing was running'}" + (
            f" (offline for {seconds:.1f} s)" if seconds else ""
        )


def _going_down(ctx: Context) -> None:
    """Note the beginning of the offline window; of several tasks that stop services, the first counts."""
    offline = ctx.notes.get("offline")
    if offline is None or "until" in offline:
        ctx.notes["offline"] = {"from": ctx.clock.now().isoformat(), "clock": ctx.clock.monotonic()}


def _running_again(ctx: Context) -> None:
    """Note that all services of a task run; they have yet to settle. Seconds are those of the monotonic clock."""
    offline = ctx.notes.get("offline")
    if offline is not None:
        offline["up"] = {"at": ctx.clock.now().isoformat(), "clock": ctx.clock.monotonic()}


def _came_up(ctx: Context) -> float:
    """Note the end of the offline window; of several tasks that put services back, the last counts. Answers its seconds."""
    offline = ctx.notes.get("offline")
    if offline is None:
        return 0.0
    up = offline.pop("up", None) or {"at": ctx.clock.now().isoformat(), "clock": ctx.clock.monotonic()}
    seconds = float(up["clock"]) - float(offline["clock"])
    if seconds < 0:  # the control host was restarted in between
        seconds = (datetime.fromisoformat(up["at"]) - datetime.fromisoformat(offline["from"])).total_seconds()
    offline.update({"until": up["at"], "seconds": round(seconds, 3)})
    return seconds


def states(ctx: Context, names: Sequence[str]) -> tuple[ServiceState, ...]:
    """The services as they are now, in the order of the names.

    Raises:
        RemoteError: one does not exist.

    """
    where = " OR ".join(f"Name='{quoted(name)}'" for name in names)
    rows = ctx.ps.call("Get-WmiObject", Query=f"SELECT Name,State,StartMode,ProcessId FROM Win32_Service WHERE {where}")  # noqa: S608 - WQL of checked names
    by_name = {str(row["Name"]).lower(): row for row in rows}
    missing = [name for name in names if name.lower() not in by_name]
    if missing:
        raise RemoteError(
            f"no service named {', '.join(missing)}", hint="names are those of `sc query`, not what the console shows"
        )
    return tuple(
        ServiceState(
            name=str(row["Name"]),
            state=str(row["State"]),
            start_mode=str(row["StartMode"]),
            pid=int(row["ProcessId"] or 0),
        )
        for row in (by_name[name.lower()] for name in names)
    )


def quoted(name: str) -> str:
    """A service name as it may stand between the quotes of a WMI path or query.

    Raises:
        UsageError: it is none.

    """
    if not name or any(letter in name for letter in "'\"\\%"):
        raise UsageError(f"not a service name: {name!r}")
    return name


def _state(ctx: Context, name: str) -> ServiceState:
    return states(ctx, [name])[0]


def stop_one(ctx: Context, name: str, timeout: float, *, heed: bool = False) -> None:
    """Stop one service and wait until it is; a stop that is under way is waited out.

    ``heed``: the operator's stop ends the waiting (never while something is being put back).

    Raises:
        RemoteTimeoutError: it did not stop in time. RemoteError: Windows refused.

    """
    until = ctx.clock.monotonic() + timeout
    state = _wait(ctx, name, {"Stopped", "Running", "Paused"}, until, "stop")
    if state == "Stopped":
        return
    code = _control(ctx, name, "StopService")
    if code not in {0, 5, 6, 7}:
        raise RemoteError(f"{name} cannot be stopped: {RETURN_CODES.get(code, f'code {code}')}", hint=_dependents(code))
    if code == 5 and _state(ctx, name).state == "Running":
        raise RemoteError(f"{name} does not accept a stop now")
    _wait(ctx, name, {"Stopped"}, until, "stop", heed=heed)


def _dependents(code: int) -> str | None:
    return "name them before it in the same task, if they may be stopped" if code == 3 else None


def start_all(ctx: Context, intent: ServiceIntent, timeout: float) -> None:
    """Start services in order, each only if it is not running by then, and wait until all have settled.

    ConfigMgr's order: its component manager starts the executive by itself; only if it does not, we do. One that cannot be
    started keeps none of the others down.
    """
    settling = Settling(intent.names, intent.settle, timeout, intent.drive, intent.path)
    log = log_length(ctx, settling)
    errors: list[RemoteError] = []
    for name in intent.names:
        try:
            _start_one(ctx, name, timeout)
        except RemoteError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    if intent.names:
        _running_again(ctx)

    def again(name: str) -> None:
        _start_one(ctx, name, timeout)
        _running_again(ctx)

    wait_until_settled(ctx, settling, states, again, log)


def _start_one(ctx: Context, name: str, timeout: float) -> None:
    until = ctx.clock.monotonic() + timeout
    while True:
        state = _wait(ctx, name, {"Stopped", "Running", "Paused"}, until, "come to rest")
        if state == "Running":
            return
        code = _control(ctx, name, "ResumeService" if state == "Paused" else "StartService")
        if code not in {0, 5, 7, 10}:
            raise RemoteError(f"{name} cannot be started: {RETURN_CODES.get(code, f'code {code}')}")
        state = _wait(ctx, name, {"Running", "Stopped"}, until, "start", patience=5.0)
        if state == "Running":
            return
        if ctx.clock.monotonic() > until:
            raise RemoteTimeoutError(f"{name} does not start: it is Stopped again after every try")


def _control(ctx: Context, name: str, method: str) -> int:
    answer = ctx.ps.change("Invoke-WmiMethod", Path=f"Win32_Service.Name='{quoted(name)}'", Name=method)
    return int(answer[0]["ReturnValue"]) if answer else 0


def _wait(
    ctx: Context, name: str, wanted: set[str], until: float, verb: str, patience: float = 0.0, *, heed: bool = False
) -> str:
    """Poll until the service is in a wanted state; ``patience``: seconds for which Stopped does not count yet."""
    pause = 0.1
    hopeful = ctx.clock.monotonic() + patience
    started = ctx.clock.monotonic()
    while True:
        state = _state(ctx, name).state
        if state in wanted and not (state == "Stopped" and ctx.clock.monotonic() < hopeful):
            return state
        now = ctx.clock.monotonic()
        if heed and ctx.stop.is_set():
            raise RunInterruptedError(f"stopped by the operator while {name} was {state}")
        if now >= until:
            raise RemoteTimeoutError(
                f"{name} did not {verb} within its time-out: it is still {state} after {now - started:.0f} s"
            )
        if now - started > 2:
            ctx.progress(int(now - started), int(until - started), "s", f"waiting for {name} to {verb}")
        ctx.clock.sleep(min(pause, until - now))
        pause = min(pause * 1.5, 1.0)
