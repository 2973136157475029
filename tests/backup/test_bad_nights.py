"""What goes wrong inside the window ends with the services Running, nothing left over and nothing published."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from sitekeeper.cli.main import main
from sitekeeper_lab.windows.shadows import ShadowCopies
from sitekeeper_lab.windows.wmi import Wmi

from .conftest import SERVICES, MakeStage

diskshadow = importlib.import_module("sitekeeper_lab.windows.native.diskshadow")
pytestmark = pytest.mark.timeout(120)


def refused(here: Any, host: str, *, code: int, says: str, task: str) -> None:
    outcome = here.run()
    assert outcome.code == code, outcome.error(host)
    error = outcome.error(host)
    assert says in error
    assert task in error
    assert "backup.yml" in error
    assert f"host {host}" in error
    assert here.sets(host) == []
    here.assert_clean(host)


def test_snapshot_fails(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "snapshot_fails")
    refused(here, "PR2", code=9, says="no room for shadow copies", task="Take one shadow copy set")


def test_snapshot_in_progress_is_not_retried_inside_the_window(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "snapshot_in_progress")
    refused(here, "PR2", code=7, says="another shadow copy was being made", task="Take one shadow copy set")
    assert len([1 for line in here.audit("call", "PR2") if line["command"] == "New-SkShadowSet"]) == 1


def test_log_volume_missing(stage: MakeStage) -> None:
    """The planted tear: the writer refuses, although diskshadow exits 0."""
    here = stage("PR2")
    here.lab.fault("PR2", "log_volume_missing")
    outcome = here.run()
    assert outcome.code == 10, outcome.error("PR2")
    assert here.sets("PR2") == []
    here.assert_clean("PR2")


def test_services_restarted_between_stop_and_create(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "restart_between")
    refused(here, "PR2", code=10, says="the site was not offline", task="Take one shadow copy set")


def test_host_rebooted_between_stop_and_create(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "reboot", later=True)
    outcome = here.run()
    assert outcome.code == 5
    assert here.sets("PR2") == []
    here.assert_clean("PR2")


def test_shadow_copies_vanish_while_we_pull(stage: MakeStage) -> None:
    here = stage("PR2")
    audit: Any = here.lab.audit
    write = audit.write

    def watching(event: str, host: str, **facts: Any) -> None:
        write(event, host, **facts)
        if event == "call" and facts.get("command") == "Read-SkFile":
            audit.write = write
            ShadowCopies(here.lab.host("PR2")).run_over()

    audit.write = watching
    outcome = here.run()
    assert outcome.code == 10, outcome.error("PR2")
    assert here.sets("PR2") == []
    here.assert_clean("PR2")
    again = here.run()
    assert again.code == 0, again.error("PR2")
    assert "Windows deleted shadow copies" in str([event.get("msg") for event in again.events]), "warned of for a day"


def test_stop_takes_too_long(stage: MakeStage) -> None:
    """The stop is waited out, never killed; then everything is started again."""
    here = stage("PR2")
    here.lab.fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=4)
    outcome = here.run("-e", "service_timeout=1s")
    assert outcome.code == 7
    assert "did not stop in time" in outcome.error("PR2")
    assert here.sets("PR2") == []
    here.assert_clean("PR2")


def test_service_starts_and_dies_once(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "start_and_die", service="SMS_SITE_COMPONENT_MANAGER")
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    here.assert_clean("PR2")


def test_full_disk_on_the_host(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "disk_full", volume="D:")
    outcome = here.run()
    assert outcome.code == 7
    assert here.sets("PR2") == []
    here.assert_clean("PR2")


def test_writer_failed_before_is_seen_in_preflight(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "writer_failed", state=8, error="Retryable error", times=0)
    outcome = here.run()
    assert outcome.code == 11
    assert "writers" in outcome.error("PR2")
    assert [line for line in here.audit("call", "PR2") if line["command"] == "Invoke-WmiMethod"] == []


def test_a_failed_site_does_not_take_the_others_down(stage: MakeStage) -> None:
    here = stage("PR1", "PR2")
    here.lab.fault("PR2", "snapshot_fails")
    outcome = here.run()
    assert outcome.code == 9
    assert len(here.sets("PR1")) == 1
    assert here.sets("PR2") == []
    here.assert_clean("PR1")
    here.assert_clean("PR2")


def test_a_store_that_is_not_mounted(stage: MakeStage) -> None:
    """The empty folder below its mount point, closed like a store: a backup into it would fill the wrong disk, and look good."""
    here = stage("PR2")
    assert here.run().code == 0
    stops = len([line for line in here.calls("PR2") if line["arguments"].get("Name") == "StopService"])
    away = here.root / "away"
    here.store.rename(away)
    here.store.mkdir(mode=0o700)
    outcome = here.run()
    assert outcome.code == 9
    assert "is the store mounted there? if it is a new one: mkdir -m 700" in outcome.error("PR2")
    assert list(here.store.iterdir()) == []
    assert len([line for line in here.calls("PR2") if line["arguments"].get("Name") == "StopService"]) == stops
    here.assert_clean("PR2")
    (here.store / ".staging").mkdir(mode=0o700)
    assert here.run().code == 0, "a new one, as the operator said"


def test_copies_that_nobody_marked_are_neither_dropped_nor_forgotten(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """diskshadow ends between making them and writing down which they are: its shell was deleted, or the disk is full."""

    def gone(*_: Any) -> None:
        raise diskshadow._Ended

    here = stage("PR2")
    monkeypatch.setattr(diskshadow._Session, "_exec", gone)
    outcome = here.run()
    monkeypatch.undo()
    copies = [copy.id.upper() for copy in here.state("PR2").machine.shadows]
    assert len(copies) == 3
    assert outcome.code == 20
    assert all(one in outcome.error("PR2") for one in copies)
    assert here.state("PR2").states(*SERVICES) == dict.fromkeys(SERVICES, "Running")
    (run,) = (one.name for one in (here.root / "runs").iterdir() if (one / "journal.db").is_file())
    for _ in range(6 * 60 + 5):
        here.lab.advance(60)
    assert len(here.state("PR2").machine.shadows) == 3, "the leak guard drops none that may be another's"
    assert main(["rollback", run, "--runs", str(here.root / "runs")]) == 13
    for one in copies:
        Wmi(here.lab.host("PR2")).remove(f"Win32_ShadowCopy.ID='{{{one}}}'")
    assert main(["rollback", run, "--runs", str(here.root / "runs")]) == 0
    here.assert_clean("PR2")
