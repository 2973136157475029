"""Services: whatever goes wrong, what ran before runs again, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest

from sitekeeper.engine.errors import (
    RemoteError,
    RemoteTimeoutError,
    UndoError,
    UnreachableError,
    UsageError,
)
from sitekeeper.windows.service import Service, ServiceIntent, ServiceParams

from .conftest import Stand

CM, EXEC = "SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE"
WAIT = {"timeout": "60s", "undo_timeout": "120s", "settle": "4s"}


def wanted(*names: str, state: str = "stopped", **more: Any) -> ServiceParams:
    return ServiceParams.model_validate({"names": names or (CM, EXEC), "state": state, **WAIT, **more})


def planned(stand: Any, *names: str, state: str = "stopped", **more: Any) -> Any:
    return Service().plan(stand.ctx, wanted(*names, state=state, **more))


def stop(stand: Any, *names: str) -> ServiceIntent:
    plan = planned(stand, *names)
    Service().apply(stand.ctx, wanted(*names), plan)
    assert isinstance(plan.intent, ServiceIntent)
    return plan.intent


def with_site(intent: ServiceIntent) -> ServiceIntent:
    return intent.model_copy(update={"drive": "D", "path": "SMS"})


def test_stopped_in_order_and_put_back_in_the_component_managers_order(stand: Any) -> None:
    intent = stop(stand)
    assert stand.states == {CM: "Stopped", EXEC: "Stopped"}
    said = Service().undo(stand.ctx, with_site(intent), None)
    assert stand.states == {CM: "Running", EXEC: "Running"}
    assert stand.host.controls == [
        (CM, "StopService"),
        (EXEC, "StopService"),
        (CM, "StartService"),
        (EXEC, "StartService"),
    ]
    offline = stand.ctx.offline
    assert 0 < offline.seconds < 30
    assert f"offline for {offline.seconds:.1f} s" in said


def test_put_back_twice(stand: Any) -> None:
    intent = with_site(stop(stand))
    Service().undo(stand.ctx, intent, None)
    seconds = stand.ctx.offline.seconds
    starts = len(stand.host.controls)
    Service().undo(stand.ctx, intent, None)
    assert len(stand.host.controls) == starts
    assert stand.ctx.offline.seconds >= seconds


@pytest.mark.parametrize("name", ["sms_site_backup", "sms_site_vss_writer", "sqlwriter", "vss"])
def test_what_makes_the_backup_is_never_stopped(stand: Stand, name: str) -> None:
    for spelled in (name, name.upper(), name.title()):
        with pytest.raises(UsageError, match="must not be stopped"):
            planned(stand, EXEC, spelled)


@pytest.mark.parametrize("name", ["x' OR Name='SQLWriter", "a%", 'a"', "a\\b", ""])
def test_a_name_that_is_none(stand: Stand, name: str) -> None:
    with pytest.raises(UsageError, match="invalid service name"):
        planned(stand, name)


def test_a_service_that_does_not_exist(stand: Stand) -> None:
    with pytest.raises(RemoteError, match="service Spooler does not exist"):
        planned(stand, CM, "Spooler")


def test_nothing_to_do(stand: Stand) -> None:
    for unit in stand.host.units.values():
        unit.state, unit.pid = "Stopped", 0
    plan = planned(stand)
    assert plan.changes == ()
    assert "already" in plan.result.msg


def test_what_did_not_run_before_does_not_run_after(stand: Any) -> None:
    stand.host.units[EXEC].state = "Stopped"
    intent = stop(stand)
    Service().undo(stand.ctx, intent, None)
    assert stand.states == {CM: "Running", EXEC: "Stopped"}


def test_a_paused_service_is_started_again(stand: Any) -> None:
    stand.host.units[EXEC].state = "Paused"
    intent = stop(stand)
    assert stand.states[EXEC] == "Stopped"
    Service().undo(stand.ctx, intent, None)
    assert stand.states[EXEC] == "Running"


@pytest.mark.parametrize(
    ("code", "says"), [(2, "access denied"), (3, "depend on it"), (14, "disabled"), (99, "code 99")]
)
def test_windows_refuses_to_stop_the_second_and_the_first_runs_again(stand: Stand, code: int, says: str) -> None:
    stand.host.units[EXEC].stop_code = code
    with pytest.raises(RemoteError, match=says):
        stop(stand)
    assert stand.states == {CM: "Running", EXEC: "Running"}
    assert (CM, "StartService") in stand.host.controls


def test_not_now_while_it_still_runs_is_a_refusal(stand: Stand) -> None:
    stand.host.units[CM].stop_code = 5
    with pytest.raises(RemoteError, match="does not accept"):
        stop(stand)
    assert stand.states == {CM: "Running", EXEC: "Running"}


def test_a_stop_that_takes_too_long_is_waited_out_and_put_back(stand: Stand) -> None:
    stand.host.units[EXEC].stop_takes = 100
    with pytest.raises(RemoteTimeoutError, match="did not stop in time"):
        stop(stand)
    assert stand.states == {CM: "Running", EXEC: "Running"}


def test_a_stop_that_is_under_way_already_is_waited_out(stand: Stand) -> None:
    stand.host.units[EXEC].state, stand.host.units[EXEC].due = "Stop Pending", stand.ctx.clock.at + 10
    stop(stand)
    assert stand.host.controls == [(CM, "StopService")]


def test_a_service_that_hangs_for_good_is_named_and_not_killed(stand: Any) -> None:
    intent = stop(stand)
    stand.host.units[EXEC].state = "Stop Pending"
    with pytest.raises(UndoError, match="SMS_EXECUTIVE did not reach a stable state"):
        Service().undo(stand.ctx, intent, None)
    assert stand.states[CM] == "Running"
    assert {method for _, method in stand.host.controls} == {"StopService", "StartService"}


def test_one_that_cannot_be_started_keeps_no_other_down(stand: Any) -> None:
    intent = stop(stand)
    stand.host.units[CM].start_code = 15
    with pytest.raises(RemoteError, match="logon failed"):
        Service().undo(stand.ctx, intent, None)
    assert stand.states == {CM: "Stopped", EXEC: "Running"}


def test_one_that_dies_after_its_start_is_started_again(stand: Any) -> None:
    intent = with_site(stop(stand))
    stand.host.units[CM].dies = 2
    Service().undo(stand.ctx, intent, None)
    assert stand.host.controls.count((CM, "StartService")) == 3


def test_one_that_dies_while_the_site_settles(stand: Any) -> None:
    intent = with_site(stop(stand))
    died: list[float] = []

    def die(now: float) -> None:
        unit = stand.host.units[EXEC]
        if unit.state == "Running" and stand.host.units[CM].state == "Running" and not died:
            died.append(now)
            unit.state, unit.pid = "Stopped", 0

    stand.ctx.clock.on_tick.append(die)
    Service().undo(stand.ctx, intent, None)
    assert died
    assert stand.states == {CM: "Running", EXEC: "Running"}
    assert stand.ctx.offline.seconds >= died[0] - stand.ctx.offline.clock


def test_a_lease_that_somebody_had_meanwhile_leaves_nothing_stopped(stand: Any, lease_lost: Any) -> None:
    intent = stop(stand)
    stand.host.failures["StartService"] = [lease_lost()]
    Service().undo(stand.ctx, intent, None)
    assert stand.states == {CM: "Running", EXEC: "Running"}
    assert stand.ctx.lease.taken == 1


def test_lost_while_stopping_it_is_put_back_at_once(stand: Stand) -> None:
    stand.host.failures["StopService"] = [UnreachableError("lost")]
    with pytest.raises(UnreachableError):
        stop(stand)
    assert stand.states == {CM: "Running", EXEC: "Running"}


def test_putting_back_that_fails_is_told_with_the_first_error(stand: Stand) -> None:
    stand.host.units[EXEC].stop_code = 2
    stand.host.failures["StartService"] = [UnreachableError("lost for good")]
    with pytest.raises(RemoteError, match="access denied") as told:
        stop(stand)
    assert "lost for good" in str(told.value.hint)


def test_the_offline_window_of_two_tasks_is_one(stand: Any) -> None:
    first = stop(stand, CM)
    began = stand.ctx.offline.clock
    stand.ctx.clock.sleep(100)
    second = stop(stand, EXEC)
    Service().undo(stand.ctx, second, None)
    short = stand.ctx.offline.seconds
    stand.ctx.clock.sleep(50)
    Service().undo(stand.ctx, first, None)
    offline = stand.ctx.offline
    assert offline.clock == began
    assert 100 < short < offline.seconds
    stop(stand, CM)
    assert stand.ctx.offline.is_open
    assert stand.ctx.offline.clock > began


def test_started_is_taken_back_too(stand: Any) -> None:
    stand.host.units[EXEC].state, stand.host.units[EXEC].pid = "Stopped", 0
    plan = planned(stand, state="started")
    Service().apply(stand.ctx, wanted(state="started"), plan)
    assert stand.states == {CM: "Running", EXEC: "Running"}
    Service().undo(stand.ctx, plan.intent, None)
    assert stand.states == {CM: "Running", EXEC: "Stopped"}


def test_one_that_was_restarted_by_somebody_settles_from_then_on(stand: Any) -> None:
    """It ran at every look, but not as the same process: the four seconds begin again with the newest one."""
    intent = with_site(stop(stand))
    looks: list[float] = []
    call = stand.host.call

    def restarted(command: str, /, **args: Any) -> list[Any]:
        if command == "Get-WmiObject" and stand.states == {CM: "Running", EXEC: "Running"}:
            looks.append(stand.host.clock.at)
            if len(looks) < 8:
                stand.host.units[EXEC].pid += 100
        return list(call(command, **args))

    stand.host.call = restarted
    Service().undo(stand.ctx, intent, None)
    assert stand.host.clock.at - looks[6] >= 4.0


def test_the_guard_covers_what_ran_and_is_stopped(stand: Any) -> None:
    stand.host.units[CM].state = "Stopped"
    intent = planned(stand).intent
    assert Service().covers(intent).services == (EXEC,)
    assert Service().covers(planned(stand, state="started").intent).services == ()


def test_a_log_that_does_not_grow_is_no_settled_site(stand: Any) -> None:
    intent = with_site(stop(stand))
    stand.host.log_grows = False
    with pytest.raises(UndoError, match="log does not grow"):
        Service().undo(stand.ctx, intent, None)
    assert stand.states == {CM: "Running", EXEC: "Running"}


def test_a_log_that_grew_before_we_looked_or_was_begun_anew_has_grown(stand: Any) -> None:
    for after in (150, 3):
        intent = with_site(stop(stand))
        stand.host.log, stand.host.log_grows = 100, False

        def write(_: float, after: int = after) -> None:
            if stand.host.units[CM].state == "Start Pending":
                stand.host.log = after

        stand.ctx.clock.on_tick[:] = [write]
        Service().undo(stand.ctx, intent, None)
        assert stand.states == {CM: "Running", EXEC: "Running"}


def test_an_inbox_that_only_rises(stand: Any) -> None:
    intent = with_site(stop(stand))
    stand.host.inboxes = {"sitectrl.box": [1], "ddm.box": list(range(1000))}
    with pytest.raises(UndoError, match=r"inbox ddm\.box only grows"):
        Service().undo(stand.ctx, intent, None)


def test_an_inbox_that_falls_once_is_being_worked_on(stand: Any) -> None:
    intent = with_site(stop(stand))
    stand.host.inboxes = {"ddm.box": [1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 9]}
    Service().undo(stand.ctx, intent, None)


def test_a_host_that_cannot_measure_its_inboxes_gets_its_services_back_all_the_same(stand: Any) -> None:
    intent = with_site(stop(stand))
    stand.host.measure_fails = RemoteError("no such folder")
    with pytest.raises(RemoteError, match="no such folder"):
        Service().undo(stand.ctx, intent, None)
    assert stand.states == {CM: "Running", EXEC: "Running"}
