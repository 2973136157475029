from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sitekeeper_lab.clock import LabClock
from sitekeeper_lab.host import Host

EXECUTIVE, MANAGER = "SMS_EXECUTIVE", "SMS_SITE_COMPONENT_MANAGER"
Sessions = Callable[[str], Any]
Until = Callable[[Host, str, str], None]


def act(session: Any, method: str, service: str) -> int:
    said = session("Invoke-WmiMethod", Path=f"Win32_Service.Name='{service}'", Name=method)
    return int(said.output[0].adapted["ReturnValue"])


def test_stop_and_start_pass_through_their_pending_states(lab_session: Sessions, until: Until) -> None:
    session = lab_session("PR2")
    assert act(session, "StopService", "Spooler") == 0
    until(session.host, "Spooler", "Stopped")
    assert session.state.service("Spooler").pid == 0
    assert act(session, "StopService", "Spooler") == 5
    assert act(session, "StartService", "Spooler") == 0
    until(session.host, "Spooler", "Running")
    assert session.state.service("Spooler").pid > 0
    assert act(session, "StartService", "Spooler") == 10
    lines = [json.loads(line) for line in session.host.audit.path.read_text("utf-8").splitlines()]
    changes = [(line["from"], line["to"]) for line in lines if line.get("kind") == "service"]
    assert changes == [
        ("Running", "Stop Pending"),
        ("Stop Pending", "Stopped"),
        ("Stopped", "Start Pending"),
        ("Start Pending", "Running"),
    ]


def test_a_service_with_running_dependents_is_not_stopped(lab_session: Sessions) -> None:
    assert act(lab_session("PR2"), "StopService", "IISADMIN") == 3


def test_a_disabled_service_is_not_started(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.host.machine.services["BITS"].start_mode = "Disabled"
    assert act(session, "StartService", "BITS") == 14


def test_component_manager_brings_executive_back_unless_it_went_first(lab_session: Sessions, until: Until) -> None:
    session = lab_session("PR2")
    before = session.state.service(EXECUTIVE).pid
    act(session, "StopService", EXECUTIVE)
    until(session.host, EXECUTIVE, "Stopped")
    until(session.host, EXECUTIVE, "Running")
    assert session.state.service(EXECUTIVE).pid != before
    act(session, "StopService", MANAGER)
    until(session.host, MANAGER, "Stopped")
    act(session, "StopService", EXECUTIVE)
    until(session.host, EXECUTIVE, "Stopped")
    act(session, "StartService", MANAGER)
    until(session.host, EXECUTIVE, "Running")


def test_a_slow_stop_ends_when_the_clock_gets_there(lab_session: Sessions, lab_clock: LabClock, until: Until) -> None:
    session = lab_session("PR2")
    session.host.faults.add("slow_stop", service=MANAGER, seconds=1500)
    assert act(session, "StopService", MANAGER) == 0
    assert session.state.service(MANAGER).state == "Stop Pending"
    lab_clock.advance(1500)
    until(session.host, MANAGER, "Stopped")


@pytest.mark.parametrize(
    ("fault", "method", "state"),
    [
        ("stop_hangs", "StopService", "Stop Pending"),
        ("start_hangs", "StartService", "Start Pending"),
    ],
)
def test_a_hanging_service_stays_pending(
    lab_session: Sessions, lab_clock: LabClock, until: Until, fault: str, method: str, state: str
) -> None:
    session = lab_session("PR2")
    if method == "StartService":
        act(session, "StopService", "Spooler")
        until(session.host, "Spooler", "Stopped")
    session.host.faults.add(fault, service="Spooler")
    assert act(session, method, "Spooler") == 0
    lab_clock.advance(100_000)
    act(session, "StopService", "W3SVC")
    until(session.host, "W3SVC", "Stopped")  # whatever was due before has happened
    assert session.state.service("Spooler").state == state


def test_a_service_that_dies_after_its_start(lab_session: Sessions, until: Until) -> None:
    session = lab_session("PR2")
    act(session, "StopService", "Spooler")
    until(session.host, "Spooler", "Stopped")
    session.host.faults.add("start_and_die", service="Spooler")
    act(session, "StartService", "Spooler")
    until(session.host, "Spooler", "Running")
    until(session.host, "Spooler", "Stopped")
    assert session.state.service("Spooler").exit_code == 1067


def test_unknown_fault_is_refused_with_the_names_there_are(lab_session: Sessions) -> None:
    with pytest.raises(ValueError, match="slow_stop"):
        lab_session("PR2").host.faults.add("slow_stpo")


def test_starting_needs_what_it_depends_on(lab_session: Sessions, until: Until) -> None:
    session = lab_session("PR2")
    for name in ("W3SVC", "IISADMIN"):
        assert act(session, "StopService", name) == 0
        until(session.host, name, "Stopped")
    assert act(session, "StartService", "W3SVC") == 0
    until(session.host, "IISADMIN", "Running")
    until(session.host, "W3SVC", "Running")


def test_get_service_answers_in_the_recorded_shape(lab_session: Sessions) -> None:
    said = lab_session("PR2")("Get-Service", Name=["winrm", "nobody", "SMS_SITE_V*"])
    service, writer = said.output
    assert service.type_names[0] == "System.ServiceProcess.ServiceController"
    assert list(service.extended) == ["Name", "RequiredServices"]
    assert (service.adapted["Status"], service.adapted["MachineName"]) == ("Running", ".")
    assert writer.extended["Name"] == "SMS_SITE_VSS_WRITER"
    assert said.ids == ["NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand"]
    assert said.errors[0].category == 13
