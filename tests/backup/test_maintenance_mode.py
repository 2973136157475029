"""A backup under monitoring: in maintenance mode before anything is stopped, out of it after the services run, and no alert."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sitekeeper.cli.main import main
from sitekeeper.engine.journal import journal
from sitekeeper_lab.opsmgr.group import CLASSES, COMPUTER, Content, Window, read_group

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).resolve().parents[2]
SERVICES = {"SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE"}


def group(here: Any) -> Content:
    return read_group(here.lab.folder / "OPS1")


def windows(here: Any, computer: str = "PR2.lab.example", class_name: str = COMPUTER) -> list[Window]:
    ids = {one.id for one in group(here).objects if (one.computer, one.class_name) == (computer, class_name)}
    return [window for window in group(here).windows if window.object_id in ids]


def numbers(here: Any, host: str, kind: str, what: str, to: str) -> list[int]:
    """Audit lines of a change."""
    found = [line for line in here.audit("change", host) if line["kind"] == kind and line["what"] == what]
    return [line["n"] for line in found if str(line["to"]).startswith(to)]


def declare(here: Any, how: Any) -> Path:
    """The lab's inventory with another way into maintenance mode."""
    data = yaml.safe_load(here.inventory.read_text())
    del data["all"]["children"]["sites"]["vars"]["maintenance"]
    if how is not None:
        data["all"]["children"]["sites"]["vars"] = {"maintenance": how}
    changed: Path = here.root / "hosts.yml"
    changed.write_text(yaml.safe_dump(data))
    return changed


def test_a_backup_raises_no_alert(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    for class_name in CLASSES:
        (window,) = windows(here, class_name=class_name)
        assert window.reason == "PlannedOther"
        assert window.comment.startswith("site backup 20")
        # Begun for 45 minutes, ended early: a minute after the services were seen to run.
        assert datetime.fromisoformat(window.until) - datetime.fromisoformat(window.started) < timedelta(minutes=5)
    begun, ended = (line["n"] for line in here.audit("change", "OPS1") if line["what"] == f"{COMPUTER} PR2.lab.example")
    stopped = [n for name in SERVICES for n in numbers(here, "PR2", "service", name, "Stop Pending")]
    running = [n for name in SERVICES for n in numbers(here, "PR2", "service", name, "Running")]
    assert begun < min(stopped)
    assert max(running) < ended
    assert group(here).alerts == []
    assert not windows(here, "CEN.lab.example")
    here.assert_clean("PR2")
    commands = {line["command"] for line in here.calls("OPS1")}
    assert not commands & {"Enter-SkLease", "Assert-SkLease"}


def test_without_maintenance_mode_the_labs_monitoring_raises_alerts(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    outcome = here.run(inventory=declare(here, "none"))
    assert outcome.code == 0
    assert {alert.service for alert in group(here).alerts} == SERVICES
    (told,) = [one for one in outcome.events if one["event"] == "TaskEnded" and one["module"] == "site.maintenance"]
    assert told["status"] == "ok"
    assert "is not monitored" in told["msg"]


def test_nothing_declared_is_refused_before_anything_is_stopped(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    outcome = here.run(inventory=declare(here, None))
    assert outcome.code == 2
    assert "set maintenance in the inventory" in outcome.error("PR2")
    assert numbers(here, "PR2", "service", "SMS_EXECUTIVE", "Stop Pending") == []
    here.assert_clean("PR2")


def test_a_mode_of_somebody_else_is_left_alone(stage: Any) -> None:
    here = stage("PR2", "OPS1")
    management = here.lab.host("OPS1").management
    until = here.lab.clock.now() + timedelta(hours=8)
    management.start(management.instances(COMPUTER), until, "SecurityIssue", "patches")
    outcome = here.run()
    assert outcome.code == 0
    (window,) = windows(here)
    assert (window.comment, datetime.fromisoformat(window.until)) == ("patches", until)
    (told,) = [one for one in outcome.events if one["event"] == "TaskEnded" and one["module"] == "site.maintenance"]
    assert told["status"] == "ok"
    assert f"already in maintenance mode until {until:%Y-%m-%d %H:%M} UTC" in told["msg"]
    assert group(here).alerts == []


def test_a_management_server_that_is_down_keeps_the_site_up(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    here.lab.machines["OPS1"].wsman.stop()
    outcome = here.run()
    here.lab.machines["OPS1"].wsman.start()
    assert outcome.code == 5
    assert "OPS1" in outcome.error("PR2")
    assert numbers(here, "PR2", "service", "SMS_EXECUTIVE", "Stop Pending") == []
    here.assert_clean("PR2")


def test_a_request_without_effect_is_no_maintenance_mode(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    here.lab.fault("OPS1", "maintenance_refused", times=0)
    outcome = here.run()
    assert outcome.code == 7
    assert "is not in maintenance mode" in outcome.error("PR2")
    assert numbers(here, "PR2", "service", "SMS_EXECUTIVE", "Stop Pending") == []
    here.assert_clean("PR2")


def test_a_failed_backup_ends_it_too(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    here.lab.fault("PR2", "snapshot_fails")
    assert here.run().code == 9
    (window,) = windows(here)
    assert datetime.fromisoformat(window.until) < here.lab.clock.now() + timedelta(minutes=2)
    assert group(here).alerts == []


def test_the_site_server_and_its_database_host(stage: MakeStage) -> None:
    def elsewhere(data: dict[str, Any]) -> None:
        site = data["hosts"]["PR2"]
        data["hosts"]["SQL1"] = {"address": "127.81.0.9", "volumes": site["volumes"], "sql": site.pop("sql")}
        site["site"]["database_host"] = "SQL1"

    here = stage("PR2", "OPS1", change=elsewhere)
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    for computer in ("PR2.lab.example", "SQL1.lab.example"):
        (window,) = windows(here, computer)
        assert datetime.fromisoformat(window.until) < here.lab.clock.now() + timedelta(minutes=2)
    assert group(here).alerts == []


def test_operations_manager_2007(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1", change=lambda data: data["hosts"]["OPS1"].update(opsmgr="opsmgr2007"))
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    for class_name in CLASSES:
        (window,) = windows(here, class_name=class_name)
        assert datetime.fromisoformat(window.until) < here.lab.clock.now() + timedelta(minutes=2)
    assert group(here).alerts == []


def test_the_hosts_own_agent(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1", change=lambda data: data["hosts"]["PR2"].update(opsmgr_agent=True))
    outcome = here.run(inventory=declare(here, {"kind": "agent"}))
    assert outcome.code == 0, outcome.error("PR2")
    assert windows(here) == []  # nobody has taken up the wish yet
    told = [one["msg"] for one in outcome.events if one["event"] in {"TaskEnded", "Undone"}]
    assert any("it reports no result" in msg for msg in told)
    assert any("cannot be ended early" in msg for msg in told)
    here.lab.advance(301)
    until = time.monotonic() + 10
    while not windows(here) and time.monotonic() < until:
        time.sleep(0.01)
    assert windows(here)[0].comment.startswith("site backup 20")


def test_an_agent_that_is_not_there(stage: MakeStage) -> None:
    here = stage("PR2")
    outcome = here.run("-e", '{"maintenance": {"kind": "agent"}}')
    assert outcome.code == 7
    assert "SkNoAgent" in outcome.error("PR2")
    here.assert_clean("PR2")


def test_check_mode_says_it_and_does_nothing(stage: MakeStage) -> None:
    here = stage("PR2", "OPS1")
    outcome = here.run("--check")
    assert outcome.code == 0
    planned = [change for one in outcome.events if one["event"] == "TaskEnded" for change in one["changes"]]
    assert "maintenance of PR2.lab.example: off -> on for 45 min" in planned
    assert group(here).windows == []


@pytest.mark.parametrize("command", ["rollback", "resume"])
def test_a_killed_run_is_ended_by_rollback_and_resume(stage: MakeStage, command: str) -> None:
    here = stage("PR2", "OPS1")
    runs = here.root / "runs"
    child = here.start(runs=runs)
    until = time.monotonic() + 60
    while (
        time.monotonic() < until
        and child.poll() is None
        and not numbers(here, "PR2", "service", "SMS_EXECUTIVE", "Stopped")
    ):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (window,) = windows(here)
    assert datetime.fromisoformat(window.until) > here.lab.clock.now() + timedelta(
        minutes=40
    )  # it is sure to end by itself
    (run,) = [one.name for one in runs.iterdir() if (one / "journal.db").is_file()]
    code = main([command, run, "--runs", str(runs), "--json"])
    told = here.capture.readouterr().out
    assert code == 0, told
    here.assert_clean("PR2")
    assert journal.open_changes(runs / run) == []
    assert datetime.fromisoformat(windows(here)[-1].until) < here.lab.clock.now() + timedelta(minutes=2)
    assert group(here).alerts == []
