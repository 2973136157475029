"""The lab's SMS_SITE_BACKUP: what it leaves behind, and how it hangs where the real one is known to."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from sitekeeper_lab.hierarchy import load_hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.windows.services import ServiceControl

HIERARCHY = Path(__file__).resolve().parents[2] / "inventory" / "lab" / "hierarchy.yml"


def lab_of(tmp_path: Path, **site: Any) -> Lab:
    hierarchy = load_hierarchy(HIERARCHY)
    spec = hierarchy.hosts["PR1"]
    assert spec.site is not None
    changed = spec.model_copy(update={"site": spec.site.model_copy(update={"parent": None, "size": 0.1, **site})})
    ports = hierarchy.ports.model_copy(update={"http": 0, "https": 0, "sql": 0})
    return Lab(hierarchy.with_(hosts={"PR1": changed}, ports=ports), tmp_path / "lab")


def started(lab: Lab, seconds: float = 20) -> str:
    """Start the service; its state when it has stopped, or when the time is over."""
    control = ServiceControl(lab.host("PR1"))
    service = control.find("SMS_SITE_BACKUP")
    assert service is not None
    assert control.start(service) == 0
    until = time.monotonic() + seconds
    while service.state != "Stopped" and time.monotonic() < until:
        time.sleep(0.02)
    return service.state


def numbers(lab: Lab) -> list[int]:
    with lab.machines["PR1"].site_databases["PR1"].read() as data:
        rows: list[sqlite3.Row] = data.execute("SELECT MessageID FROM StatusMessages ORDER BY RecordID").fetchall()
    return [int(row[0]) for row in rows]


@pytest.mark.timeout(60)
def test_it_wipes_writes_and_says_so(tmp_path: Path) -> None:
    with lab_of(tmp_path) as lab:
        files = lab.host("PR1").files
        old = files.resolve("C:\\SMSBackup") / "PR1Backup" / "old.txt"
        old.parent.mkdir()
        old.write_bytes(b"x")
        assert started(lab) == "Stopped"
        until = time.monotonic() + 10
        while numbers(lab)[-1] != 5035 and time.monotonic() < until:
            time.sleep(0.05)
        assert numbers(lab)[-4:] == [500, 5055, 5056, 5035]
        backup = old.parent
        assert not old.exists()
        assert {one.name for one in backup.iterdir()} == {
            "SiteServer",
            "SiteDBServer",
            "ConfigMgrBackup.ini",
            "smsbkup.log",
        }
        assert (backup / "SiteServer" / "SMSbkSiteRegNAL.dat").read_bytes().startswith(b"regf")
        assert lab.host("PR1").machine.shadows == []
        log = files.resolve("D:\\SMS\\logs\\smsbkup.log").read_text()
        assert "STATMSG: ID=5035 SEV=I" in log


@pytest.mark.timeout(60)
def test_a_space_in_the_destination_hangs_it(tmp_path: Path) -> None:
    with lab_of(tmp_path, backup_to="C:\\SMS Backup") as lab:
        assert started(lab, 1) == "Running"
        log = lab.host("PR1").files.resolve("D:\\SMS\\logs\\smsbkup.log").read_text()
        assert "Successfully ran command line 'ECHO' (exit status 0)" in log.splitlines()[-1]
        assert 5035 not in numbers(lab)
