"""Puts a site's servers into Operations Manager's maintenance mode during the work, always with an end time.

Undo ends it early once the services run again. Whatever else happens (the control host dies, the site starts by itself), it
expires.
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
"""Operations Manager accepts nothing shorter (Microsoft, hh918505: "cannot be in maintenance mode for fewer than five minutes")."""
LONGEST = timedelta(minutes=1_051_200)
"""Nor longer: two years (Microsoft Learn, "suspend monitoring temporarily by using maintenance mode")."""
FAILURES = (UnreachableError, AuthError, RemoteError)


class MaintenanceParams(Params):
    """Which site, and for how long."""

    site: SiteFacts
    """The site: its server and, if the database is on another machine, that machine."""
    duration: Annotated[Duration, Field(ge=SHORTEST, le=LONGEST)]
    """After this time it ends by itself. Make it longer than the work can take: nothing extends it."""
    comment: Annotated[str, Field(max_length=200)] = ""
    """What the console shows; the run's id is added."""
    wait: Duration = timedelta(0)
    """How long to wait after its start: agents receive it with their next configuration, up to minutes later."""
    how: MaintenanceMethod | Literal["none"] | None = None
    """The method for all hosts of the site; default: the variable ``maintenance`` of each."""


class MaintenanceIntent(Record):
    """What is being started, under the mark of the run."""

    version: Literal[1] = 1
    run: str
    targets: tuple[MonitoredComputer, ...]
    minutes: int
    comment: str
    services: tuple[str, ...]
    """The site's services that ran before: all must run again before it ends early."""
    until: str
    """When it ends by itself (about), ISO 8601, by our clock."""


class MaintenanceState(Record):
    """One computer."""

    host: str
    computer: str
    kind: str
    until: str = ""
    """ISO 8601, UTC, by the clock of the management server; for an agent, the latest moment at which it ends."""
    already: bool = False
    """Somebody else started it: it stays as it is."""


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
                    hint="set `maintenance: none` for this host, or set `monitored_as` to its name in Operations Manager",
                )
            other = row is not None and row["On"] and not _is_passing(str(row["Comment"]), ctx.run_id, row)
            if other and row is not None:
                states.append(_state(one, row["Until"], already=True))
                said.append(f"{one.computer} is already in maintenance mode until {_short(row['Until'])}: not changed")
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
                        f"{one.computer}: only {row['Inside']} of its {row['Objects']} objects are in it, so alerts are possible",
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
                    f"{one.computer}: its agent was asked; it reports no result, and its maintenance mode cannot be ended early",
                )
        if params.wait:
            ctx.clock.sleep(params.wait.total_seconds(), ctx.stop)
        known = tuple(begun.get(state.computer, state) for state in states)
        now = ", ".join(f"{one.computer} until {_short(one.until)}" for one in begun.values())
        return MaintenanceResult(changed=True, hosts=known, msg="; ".join([f"in maintenance mode: {now}", *said]))

    def in_place(self, ctx: Context, intent: MaintenanceIntent, outcome: MaintenanceResult, generation: int) -> bool:
        if ctx.clock.now() + SHORTEST > datetime.fromisoformat(intent.until):
            return False  # it would end during the remaining work
        rows = ask(ctx, intent.targets)
        return all(row["On"] and _is_ours(str(row["Comment"]), intent.run) for row in rows)

    def undo(self, ctx: Context, intent: MaintenanceIntent, outcome: MaintenanceResult | None) -> str:
        down = _find_stopped(ctx, intent.services)
        if down:  # if monitoring starts now, a site that stays down might look like one that never ran
            return f"maintenance mode stays until {_short(intent.until)}, because these services do not run: {', '.join(down)}"
        said = []
        for server, kind, targets in by_server(intent.targets):
            names = ", ".join(one.computer for one in targets)
            try:
                rows = end(ctx, server, kind, targets, intent.run)
            except FAILURES as error:  # it ends by itself anyway: no reason to fail a site that works
                said.append(
                    f"{names}: maintenance mode stays until {_short(intent.until)}, because {server} could not end it: {error.message}"
                )
                continue
            ours = [row for row in rows if row["On"] and _is_ours(str(row["Comment"]), intent.run)]
            said += [f"{row['Computer']}: maintenance mode ends at {_short(row['Until'])}" for row in ours]
            if not ours:
                said.append(f"{names}: no maintenance mode of this run exists any more")
        agents = [one.computer for one in intent.targets if one.how.kind == "agent"]
        if agents:
            said.append(
                f"{', '.join(agents)}: maintenance mode of an agent cannot be ended early; it ends by {_short(intent.until)}"
            )
        return "; ".join(said)


def _targets(ctx: Context, params: MaintenanceParams) -> tuple[list[MonitoredComputer], list[str]]:
    """The monitored computers of the site, and notes about the others."""
    database = params.site.database
    hosts = [ctx] if database is None or database.host == ctx.host else [ctx, ctx.of(database.host)]
    targets: list[MonitoredComputer] = []
    said: list[str] = []
    own: MaintenanceMethod | None = None
    for where in hosts:
        how = (
            find_method(where, params.how) or own
        )  # a database host is monitored like its site, unless its own variable is set
        if how is None:
            raise explain_undeclared(where.host)
        own = how
        if how.kind == "none":
            said.append(f"{where.host} is not monitored (maintenance: none)")
        else:
            targets.append(MonitoredComputer(host=where.host, computer=computer_of(where), how=how))
    return targets, said


def _prove(one: MonitoredComputer, row: dict[str, Any], run: str) -> MaintenanceState:
    if not row["On"]:
        raise RemoteError(
            f"{one.how.management_server} accepted the request, but {one.computer} is not in maintenance mode",
            host=one.host,
            hint="check that the account is an operator for this computer; read the Operations Manager event log",
        )
    return _state(one, row["Until"], already=not _is_ours(str(row["Comment"]), run))


def _state(one: MonitoredComputer, until: str, *, already: bool = False) -> MaintenanceState:
    return MaintenanceState(host=one.host, computer=one.computer, kind=one.how.kind, until=until, already=already)


def _is_ours(comment: str, run: str) -> bool:
    return comment.endswith(f" [sitekeeper {run}]")


def _is_passing(comment: str, run: str, row: dict[str, Any]) -> bool:
    """Whether a mode belongs to this run, or is in the last minute of an earlier run: Start-SkMaintenance takes over both."""
    left = datetime.fromisoformat(row["Until"]) - datetime.fromisoformat(row["Now"])
    return _is_ours(comment, run) or (" [sitekeeper " in comment and left <= timedelta(minutes=1))


def _find_stopped(ctx: Context, services: tuple[str, ...]) -> list[str]:
    if not services:
        return []
    where = " OR ".join(f"Name='{name}'" for name in services)
    rows = ctx.ps.call("Get-WmiObject", Query=f"SELECT Name,State FROM Win32_Service WHERE {where}")  # noqa: S608 - names that Windows returned
    running = {str(row["Name"]).lower() for row in rows if row["State"] == "Running"}
    return [name for name in services if name.lower() not in running]


def _short(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
