"""Stops or starts services in order, waits until they are in that state, and puts the old state back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from sitekeeper.engine.errors import (
    LimitError,
    RemoteTimeoutError,
    SitekeeperError,
    UndoError,
    UsageError,
)
from sitekeeper.engine.figures import show_duration
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Covers, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration, Many
from sitekeeper.model.site import SiteFacts
from sitekeeper.model.windows import ServicesResult, ServiceState
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.services.control import close_offline_window, open_offline_window, start_all, states, stop_one

NEVER_STOPPED = frozenset({"sms_site_vss_writer", "sqlwriter", "vss", "sms_site_backup"})
"""They make the backup: stopping them loses the writers (Microsoft Learn, "Back up a site")."""


class ServiceParams(Params):
    """Which services, and the state they must have."""

    names: Many[str]
    """Service names (not display names), in the order of work."""
    state: Literal["stopped", "started"]
    """The state they must have afterwards."""
    timeout: Duration = timedelta(minutes=20)
    """How long one service may take to stop or start."""
    undo_timeout: Duration = timedelta(minutes=30)
    """How long one service may take when it is put back. A stop that hangs is waited for; nothing is ever killed."""
    settle: Duration = timedelta(seconds=10)
    """How long a started service must keep running in one process before it counts as started."""
    site: SiteFacts | None = None
    """The site they belong to. With it, settled also means: its log grows, and no inbox only grows."""


class ServiceIntent(Record):
    """The state before anything was changed."""

    version: Literal[1] = 1
    names: tuple[str, ...]
    state: Literal["stopped", "started"]
    found: tuple[ServiceState, ...]
    timeout: float
    settle: float
    drive: str = ""
    path: str = ""
    beside: tuple[str, ...] = ()
    """Other hosts of the site. Changes there must be possible before anything is stopped here."""


class Service(Module[ServiceParams, ServiceIntent, ServicesResult]):
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

    def plan(self, ctx: Context, params: ServiceParams) -> Plan[ServiceIntent, ServicesResult]:
        for name in params.names:
            if params.state == "stopped" and name.lower() in NEVER_STOPPED:
                raise UsageError(f"{name} must not be stopped: it takes part in the backup")
        found = states(ctx, params.names)
        wanted = "Stopped" if params.state == "stopped" else "Running"
        changes = tuple(Change(f"service {one.name}", one.state, wanted) for one in found if one.state != wanted)
        if not changes:
            return Plan(result=ServicesResult(services=found, msg=f"all services are {wanted} already"))
        predicted = tuple(one.model_copy(update={"state": wanted, "pid": 0}) for one in found)
        site = params.site
        return Plan(
            result=ServicesResult(
                changed=True, services=predicted, msg=f"{wanted}: {', '.join(c.what for c in changes)}"
            ),
            changes=changes,
            intent=ServiceIntent(
                names=params.names,
                state=params.state,
                found=found,
                timeout=params.undo_timeout.total_seconds(),
                settle=params.settle.total_seconds(),
                drive=site.drive if site else "",
                path=site.install_path if site else "",
                beside=(site.database.host,) if site and site.database and site.database_machine else (),
            ),
        )

    def leaves_down(self, params: Mapping[str, Any]) -> bool:
        return params.get("state") != "started"

    def covers(self, intent: ServiceIntent) -> Covers:
        if not isinstance(intent, ServiceIntent) or intent.state != "stopped":
            return Covers()
        running = tuple(one.name for one in intent.found if one.state in {"Running", "Start Pending"})
        return Covers(services=running, hosts=intent.beside)

    def apply(self, ctx: Context, params: ServiceParams, plan: Plan[ServiceIntent, ServicesResult]) -> ServicesResult:
        intent = plan.intended
        timeout = params.timeout.total_seconds()
        if intent.state == "started":
            start_all(ctx, intent.names, timeout, intent.settle, intent.drive, intent.path)
        else:
            open_offline_window(ctx)
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
        """Start the stopped services at once: this run may do nothing more after the failure."""
        try:
            self.undo(ctx, intent, None)
        except SitekeeperError as second:
            error.hint = f"the services could not be started again either: {second.message}; the undo tries once more"

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
            return "services that were stopped before are stopped again"
        names = tuple(one.name for one in running)
        try:
            try:
                start_all(ctx, names, intent.timeout, intent.settle, intent.drive, intent.path)
            except LimitError:  # another run came in between and is over: start what we stopped all the same
                ctx.lease.take()
                start_all(ctx, names, intent.timeout, intent.settle, intent.drive, intent.path)
        except RemoteTimeoutError as error:
            raise UndoError(
                error.message,
                hint="look at the service on the host; sitekeeper does not kill a service that hangs in Stop Pending",
            ) from None
        seconds = close_offline_window(ctx)
        return (
            f"running again and settled: {', '.join(one.name for one in running) or 'none, no service was running before'}"
            + (f" (offline for {show_duration(seconds)})" if seconds else "")
        )
