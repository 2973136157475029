"""Puts a site's servers into Operations Manager's maintenance mode while they are worked on, always with an end time.

It ends early once the services run again; whatever else happens (the control host dies, the site starts itself), it expires.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from sitekeeper.engine.errors import AuthError, InventoryError, RemoteError, UnreachableError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration
from sitekeeper.model.site import SiteFacts
from sitekeeper.site.monitoring.declaration import (
    MaintenanceMethod,
    MonitoredComputer,
    computer_of,
    explain_undeclared,
    find_method,
)
from sitekeeper.site.monitoring.management_server import ask, begin, by_server, end, end_sessions
from sitekeeper.transport.wmi import reading

SHORTEST = timedelta(minutes=5)
"""Operations Manager takes nothing shorter (Microsoft, hh918505: "cannot be in maintenance mode for fewer than five minutes")."""
LONGEST = timedelta(minutes=1_051_200)
"""Nor longer: two years (Microsoft Learn, "suspend monitoring temporarily by using maintenance mode")."""
FAILURES = (UnreachableError, AuthError, RemoteError)


class MaintenanceParams(Params):
    """Which site, and for how long."""

    site: SiteFacts
    """The site: its server and, where the database is on another machine, that one."""
    duration: Annotated[Duration, Field(ge=SHORTEST, le=LONGEST)]
    """When it ends by itself. Longer than the work will ever take: nothing extends it."""
    comment: Annotated[str, Field(max_length=200)] = ""
    """What the console shows; the run's id is added."""
    wait: Duration = timedelta(0)
    """How long to wait once it has begun: agents hear of it with their next configuration, up to minutes later."""
    how: MaintenanceMethod | Literal["none"] | None = None
    """How it is done, for all hosts of the site; the variable ``maintenance`` of each when left out."""


class MaintenanceIntent(Record):
    """What is being begun, under the mark of the run."""

    version: Literal[1] = 1
    run: str
    targets: tuple[MonitoredComputer, ...]
    minutes: int
    comment: str
    services: tuple[str, ...]
    """The site's services that ran before: all must run again before it ends early."""
    until: str
    """About when it ends by itself, ISO 8601, by our clock."""


class MaintenanceState(Record):
    """One computer."""

    host: str
    computer: str
    kind: str
    until: str = ""
    """ISO 8601, UTC, by the clock of the management server; of an agent, the latest moment at which it may end."""
    already: bool = False
    """Somebody else had begun it: it stays as it is."""


class MaintenanceResult(Result):
    """What is in maintenance mode now, and until when."""

    hosts: tuple[MaintenanceState, ...] = ()


class Maintenance(Module[MaintenanceParams, MaintenanceIntent, MaintenanceResult]):
    """Example::

    - site.maintenance: {site: "{{ site }}", duration: 45m, comment: nightly backup}
      undo: block
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading("Win32_ComputerSystem", "Win32_Service"),
            "Write-Output": {
                "InputObject": ".*"
            },  # behind the fence of the site, before a change on its management server
        },
        functions=("Get-SkMaintenance", "Start-SkMaintenance", "Stop-SkMaintenance", "Start-SkAgentMaintenance"),
        rights="Operator of the management group for these computers (on its management server); an administrator for the agent's",
    )
    reversible = True

    _said: tuple[str, ...] = ()
    """Notes of the plan, which its result repeats."""

    def plan(self, ctx: Context, params: MaintenanceParams) -> Plan[MaintenanceIntent, MaintenanceResult]:
        targets, said = _targets(ctx, params)
        minutes = math.ceil(params.duration.total_seconds() / 60)
        until = (ctx.clock.now() + timedelta(minutes=minutes)).astimezone(UTC).isoformat()
        found = {row["Computer"]: row for row in ask(ctx, targets)}
        todo: list[MonitoredComputer] = []
        states: list[MaintenanceState] = []
        for one in targets:
            row = found.get(one.computer)
            if row is not None and not row["Objects"]:
                raise InventoryError(
                    f"{one.how.management_server} does not monitor {one.computer}",
                    host=one.host,
                    hint="say `maintenance: none` for this host, or in `monitored_as` under which name it is monitored",
                )
            other = row is not None and row["On"] and not _is_passing(str(row["Comment"]), ctx.run_id, row)
            if other and row is not None:
                states.append(_state(one, row["Until"], already=True))
                said.append(
                    f"{one.computer} is in maintenance mode already, until {_short(row['Until'])}: left as it is"
                )
            else:
                todo.append(one)
                states.append(_state(one, until))
        self._said = tuple(said)
        result = MaintenanceResult(hosts=tuple(states), msg="; ".join(said))
        if not todo:
            end_sessions(ctx, targets)
            return Plan(result=result)
        ran = [one.name for one in params.site.services if one.state == "Running"]
        return Plan(
            result=result.model_copy(update={"changed": True, "msg": "; ".join([*said, f"until {_short(until)}"])}),
            changes=tuple(Change(f"maintenance of {one.computer}", "off", f"on for {minutes} min") for one in todo),
            intent=MaintenanceIntent(
                run=ctx.run_id,
                targets=tuple(todo),
                minutes=minutes,
                comment=params.comment.strip(),
                services=tuple(name for name in params.site.services_to_stop if name in ran),
                until=until,
            ),
        )

    def apply(
        self, ctx: Context, params: MaintenanceParams, plan: Plan[MaintenanceIntent, MaintenanceResult]
    ) -> MaintenanceResult:
        intent = plan.intended
        states, said = plan.result.hosts, self._said
        begun: dict[str, MaintenanceState] = {}
        for server, kind, targets in by_server(intent.targets):
            rows = begin(ctx, server, kind, targets, intent.minutes, intent.comment, intent.run)
            for one, row in zip(targets, rows, strict=True):
                begun[one.computer] = _prove(one, row, intent.run)
                if row["Inside"] < row["Objects"]:
                    said = (
                        *said,
                        f"{one.computer}: only {row['Inside']} of its {row['Objects']} objects, alerts may come",
                    )
        for one in intent.targets:
            if one.how.kind == "agent":
                arguments: dict[str, Any] = {"Minutes": intent.minutes, "Comment": intent.comment, "Run": intent.run}
                if one.host == ctx.host:
                    ctx.ps.change("Start-SkAgentMaintenance", **arguments)
                else:
                    ctx.of(one.host).ps.change_beside(ctx.ps, "Start-SkAgentMaintenance", **arguments)
                begun[one.computer] = _state(one, intent.until)
                said = (
                    *said,
                    f"{one.computer}: asked its agent, which does not say what comes of it and ends by itself only",
                )
        if params.wait:
            ctx.clock.sleep(params.wait.total_seconds(), ctx.stop)
        known = tuple(begun.get(state.computer, state) for state in states)
        now = ", ".join(f"{one.computer} until {_short(one.until)}" for one in begun.values())
        return MaintenanceResult(changed=True, hosts=known, msg="; ".join([f"in maintenance mode: {now}", *said]))

    def in_place(self, ctx: Context, intent: MaintenanceIntent, outcome: MaintenanceResult, generation: int) -> bool:
        if ctx.clock.now() + SHORTEST > datetime.fromisoformat(intent.until):
            return False  # it would end in the middle of what is still to be done
        rows = ask(ctx, intent.targets)
        return all(row["On"] and _is_ours(str(row["Comment"]), intent.run) for row in rows)

    def undo(self, ctx: Context, intent: MaintenanceIntent, outcome: MaintenanceResult | None) -> str:
        down = _find_stopped(ctx, intent.services)
        if down:  # monitoring that begins anew now might take a site that stays down for one that was never up
            return f"left to end by itself at {_short(intent.until)}: {', '.join(down)} does not run"
        said = []
        for server, kind, targets in by_server(intent.targets):
            names = ", ".join(one.computer for one in targets)
            try:
                rows = end(ctx, server, kind, targets, intent.run)
            except FAILURES as error:  # its end is certain all the same: no reason to fail a site that is well
                said.append(f"{names}: left to end by itself at {_short(intent.until)}: {server}: {error.message}")
                continue
            ours = [row for row in rows if row["On"] and _is_ours(str(row["Comment"]), intent.run)]
            said += [f"{row['Computer']}: ends at {_short(row['Until'])}" for row in ours]
            if not ours:
                said.append(f"{names}: no maintenance mode of this run any more")
        agents = [one.computer for one in intent.targets if one.how.kind == "agent"]
        if agents:
            said.append(
                f"{', '.join(agents)}: an agent's mode cannot be ended early, it ends by {_short(intent.until)}"
            )
        return "; ".join(said)


def _targets(ctx: Context, params: MaintenanceParams) -> tuple[list[MonitoredComputer], list[str]]:
    """The computers of the site that are monitored, and what is to be said of the others."""
    database = params.site.database
    hosts = [ctx] if database is None or database.host == ctx.host else [ctx, ctx.of(database.host)]
    targets: list[MonitoredComputer] = []
    said: list[str] = []
    own: MaintenanceMethod | None = None
    for where in hosts:
        how = (
            find_method(where, params.how) or own
        )  # a database host is monitored as its site is, unless it says otherwise
        if how is None:
            raise explain_undeclared(where.host)
        own = how
        if how.kind == "none":
            said.append(f"{where.host} is declared not to be monitored")
        else:
            targets.append(MonitoredComputer(host=where.host, computer=computer_of(where), how=how))
    return targets, said


def _prove(one: MonitoredComputer, row: dict[str, Any], run: str) -> MaintenanceState:
    if not row["On"]:
        raise RemoteError(
            f"{one.how.management_server} took the request, and {one.computer} is not in maintenance mode",
            host=one.host,
            hint="is the account an operator for this computer? see the Operations Manager event log",
        )
    return _state(one, row["Until"], already=not _is_ours(str(row["Comment"]), run))


def _state(one: MonitoredComputer, until: str, *, already: bool = False) -> MaintenanceState:
    return MaintenanceState(host=one.host, computer=one.computer, kind=one.how.kind, until=until, already=already)


def _is_ours(comment: str, run: str) -> bool:
    return comment.endswith(f" [sitekeeper {run}]")


def _is_passing(comment: str, run: str, row: dict[str, Any]) -> bool:
    """Whether a mode is this run's, or the last minute of an earlier run's: Start-SkMaintenance takes both up."""
    left = datetime.fromisoformat(row["Until"]) - datetime.fromisoformat(row["Now"])
    return _is_ours(comment, run) or (" [sitekeeper " in comment and left <= timedelta(minutes=1))


def _find_stopped(ctx: Context, services: tuple[str, ...]) -> list[str]:
    if not services:
        return []
    where = " OR ".join(f"Name='{name}'" for name in services)
    rows = ctx.ps.call("Get-WmiObject", Query=f"SELECT Name,State FROM Win32_Service WHERE {where}")  # noqa: S608 - names that Windows told us
    running = {str(row["Name"]).lower() for row in rows if row["State"] == "Running"}
    return [name for name in services if name.lower() not in running]


def _short(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
