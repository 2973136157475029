"""A current-branch site as Microsoft's pages describe it: resident update service, updates judged by their state."""

from __future__ import annotations

from typing import Any

import pytest

from sitekeeper_lab.windows.machine import add_service
from sitekeeper_lab.windows.model import Service

from .conftest import MakeStage, Stage

pytestmark = pytest.mark.timeout(120)
CHECK = "playbooks/check.yml"


def current_branch(data: dict[str, Any]) -> None:
    data["hosts"]["PR2"]["site"]["version"] = "5.00.9128.1000"


@pytest.fixture
def here(stage: MakeStage) -> Stage:
    return stage("PR2", change=current_branch)


def set_state(here: Stage, state: int) -> None:
    with here.lab.machines["PR2"].site_databases["PR2"].change("HMAN") as connection:
        connection.execute("UPDATE CM_UpdatePackages SET State = ?", (state,))


def test_it_is_backed_up_while_its_update_service_runs(here: Stage) -> None:
    assert here.state("PR2").states("CONFIGURATION_MANAGER_UPDATE") == {"CONFIGURATION_MANAGER_UPDATE": "Running"}
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    assert len(here.sets("PR2")) == 1
    here.assert_clean("PR2")


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (196612, 0, "no update is being installed"),
        (262146, 0, "no update is being installed"),
        (131073, 0, "its prerequisites are being checked"),
        (196610, 0, "it waits for the service window"),
        (196609, 11, "it is being installed"),
        (196628, 11, "the database is being upgraded"),
        (262143, 11, "its installation failed"),
        (196699, 11, "state 196699, which this version does not know"),
    ],
)
def test_an_update_is_judged_by_its_state(here: Stage, state: int, code: int, said: str) -> None:
    set_state(here, state)
    outcome = here.run(playbook=CHECK)
    assert outcome.code == code
    assert said in str([event.get("checks") for event in outcome.events])
    assert here.audit("change", "PR2") == []


@pytest.mark.parametrize(
    ("program", "code", "status"),
    [
        (r"D:\Program Files\Microsoft Configuration Manager\bin\x64\rolesetup.exe", 11, "failed"),
        (r"C:\Windows\SMSSETUP\bin\x64\setup.exe", 11, "failed"),
        (r"D:\Program Files\Microsoft Configuration Manager\bin\x64\setupdl.exe", 0, "warning"),
    ],
)
def test_what_runs_is_named(here: Stage, program: str, code: int, status: str) -> None:
    machine = here.lab.host("PR2").machine
    add_service(machine, Service("LABPROGRAM", "a program", "Running", path=program))
    outcome = here.run(playbook=CHECK)
    assert outcome.code == code
    checks = [one for event in outcome.events for one in event.get("checks") or ()]
    (found,) = [one for one in checks if one["name"] == "installation"]
    assert (found["status"], program.rpartition("\\")[2] in found["said"]) == (status, True)


def test_a_component_that_is_being_installed(here: Stage) -> None:
    machine = here.lab.host("PR2").machine
    add_service(machine, Service("SMS_SERVER_BOOTSTRAP_PR2", "bootstrap", "Running", path=r"C:\x\bootstrp.exe"))
    outcome = here.run(playbook=CHECK)
    assert outcome.code == 11
    assert "SMS_SERVER_BOOTSTRAP_PR2 is running: a role or component is being installed" in outcome.error("PR2")
