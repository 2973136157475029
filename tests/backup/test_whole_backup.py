"""Three sites are backed up over the real protocols; what is in the sets is one instant of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sitekeeper.cli.main import main
from sitekeeper_lab.sql.attach import attach

from .conftest import ROOT, MakeStage


def counter_in_registry(folder: Path) -> int:
    for file in (folder / "SiteServer" / "Registry").glob("sms.*.reg"):
        found = re.search(r'LabCounter\]\r\n"Value"=dword:([0-9a-f]{8})', file.read_bytes().decode("utf-16"))
        if found:
            return int(found[1], 16)
    raise AssertionError("no counter in the registry exports")


def database_files(folder: Path) -> tuple[Path, Path]:
    files = list((folder / "SiteDBServer").iterdir())
    return (
        next(file for file in files if file.suffix.lower() == ".mdf"),
        next(file for file in files if file.suffix.lower() == ".ldf"),
    )


@pytest.mark.timeout(120)
def test_three_sites(stage: MakeStage) -> None:
    here = stage()
    outcome = here.run()
    assert outcome.code == 0
    for site in ("CEN", "PR1", "PR2"):
        (folder,) = here.sets(site)
        mdf, ldf = database_files(folder)
        attached = attach(mdf, ldf)
        inbox = int((folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
        assert attached.counter == inbox == counter_in_registry(folder), site
        assert inbox > 0
        here.assert_clean(site)
        # Console and management point went on meanwhile; nothing of theirs from after the shadow copy is in the set.
        assert attached.traffic is not None
        live = here.lab.machines[site].site_databases[site]
        assert attached.lsn < live.lsn

        manifest = here.manifest(site)
        entries = {entry["file"].lower(): entry for entry in manifest["entries"]}
        for name in ("inboxes", "logs", "data", "srvacct"):
            assert f"siteserver/smsserver/{name}" in entries
        if manifest["product"] == "2007":
            assert "siteserver/smsserver/inboxes/sitectrl.box/sitectrl.ct0" in entries
        assert {count["root"].upper() for count in manifest["registry"]} == {
            f"HKEY_LOCAL_MACHINE\\SOFTWARE\\{view}MICROSOFT\\{key}"
            for view in ("", "WOW6432NODE\\")
            for key in ("SMS", "NAL")
        }
        assert {file.name for file in (folder / "SiteServer" / "Registry").iterdir()} == {
            f"{key}.{view}.reg" for key in ("sms", "nal") for view in ("native", "wow")
        }
        assert manifest["offline"]["seconds"] > 0
        assert manifest["machine"]["guid"]
        assert manifest["left_out"]
    assert here.manifest("PR1")["consistency"] == "crash"
    assert here.manifest("PR2")["consistency"] == "writer"

    # Stopped in this order, started in ConfigMgr's: its component manager first.
    for host in ("CEN", "PR1", "PR2"):
        controls = [
            (line["arguments"]["Path"].split("'")[1], line["arguments"]["Name"])
            for line in here.calls(host)
            if line["command"] == "Invoke-WmiMethod" and "Path" in line["arguments"]
        ]
        stops = [name for name, method in controls if method == "StopService"]
        starts = [name for name, method in controls if method == "StartService"]
        assert stops == ["SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE"]
        assert starts[0] == "SMS_SITE_COMPONENT_MANAGER"


@pytest.mark.timeout(120)
def test_install_folder_arrives_whole(stage: MakeStage) -> None:
    """Every file of the live folder that no service writes is in the set, byte for byte, with its time and attributes."""
    here = stage("PR2")
    assert here.run().code == 0
    (folder,) = here.sets("PR2")
    state = here.state("PR2")
    live = state.path("D:\\Program Files\\Microsoft Configuration Manager")
    copied = folder / "SiteServer" / "SMSServer"
    moving = ("inboxes", "logs")
    compared = 0
    for path in live.rglob("*"):
        relative = path.relative_to(live)
        if relative.parts[0].lower() in moving:
            continue
        target = copied / relative
        if path.is_symlink():
            assert not target.exists()
        elif path.is_dir():
            assert target.is_dir(), relative
        else:
            assert target.read_bytes() == path.read_bytes(), relative
            compared += 1
    assert compared > 200
    kinds = {entry["kind"] for entry in here.manifest("PR2")["entries"]}
    assert kinds == {"file", "folder", "link"}


@pytest.mark.timeout(120)
def test_list_and_verify_and_a_flipped_byte(stage: MakeStage) -> None:
    here = stage("PR2")
    assert here.run().code == 0
    store = str(here.store)
    assert main(["backups", "list", "--json", "--store", store]) == 0
    (row,) = json.loads(here.capture.readouterr().out)
    assert row["site"] == "PR2"
    assert main(["backups", "verify", "--store", store]) == 0
    (folder,) = here.sets("PR2")
    mdf, _ = database_files(folder)
    data = bytearray(mdf.read_bytes())
    data[len(data) // 2] ^= 1
    mdf.write_bytes(data)
    assert main(["backups", "verify", "--store", store]) == 10
    assert mdf.name in here.capture.readouterr().out


@pytest.mark.timeout(120)
def test_check_mode_changes_nothing(stage: MakeStage) -> None:
    here = stage()
    before = {
        host: (here.state(host).machine.services, here.state(host).machine.shadows) for host in ("CEN", "PR1", "PR2")
    }
    changes = [line for line in here.audit("change") if "sitekeeper" in json.dumps(line)]
    outcome = here.run("--check")
    assert outcome.code == 0
    asked = {line["command"] for line in here.audit("call")}
    assert (
        asked & {"Invoke-WmiMethod", "Enter-SkLease", "Export-SkRegistry", "New-SkShadowSet", "Remove-SkShadowSet"}
        == set()
    )
    assert [line for line in here.audit("change") if "sitekeeper" in json.dumps(line)] == changes
    for host, (services, shadows) in before.items():
        now = here.state(host).machine
        assert {name: (s.state, s.pid) for name, s in now.services.items()} == {
            name: (s.state, s.pid) for name, s in services.items()
        }
        assert now.shadows == shadows
    assert not here.store.exists()
    planned = "\n".join(
        change for event in outcome.events if event["event"] == "TaskEnded" for change in event["changes"]
    )
    assert all("known after" not in str(event["summary"]) for event in outcome.events if event["event"] == "HostEnded")
    for expected in (
        "service SMS_EXECUTIVE: Running -> Stopped",
        "registry HKLM",
        "volume PR2:E:\\Mounts\\Log\\",
        "bytes to copy",
    ):
        assert expected in planned


def test_check_mode_is_told_to_people(stage: MakeStage) -> None:
    here = stage("PR2")
    book, where = str(ROOT / "playbooks/backup.yml"), str(here.inventory)
    given = [
        "-e",
        f"store={here.store}",
        "-e",
        "settle=0.3s",
        "-e",
        "native_backup=no",
        "--runs",
        str(here.root / "runs"),
    ]
    assert main(["run", book, "-i", where, *given, "--check", "--diff"]) == 0
    told = here.capture.readouterr()
    assert "exit code 0" in told.out
    assert "internal" not in told.out + told.err


@pytest.mark.timeout(120)
def test_generations_and_two_sets(stage: MakeStage) -> None:
    here = stage("PR1")
    assert here.run().code == 0
    assert here.run().code == 0
    assert [folder.name for folder in here.sets("PR1")] == ["PR1-000001", "PR1-000002"]
    assert main(["runs", "list", "--json", "--runs", str(here.root / "runs")]) == 0
    assert {row["state"] for row in json.loads(here.capture.readouterr().out)} == {"ended"}
