"""The lab's management server: what its cmdlets put into maintenance mode, until when, and what raises an alert."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.lab.conftest import LabSession

from sitekeeper_lab.clock import LabClock
from sitekeeper_lab.engines.api import Command
from sitekeeper_lab.host import Host
from sitekeeper_lab.opsmgr.group import CLASSES, COMPUTER, HEALTH_SERVICE, WATCHER, read_group
from sitekeeper_lab.opsmgr.monitoring import watch
from sitekeeper_lab.windows.services import ServiceControl

Make = Callable[..., Command]
PR2 = "PR2.lab.example"


@pytest.fixture
def chain(lab_command: Make) -> Callable[..., tuple[Command, ...]]:
    """Get-SCOMClass | Get-SCOMClassInstance | what is given: objects never leave the server, as with the real ones."""

    def make(class_name: str, *more: Command) -> tuple[Command, ...]:
        return lab_command("Get-SCOMClass", Name=class_name), lab_command("Get-SCOMClassInstance"), *more

    return make


def later(clock: LabClock, minutes: float) -> str:
    return (clock.now() + timedelta(minutes=minutes)).isoformat()


def inside(host: Host, computer: str = PR2) -> set[str]:
    """Classes of a computer's objects that are in maintenance mode."""
    group = host.management
    assert group is not None
    return {one.class_name for one in group.content.objects if one.computer == computer and group.window(one)}


def test_scom_takes_all_of_a_computer_along_and_it_expires(
    lab_session: Callable[[str], LabSession],
    lab_command: Make,
    lab_clock: LabClock,
    chain: Callable[..., tuple[Command, ...]],
) -> None:
    session = lab_session("OPS1")
    start = lab_command("Start-SCOMMaintenanceMode", EndTime=later(lab_clock, 10), Reason="PlannedOther", Comment="x")
    assert session.run(chain(COMPUTER, start)).failed is None
    assert inside(session.host) == set(CLASSES)
    assert read_group(session.host.folder).windows[0].comment == "x"
    lab_clock.advance(601)
    assert inside(session.host) == set()


def test_an_end_is_set_for_one_object_only(
    lab_session: Callable[[str], LabSession],
    lab_command: Make,
    lab_clock: LabClock,
    chain: Callable[..., tuple[Command, ...]],
) -> None:
    """As people found with the real Set-SCOMMaintenanceMode."""
    session = lab_session("OPS1")
    session.run(chain(COMPUTER, lab_command("Start-SCOMMaintenanceMode", EndTime=later(lab_clock, 10))))
    shorten = lab_command("Set-SCOMMaintenanceMode", EndTime=later(lab_clock, 1), Comment="over")
    assert session.run(chain(COMPUTER, lab_command("Get-SCOMMaintenanceMode"), shorten)).failed is None
    lab_clock.advance(61)
    assert inside(session.host) == set(CLASSES) - {COMPUTER}


def test_a_window_says_when_and_why(
    lab_session: Callable[[str], LabSession],
    lab_command: Make,
    lab_clock: LabClock,
    chain: Callable[..., tuple[Command, ...]],
) -> None:
    session = lab_session("OPS1")
    until = later(lab_clock, 10)
    session.run(chain(COMPUTER, lab_command("Start-SCOMMaintenanceMode", EndTime=until, Comment="why")))
    windows = session.run(chain(WATCHER, lab_command("Get-SCOMMaintenanceMode"))).output
    assert {(one.extended["ScheduledEndTime"], one.extended["Comments"]) for one in windows} == {
        (datetime.fromisoformat(until), "why")
    }


def test_each_generation_has_its_own_cmdlets(lab_session: Any, lab_command: Any) -> None:
    session = lab_session("OPS1")
    assert session("Get-MonitoringClass", Name=COMPUTER).failed.error_id == "CommandNotFoundException"
    assert lab_session("PR2")("Get-SCOMClass", Name=COMPUTER).failed.error_id == "CommandNotFoundException"
    for unknown in ({"Id": "x"}, {}):
        assert session("Get-SCOMClass", **unknown).failed.error_id == "EmulatorNotImplemented"
    refused = session.run(lab_command("Start-SCOMMaintenanceMode", Instance=["PR2"], EndTime="2030-01-01"))
    assert refused.failed.error_id == "EmulatorNotImplemented"


def test_2007_takes_neither_health_service_nor_watcher_along(
    lab_hierarchy: Any,
    lab_clock: Any,
    tmp_path: Path,
    lab_command: Any,
    lab_session: Any,
) -> None:
    spec = lab_hierarchy.hosts["OPS1"].model_copy(update={"opsmgr": "opsmgr2007"})
    lab_hierarchy.hosts["OPS1"] = spec  # the fixture that makes hosts has the same
    session = lab_session("OPS1")
    begun, until = later(lab_clock, 0), later(lab_clock, 10)
    said = session.run(
        (
            lab_command("Get-MonitoringClass", Name=COMPUTER),
            lab_command("Get-MonitoringObject", Criteria=f"PrincipalName='{PR2}'"),
            lab_command("New-MaintenanceWindow", StartTime=begun, EndTime=until, Comment="x"),
        )
    )
    assert said.failed is None
    assert not inside(session.host) & {HEALTH_SERVICE, WATCHER}
    assert COMPUTER in inside(session.host)
    assert inside(session.host, "CEN.lab.example") == set()
    assert session("Get-MonitoringObject", Criteria="Name LIKE 'x'").failed.error_id == "EmulatorNotImplemented"


def test_alerts_are_of_monitored_automatic_services(lab_host: Any, lab_clock: Any) -> None:
    management, site = lab_host("OPS1"), lab_host("PR2")
    group = management.management
    watch(group, [site])
    control = ServiceControl(site)
    control.restart("BITS")  # starts by hand: nobody misses it
    control.put_down("BITS")
    assert group.content.alerts == []
    control.put_down("SMS_EXECUTIVE")
    (alert,) = read_group(management.folder).alerts
    assert (alert.computer, alert.service) == (PR2, "SMS_EXECUTIVE")
    group.start(group.instances(COMPUTER), lab_clock.now() + timedelta(minutes=5), "PlannedOther", "x")
    control.restart("SMS_EXECUTIVE")
    control.put_down("SMS_EXECUTIVE")
    assert len(group.content.alerts) == 1
    lab_clock.advance(301)
    control.restart("SMS_EXECUTIVE")
    control.put_down("SMS_EXECUTIVE")
    assert len(read_group(management.folder).alerts) == 2


def test_what_is_on_stays_and_what_is_off_has_no_end(lab_host: Any, lab_clock: Any) -> None:
    group = lab_host("OPS1").management
    one = group.instances(COMPUTER)[0]
    with pytest.raises(LookupError):
        group.set_end(one, lab_clock.now(), None)
    group.start([one], lab_clock.now() + timedelta(hours=1), "PlannedOther", "first")
    group.start([one], lab_clock.now() + timedelta(hours=9), "PlannedOther", "second")
    assert group.window(one).comment == "first"


def test_a_group_is_taken_up_again_from_disk(lab_host: Any, lab_clock: Any) -> None:
    host = lab_host("OPS1")
    host.management.start(
        host.management.instances(COMPUTER)[:1], lab_clock.now() + timedelta(hours=1), "PlannedOther", "x"
    )
    again = lab_host("OPS1")
    assert again.management.window(again.management.instances(COMPUTER)[0]).comment == "x"
