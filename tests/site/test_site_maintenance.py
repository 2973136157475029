"""site.maintenance against a stand-in for a management server: what it sends, what it leaves alone, how it is taken back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from threading import Event
from typing import Any, cast

import pytest

from sitekeeper.engine.errors import (
    ErrorRecord,
    InventoryError,
    LimitError,
    RemoteError,
    SitekeeperError,
    UnreachableError,
    UsageError,
)
from sitekeeper.engine.language.validation import validate_params
from sitekeeper.engine.origin import Origins
from sitekeeper.model.site import Machine, ServiceFacts, SiteDatabase, SiteFacts
from sitekeeper.site.maintenance import Maintenance, MaintenanceIntent, MaintenanceParams, MaintenanceResult

NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)
SCOM = {"management_server": "OPS1", "kind": "scom"}
RUN = "20261124-030000-abcdef"


@dataclass
class Clock:
    at: float = 0.0

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        self.at += seconds


@dataclass
class Server:
    """A management server's session: modes by computer as (until, comment). Its clock is an hour ahead of ours."""

    clock: Clock
    known: set[str] = field(default_factory=lambda: {"PR1.corp.example", "SQL1.corp.example"})
    modes: dict[str, tuple[dt.datetime, str]] = field(default_factory=dict)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failures: list[SitekeeperError] = field(default_factory=list)
    deaf: bool = False
    closed: int = 0

    def now(self) -> dt.datetime:
        return self.clock.now() + dt.timedelta(hours=1)

    def call(self, command: str, /, **args: Any) -> list[Any]:
        assert command == "Get-SkMaintenance"
        return [self._row(name) for name in args["Computer"]]

    def _row(self, name: str) -> dict[str, Any]:
        until, comment = self.modes.get(name, (self.now(), ""))
        on = until > self.now()
        return {
            "Computer": name,
            "Objects": 3 if name in self.known else 0,
            "On": on,
            "Inside": 3 if on else 0,
            "Until": until.isoformat() if on else "",
            "Comment": comment if on else "",
            "Now": self.now().isoformat(),
        }

    def change_beside(self, home: Any, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        home.change("Write-Output", InputObject="fence")
        self.sent.append((command, args))
        if self.failures:
            raise self.failures.pop(0)
        assert dt.datetime.fromisoformat(args["NotAfter"]) == self.now() + dt.timedelta(seconds=60)
        assert args["NotAfter"].endswith("Z")
        for name in args["Computer"]:
            until, comment = self.modes.get(name, (self.now(), ""))
            on, ours = until > self.now(), comment.endswith(f" [sitekeeper {args['Run']}]")
            if command == "Start-SkMaintenance" and not self.deaf and (not on or "[sitekeeper " in comment):
                end = self.now() + dt.timedelta(minutes=args["Minutes"])
                self.modes[name] = (end, f"{args['Comment']} [sitekeeper {args['Run']}]")
            elif command == "Stop-SkMaintenance" and on and ours:
                self.modes[name] = (min(until, self.now() + dt.timedelta(minutes=1)), comment)
        return self.call("Get-SkMaintenance", Computer=args["Computer"])

    def close(self) -> None:
        self.closed += 1


@dataclass
class Host:
    """A site server's or database host's session."""

    name: str
    states: dict[str, str] = field(
        default_factory=lambda: {"SMS_SITE_COMPONENT_MANAGER": "Running", "SMS_EXECUTIVE": "Running"}
    )
    changes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lost: bool = False

    def call(self, command: str, /, **args: Any) -> list[Any]:
        assert command == "Get-WmiObject"
        if "Query" in args:
            return [
                {"Name": name, "State": state} for name, state in self.states.items() if f"'{name}'" in args["Query"]
            ]
        return [{"Name": self.name, "Domain": "corp.example", "PartOfDomain": True}]

    def change(self, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        if self.lost:
            raise LimitError("the lease of this host was lost")
        self.changes.append((command, args))
        return []

    def change_beside(self, home: Any, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        home.change("Write-Output", InputObject="fence")
        return self.change(command, **args)


@dataclass
class Ctx:
    """What the module gets."""

    host: str
    ps: Any
    clock: Clock
    vars: dict[str, Any]
    run_id: str = RUN
    others: dict[str, Any] = field(default_factory=dict)
    stop: Event = field(default_factory=Event)

    def of(self, host: str) -> Any:
        return self.others[host]


def facts(database_host: str | None = None) -> Any:
    """Only what the module looks at."""
    sites: Any = SiteFacts
    databases: Any = SiteDatabase
    machine = Machine(
        name="PR1", caption="", version="6.3.9600", language=1033, installed="", booted="", guid="g", x64=True
    )
    database = None if database_host is None else databases.model_construct(host=database_host)
    names = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
    return sites.model_construct(
        code="PR1",
        machine=machine,
        database=database,
        services_to_stop=names,
        services=tuple(ServiceFacts(name=name, state="Running", start_mode="Auto", pid=8) for name in names),
    )


@dataclass
class Stand:
    ctx: Any
    site: Host
    server: Server
    module: Maintenance = field(default_factory=Maintenance)

    def plan(self, site: Any = None, **params: Any) -> Any:
        return self.module.plan(self.ctx, self.params(site, **params))

    def params(self, site: Any = None, **params: Any) -> MaintenanceParams:
        given = {"duration": "45m", "comment": "backup", **params}
        read = validate_params(Maintenance, {"site": site or facts(), **given}, cast("Origins", NoOrigins()))
        assert isinstance(read, MaintenanceParams)
        return read

    def begun(self, **params: Any) -> tuple[MaintenanceIntent, MaintenanceResult]:
        plan = self.plan(**params)
        return plan.intent, self.apply(plan, **params)

    def apply(self, plan: Any, **params: Any) -> MaintenanceResult:
        return self.module.apply(self.ctx, self.params(**params), plan)


class NoOrigins:
    """The task stands in no file."""

    def of(self, *_: Any) -> None:
        return None


@pytest.fixture
def stand() -> Stand:
    clock = Clock()
    site, server = Host("PR1"), Server(clock)
    ctx = Ctx("PR1", site, clock, {"maintenance": SCOM})
    ctx.others = {"OPS1": Ctx("OPS1", server, clock, {}), "SQL1": Ctx("SQL1", Host("SQL1"), clock, {})}
    return Stand(ctx, site, server)


def test_begun_and_ended(stand: Stand) -> None:
    plan = stand.plan()
    assert [str(change) for change in plan.changes] == ["maintenance of PR1.corp.example: off -> on for 45 min"]
    result = stand.apply(plan)
    assert [one.until for one in result.hosts] == [(NOW + dt.timedelta(hours=1, minutes=45)).isoformat()]
    assert stand.server.modes["PR1.corp.example"][1] == f"backup [sitekeeper {RUN}]"
    said = stand.module.undo(stand.ctx, plan.intent, result)
    assert "ends at 2026-11-24 04:01 UTC" in said
    assert stand.server.modes["PR1.corp.example"][0] == NOW + dt.timedelta(hours=1, minutes=1)
    assert [command for command, _ in stand.site.changes] == ["Write-Output"] * 2  # the site's fence, each time
    assert stand.server.closed == 2


def test_undo_twice_without_outcome_and_of_nothing(stand: Stand) -> None:
    intent, _ = stand.begun()
    assert stand.module.undo(stand.ctx, intent, None) == stand.module.undo(stand.ctx, intent, None)
    stand.ctx.clock.at += 61
    assert "no maintenance mode of this run exists any more" in stand.module.undo(stand.ctx, intent, None)
    stand.server.modes.clear()
    assert "no maintenance mode of this run exists any more" in stand.module.undo(stand.ctx, intent, None)


def test_the_intent_comes_back_from_json(stand: Stand) -> None:
    intent, _ = stand.begun(site=facts("SQL1"))
    again = MaintenanceIntent.model_validate_json(intent.model_dump_json())
    assert again == intent
    assert [one.computer for one in again.targets] == ["PR1.corp.example", "SQL1.corp.example"]


def test_a_service_that_does_not_run_leaves_it_to_expire(stand: Stand) -> None:
    intent, result = stand.begun()
    stand.site.states["SMS_EXECUTIVE"] = "Stopped"
    said = stand.module.undo(stand.ctx, intent, result)
    assert said == "maintenance mode stays until 2026-11-24 03:45 UTC, because these services do not run: SMS_EXECUTIVE"
    assert stand.server.modes["PR1.corp.example"][0] == NOW + dt.timedelta(hours=1, minutes=45)


def test_what_was_stopped_before_need_not_run(stand: Stand) -> None:
    site = facts()
    services = tuple(one.model_copy(update={"state": "Stopped"}) for one in site.services)
    intent, result = stand.begun(site=site.model_copy(update={"services": services}))
    stand.site.states.clear()
    assert "ends at" in stand.module.undo(stand.ctx, intent, result)


def test_a_server_that_is_gone_at_the_end_fails_no_site(stand: Stand) -> None:
    intent, result = stand.begun()
    stand.server.failures = [UnreachableError("no route") for _ in range(3)]
    said = stand.module.undo(stand.ctx, intent, result)
    assert (
        said
        == "PR1.corp.example: maintenance mode stays until 2026-11-24 03:45 UTC, because OPS1 could not end it: no route"
    )
    stand.server.failures = [UnreachableError("no route")]
    assert "ends at" in stand.module.undo(stand.ctx, intent, result)


def test_who_was_suspended_in_between_is_too_late(stand: Stand) -> None:
    late = RemoteError("SkTooLate", record=ErrorRecord("SkTooLate", "SkTooLate,Start-SkMaintenance", 14))
    plan = stand.plan()
    stand.server.failures = [late]
    with pytest.raises(RemoteError, match="the request reached OPS1 too late, and it did nothing"):
        stand.apply(plan)
    stand.apply(plan)
    stand.server.failures = [late]  # and to end it is asked again, with the site's consent
    assert "ends at" in stand.module.undo(stand.ctx, plan.intent, None)


def test_who_lost_the_site_changes_nothing_on_its_server(stand: Stand) -> None:
    plan = stand.plan()
    stand.site.lost = True
    with pytest.raises(LimitError):
        stand.apply(plan)
    with pytest.raises(LimitError):
        stand.module.undo(stand.ctx, plan.intent, None)
    assert stand.server.sent == []


def test_a_mode_of_somebody_else(stand: Stand) -> None:
    until = NOW + dt.timedelta(hours=9)
    stand.server.modes["PR1.corp.example"] = (until, "patches")
    plan = stand.plan()
    assert plan.changes == ()
    assert plan.result.hosts[0].already
    assert "already in maintenance mode until 2026-11-24 12:00 UTC: not changed" in plan.result.msg
    # And of one host only: the other is begun, and only that is taken back.
    intent, result = stand.begun(site=facts("SQL1"))
    assert [one.already for one in result.hosts] == [True, False]
    stand.module.undo(stand.ctx, intent, result)
    assert stand.server.modes["PR1.corp.example"] == (until, "patches")
    assert stand.server.modes["SQL1.corp.example"][0] == NOW + dt.timedelta(hours=1, minutes=1)


@pytest.mark.parametrize(
    ("comment", "left", "taken"),
    [(f"x [sitekeeper {RUN}]", 600, True), ("x [sitekeeper other]", 50, True), ("x [sitekeeper other]", 600, False)],
)
def test_our_own_and_the_last_minute_of_an_earlier_run_go_on(
    stand: Stand, comment: str, left: int, taken: bool
) -> None:
    stand.server.modes["PR1.corp.example"] = (stand.server.now() + dt.timedelta(seconds=left), comment)
    assert bool(stand.plan().changes) == taken


def test_a_server_that_does_nothing_is_found_out(stand: Stand) -> None:
    stand.server.deaf = True
    with pytest.raises(RemoteError, match="is not in maintenance mode"):
        stand.begun()


def test_a_computer_that_is_not_monitored(stand: Stand) -> None:
    stand.server.known.clear()
    with pytest.raises(InventoryError, match=r"OPS1 does not monitor PR1\.corp\.example"):
        stand.plan()
    stand.server.known.add("cluster7")
    stand.ctx.vars["monitored_as"] = "cluster7"
    assert stand.begun()[1].hosts[0].computer == "cluster7"


def test_waiting_for_the_agents(stand: Stand) -> None:
    stand.begun(wait="2m")
    assert stand.ctx.clock.at == 120


def test_in_place_while_it_is_ours_and_lasts(stand: Stand) -> None:
    intent, result = stand.begun()
    assert stand.module.in_place(stand.ctx, intent, result, 7)
    stand.ctx.clock.at += 41 * 60
    assert not stand.module.in_place(stand.ctx, intent, result, 7)
    stand.ctx.clock.at = 0
    stand.server.modes["PR1.corp.example"] = (NOW + dt.timedelta(hours=9), "taken over")
    assert not stand.module.in_place(stand.ctx, intent, result, 7)


def test_agents_of_both_hosts(stand: Stand) -> None:
    stand.ctx.vars = {"maintenance": {"kind": "agent"}}
    intent, result = stand.begun(site=facts("SQL1"))
    asked = ("Start-SkAgentMaintenance", {"Minutes": 45, "Comment": "backup", "Run": RUN})
    assert stand.site.changes == [asked, ("Write-Output", {"InputObject": "fence"})]
    assert stand.ctx.of("SQL1").ps.changes == [asked]
    assert "it reports no result" in result.msg
    assert "cannot be ended early; it ends by 2026-11-24 03:45 UTC" in stand.module.undo(stand.ctx, intent, result)
    assert stand.server.sent == []


def test_declared_none(stand: Stand) -> None:
    stand.ctx.of("SQL1").vars["maintenance"] = "none"
    intent, result = stand.begun(site=facts("SQL1"))
    assert [one.host for one in intent.targets] == ["PR1"]
    assert "SQL1 is not monitored" in result.msg
    plan = stand.plan(how="none")
    assert (plan.changes, plan.intent) == ((), None)


def test_the_task_may_say_how(stand: Stand) -> None:
    stand.ctx.vars.clear()
    with pytest.raises(UsageError, match="variable maintenance is not set for PR1") as refused:
        stand.plan()
    assert refused.value.hint is not None
    assert "set maintenance in the inventory" in refused.value.hint
    assert stand.plan(how=SCOM).changes


@pytest.mark.parametrize(
    "how",
    ["scom", {"kind": "mom2005"}, {"kind": "agent", "management_server": "OPS1"}, {"kind": "opsmgr2007"}, ["none"], 7],
)
def test_ways_that_are_none(stand: Stand, how: Any) -> None:
    stand.ctx.vars = {"maintenance": how}
    with pytest.raises(InventoryError, match="maintenance is invalid"):
        stand.plan()
    with pytest.raises(UsageError, match="`how"):
        stand.plan(how=how)


def test_an_unknown_management_server(stand: Stand) -> None:
    with pytest.raises(UsageError, match="management_server OPS9 is not in the inventory"):
        stand.plan(how={**SCOM, "management_server": "OPS9"})


@pytest.mark.parametrize("duration", ["4m", "1h30", 45, "800d"])
def test_durations_that_are_refused(stand: Stand, duration: Any) -> None:
    with pytest.raises(UsageError):
        stand.plan(duration=duration)
