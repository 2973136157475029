"""ConfigMgr's own task is started, followed and collected over the real protocols; what is in the sets is one instant of each."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.cli.main import main
from sitekeeper_lab.sql.attach import attach

from .conftest import BOOK, beside, destination, is_new, is_previous, lay_previous


def counter_in_dump(folder: Path) -> int:
    data = (folder / "SiteServer" / "SMSbkSiteRegSMS.dat").read_bytes().removeprefix(b"regf")
    found = re.search(r'LabCounter\]\r\n"Value"=dword:([0-9a-f]{8})', data.decode("utf-16"))
    assert found
    return int(found[1], 16)


@pytest.mark.timeout(180)
def test_three_sites(stage: Any) -> None:
    here = stage()
    for site in ("CEN", "PR2"):
        lay_previous(here, site)
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 0, [outcome.host(one)["error"] for one in ("CEN", "PR1", "PR2")]
    for site in ("CEN", "PR1", "PR2"):
        (whole,) = here.sets(site)
        folder = whole / f"{site}Backup"
        files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
        inbox = int((folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
        assert attach(files[".mdf"], files[".ldf"]).counter == inbox == counter_in_dump(folder) > 0
        here.assert_clean(site)
        assert beside(here, site) == []  # what was there before goes once the new one is in the store

        # Byte for byte what the task wrote.
        live = destination(here, site) / f"{site}Backup"
        assert is_new(live)
        sums = [
            {
                one.relative_to(top): hashlib.sha256(one.read_bytes()).hexdigest()
                for one in top.rglob("*")
                if one.is_file()
            }
            for top in (live, folder)
        ]
        assert sums[0] == sums[1]

        manifest = here.manifest(site)
        assert (manifest["kind"], manifest["consistency"]) == ("task", "task")
        assert manifest["task"]["completed"] > manifest["task"]["started"] > 1
        control = here.state(site).path(manifest["install_dir"] + "\\inboxes\\smsbkup.box\\smsbkup.ctl")
        assert manifest["task"]["control"] == hashlib.sha256(control.read_bytes()).hexdigest()
        assert manifest["offline"] is None or manifest["offline"]["seconds"] > 0
    assert any("Site Repair Wizard" in one and "not" not in one for one in here.manifest("CEN")["feeds"])
    assert any("option 10" in one for one in here.manifest("PR2")["feeds"])
    assert here.manifest("CEN")["task"]["same_volume"]
    assert not here.manifest("PR2")["task"]["same_volume"]
    assert len(here.manifest("PR2")["registry"]) == 2  # exports; hives in 2007, kept as they are
    assert [one for one in here.manifest("CEN")["left_out"] if "hive" in one]
    assert main(["backups", "verify", "--store", str(here.store)]) == 0


@pytest.mark.timeout(180)
def test_each_set_in_the_store_takes_the_previous_backup_away(stage: Any) -> None:
    """A sealed one has no manifest to be read; and a damaged set of another kind says nothing of it."""
    here = stage("PR2")
    lay_previous(here)
    damaged = here.store / "PR2" / "PR2-000900"
    for more in (["-e", "store_compress=zstd"], []):
        outcome = here.run(*more, playbook=BOOK)
        assert outcome.code == 0, outcome.error("PR2")
        assert beside(here) == []
        assert is_new(destination(here) / "PR2Backup")
        damaged.mkdir(exist_ok=True)
        (damaged / "manifest.json").write_text("{}")
    assert len(here.sets("PR2")) == 3


@pytest.mark.timeout(120)
def test_check_mode_changes_nothing(stage: Any) -> None:
    here = stage("PR2")
    folder = lay_previous(here)
    outcome = here.run("--check", playbook=BOOK)
    assert outcome.code == 0
    asked = {line["command"] for line in here.audit("call")}
    assert asked & {"Save-SkTaskBackup", "Start-SkBackupTask", "Complete-SkTaskBackup", "Enter-SkLease"} == set()
    assert here.state("PR2").service("SMS_SITE_BACKUP").exit_code == 1077  # never started
    assert is_previous(folder)
    assert beside(here) == []
    assert not here.store.exists()
    planned = json.dumps([event["changes"] for event in outcome.events if event["event"] == "TaskEnded"])
    assert "service SMS_SITE_BACKUP: Stopped -> started; stops by itself" in planned


@pytest.mark.timeout(120)
def test_the_files_that_steer_the_task_are_left_alone(stage: Any) -> None:
    here = stage("PR1")
    box = here.state("PR1").path("D:\\SMS\\inboxes\\smsbkup.box")
    (box / "AfterBackup.bat").write_text("@echo off\r\n>C:\\after.txt echo ran\r\n")
    before = {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in box.iterdir()}
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 0, outcome.error("PR1")
    assert {one.name: (one.read_bytes(), one.stat().st_mtime_ns) for one in box.iterdir()} == before
    assert here.state("PR1").path("C:\\after.txt").is_file()
    assert here.manifest("PR1")["task"]["after"] == hashlib.sha256(before["AfterBackup.bat"][0]).hexdigest()
