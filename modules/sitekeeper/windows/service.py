"""Stops or starts services in order, waits until they are there, and puts back what was."""

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
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Covers, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration, Many
from sitekeeper.model.site import SiteFacts
from sitekeeper.model.windows import ServicesResult, ServiceState
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.services.control import came_up, going_down, start_all, states, stop_one

NEVER_STOPPED = frozenset({"sms_site_vss_writer", "sqlwriter", "vss", "sms_site_backup"})
"""They make the backup: stopping them loses the writers (Microsoft Learn, "Back up a site")."""


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
                raise UsageError(f"{name} is never stopped: it takes part in the backup")
        found = states(ctx, params.names)
        wanted = "Stopped" if params.state == "stopped" else "Running"
        changes = tuple(Change(f"service {one.name}", one.state, wanted) for one in found if one.state != wanted)
        if not changes:
            return Plan(result=ServicesResult(services=found, msg=f"all are {wanted} already"))
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
            going_down(ctx)
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
        names = tuple(one.name for one in running)
        try:
            try:
                start_all(ctx, names, intent.timeout, intent.settle, intent.drive, intent.path)
            except LimitError:  # another run came in between and is gone again: what we stopped is started all the same
                ctx.lease.take()
                start_all(ctx, names, intent.timeout, intent.settle, intent.drive, intent.path)
        except RemoteTimeoutError as error:
            raise UndoError(
                f"{error.message}; look at the service on the host",
                hint="a service that hangs in Stop Pending is never killed by us",
            ) from None
        seconds = came_up(ctx)
        return f"running again and settled: {', '.join(one.name for one in running) or 'nothing was running'}" + (
            f" (offline for {seconds:.1f} s)" if seconds else ""
        )
