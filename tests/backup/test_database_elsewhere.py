"""The site database on another host: its shadow copy is made inside the same window, by a session of its own."""

from __future__ import annotations

import pytest
from tests.hierarchies import database_on_sql1

from sitekeeper_lab.sql.attach import attach

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(120)


def test_one_window_two_hosts(stage: MakeStage) -> None:
    here = stage("PR2", change=database_on_sql1)
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    (folder,) = here.sets("PR2")
    files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
    attached = attach(files[".mdf"], files[".ldf"])
    inbox = int((folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
    assert attached.counter == inbox
    manifest = here.manifest("PR2")
    assert manifest["consistency"] == "writer"
    assert 0 <= manifest["gap"] < 60
    assert manifest["database_machine"]["name"] == "SQL1"
    assert {volume["name"] for volume in manifest["volumes"]} == {"D:\\", "E:\\", "F:\\"}
    here.assert_clean("PR2")
    assert here.state("SQL1").machine.shadows == []


def test_the_database_host_fails_inside_the_window(stage: MakeStage) -> None:
    here = stage("PR2", change=database_on_sql1)
    here.lab.fault("SQL1", "snapshot_fails")
    outcome = here.run()
    assert outcome.code == 9, outcome.error("PR2")
    assert here.sets("PR2") == []
    here.assert_clean("PR2")
    assert here.state("SQL1").machine.shadows == []


def test_a_database_host_that_the_inventory_does_not_know(stage: MakeStage) -> None:
    here = stage("PR2", change=database_on_sql1)
    text = here.inventory.read_text()
    changed = here.root / "hosts.yml"
    changed.write_text("\n".join(line for line in text.splitlines() if "database_host" not in line))
    outcome = here.run(inventory=changed)
    assert outcome.code == 3, outcome.error("PR2")
    assert "database_host" in outcome.error("PR2")
