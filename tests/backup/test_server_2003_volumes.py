"""A ConfigMgr 2007 site on Server 2003 whose database lies on another volume: only with the operator's vshadow.exe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sitekeeper_lab.host import ADMINISTRATORS_ONLY
from sitekeeper_lab.sql.attach import attach

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(120)
WORK = "D:\\sitekeeper"
SMS, SQL = "03ba67dd-dc6d-4729-a038-251f7018463b", "a65faa63-5ea8-4ebc-9dbd-a0c4db26912a"


def two_volumes(hierarchy: dict[str, Any]) -> None:
    spec = hierarchy["hosts"]["PR1"]
    spec["volumes"].append({"mount": "E:\\", "size_gb": 100, "label": "SQL"})
    spec["site"] |= {"data": "E:\\MSSQL\\Data", "log": "E:\\MSSQL\\Data"}


def database_elsewhere(hierarchy: dict[str, Any]) -> None:
    """CEN's database on a Server 2003 of its own, data and log on two volumes."""
    site = hierarchy["hosts"]["CEN"]
    del site["sql"]
    site["site"] |= {"database_host": "SQL1", "data": "D:\\Data", "log": "E:\\Log"}
    hierarchy["hosts"]["SQL1"] = {
        "address": "127.81.0.9",
        "windows": "2003",
        "sql": {"version": "2005"},
        "volumes": [{"mount": "C:\\"}, {"mount": "D:\\"}, {"mount": "E:\\"}],
    }


def supply_vshadow(here: Any, name: str = "PR1", *, closed: bool = True) -> None:
    host = here.lab.host(name)
    host.make_folder(WORK)
    host.write(f"{WORK}\\vshadow.exe", b"MZ")
    if closed:
        host.set_acl(WORK, ADMINISTRATORS_ONLY)


def allow_sql_writer(here: Any) -> None:
    inventory = yaml.safe_load(here.inventory.read_text())
    inventory["all"]["vars"]["vshadow_sql_writer"] = True
    here.inventory.write_text(yaml.safe_dump(inventory))


def tools(here: Any, name: str = "PR1") -> list[list[str]]:
    return [line["arguments"] for line in here.audit("native", name) if line["command"].endswith("vshadow.exe")]


def services_were_never_touched(here: Any) -> bool:
    return not [line for line in here.audit("call", "PR1") if line["command"] == "Invoke-WmiMethod"]


def test_without_vshadow_it_is_refused_before_anything_is_stopped(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    outcome = here.run()
    assert outcome.code == 11
    error = outcome.error("PR1")
    assert "D:\\, E:\\" in error
    assert "put vshadow.exe into D:\\sitekeeper" in error
    assert services_were_never_touched(here)
    assert here.sets("PR1") == []


def test_with_vshadow_it_is_published_as_crash_consistent(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR1")
    (folder,) = here.sets("PR1")
    files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
    inbox = (folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0]
    assert attach(files[".mdf"], files[".ldf"]).counter == int(inbox) > 0
    assert here.manifest("PR1")["consistency"] == "crash"
    (made,) = [words for words in tools(here) if "-p" in words]
    assert {f"-wx={{{SMS}}}", f"-wx={{{SQL}}}"} <= set(made)
    assert made[-2:] == ["D:", "E:"]
    assert not [line for line in here.audit("call", "PR1") if line["command"] == "New-SkShadowCopy"]
    here.assert_clean("PR1")
    assert here.lab.host("PR1").exists(f"{WORK}\\vshadow.exe")


def test_the_sql_writer_takes_part_only_where_the_inventory_allows_it(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    allow_sql_writer(here)
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR1")
    (made,) = [words for words in tools(here) if "-p" in words]
    assert f"-wx={{{SMS}}}" in made
    assert f"-wx={{{SQL}}}" not in made
    assert here.manifest("PR1")["consistency"] == "crash", "nothing that vshadow leaves proves the writer's part"
    here.assert_clean("PR1")


def test_a_bad_value_of_the_variable_is_refused(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    outcome = here.run("-e", "vshadow_sql_writer=maybe")
    assert outcome.code == 3
    assert "must be true or false" in outcome.error("PR1")
    assert services_were_never_touched(here)


def test_vshadow_in_an_open_folder_is_never_started(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here, closed=False)
    outcome = here.run()
    assert outcome.code == 11
    assert "others than SYSTEM and Administrators have access to" in outcome.error("PR1")
    assert tools(here) == []
    assert services_were_never_touched(here)


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        ("snapshot_fails", 9, "no room for shadow copies"),
        ("snapshot_in_progress", 7, "another shadow copy was being made"),
    ],
)
def test_a_set_that_fails_leaves_nothing(stage: MakeStage, fault: str, code: int, says: str) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    here.lab.fault("PR1", fault)
    outcome = here.run()
    assert outcome.code == code, outcome.error("PR1")
    assert says in outcome.error("PR1")
    assert "vshadow finished with exit code 2" in outcome.error("PR1")
    assert here.sets("PR1") == []
    here.assert_clean("PR1")


def test_check_mode_plans_with_it_and_changes_nothing(stage: MakeStage, tmp_path: Path) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    outcome = here.run("--check")
    assert outcome.code == 0, outcome.error("PR1")
    assert [words[-1] for words in tools(here)] == ["-ws"]
    planned = [change for event in outcome.events if event["event"] == "TaskEnded" for change in event["changes"]]
    assert "volume PR1:E:\\: no shadow copy -> in one shadow copy set" in planned
    assert here.state("PR1").machine.shadows == []


def test_a_host_that_reboots_before_the_copy_is_left_clean(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    here.lab.fault("PR1", "reboot", later=True)
    outcome = here.run()
    assert outcome.code == 5
    assert here.sets("PR1") == []
    here.assert_clean("PR1")


def test_copies_that_vanish_at_once_are_no_set(stage: MakeStage) -> None:
    here = stage("PR1", change=two_volumes)
    supply_vshadow(here)
    here.lab.fault("PR1", "vanish_after_create")
    outcome = here.run()
    assert outcome.code == 7, outcome.error("PR1")
    assert here.sets("PR1") == []
    here.assert_clean("PR1")


def test_a_database_host_on_server_2003_needs_its_own(stage: MakeStage) -> None:
    here = stage("CEN", change=database_elsewhere)
    outcome = here.run()
    assert outcome.code == 11
    assert "the files on SQL1 are on D:\\, E:\\" in outcome.error("CEN")
    assert "put vshadow.exe into D:\\sitekeeper" in outcome.error("CEN")
    supply_vshadow(here, "SQL1")
    outcome = here.run()
    assert outcome.code == 0, outcome.error("CEN")
    (folder,) = here.sets("CEN")
    files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
    inbox = (folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0]
    assert attach(files[".mdf"], files[".ldf"]).counter == int(inbox)
    assert here.manifest("CEN")["consistency"] == "crash"
    assert [words[-2:] for words in tools(here, "SQL1") if "-p" in words] == [["D:", "E:"]]
    here.assert_clean("CEN")
    assert here.state("SQL1").machine.shadows == []
