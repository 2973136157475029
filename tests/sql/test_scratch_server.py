"""Which SQL Servers a restore is not tried on, by the name of the rule; and what dead runs left on one that is fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sitekeeper_lab.server import Lab
from sitekeeper_lab.sql.database import create_site_database

from .conftest import ATTACHING, SCRATCH, Drill, MakeDrill, pushing

Change = Callable[[dict[str, Any]], None]


def scratch(here: Drill, **database: Any) -> dict[str, Any]:
    facts = {
        "host": "PR2",
        "server": "PR2",
        "instance": "MSSQLSERVER",
        "name": "CM_PR2",
        "version": "11.0.7001.0",
        "edition": "Standard Edition (64-bit)",
        "collation": "x",
        "recovery_model": "SIMPLE",
        "owner": "sa",
        "trustworthy": True,
        "broker": True,
        "clr": True,
        "compatibility": 110,
        "files": [{"logical": "CM_PR2", "path": "E:\\x.mdf", "kind": "data", "bytes": 5_000_000}],
    } | database
    return {"sql.scratch": {"on": SCRATCH, "database": facts}, "register": "where"}


def on_scratch(**facts: Any) -> Change:
    return lambda data: data["hosts"][SCRATCH].update(facts)


def sql(version: str, edition: str = "Developer Edition") -> Change:
    return on_scratch(sql={"version": version, "edition": edition})


REFUSED: list[tuple[str, Change | None, dict[str, Any]]] = [
    ("inventory", on_scratch(scratch=False), {}),
    ("version", sql("2008 R2"), {}),
    ("edition", sql("2014", "Standard Edition"), {"edition": "Enterprise Edition (64-bit)"}),
    (
        "edition",
        sql("2016", "Express Edition"),
        {"files": [{"logical": "a", "path": "D:\\a", "kind": "data", "bytes": 11 * 2**30}]},
    ),
    ("room", None, {"files": [{"logical": "a", "path": "D:\\a", "kind": "data", "bytes": 2**50}]}),
]


@pytest.mark.parametrize(("rule", "change", "database"), REFUSED)
def test_an_unfit_server_is_refused_by_name(
    drill: MakeDrill, rule: str, change: Change | None, database: dict[str, Any]
) -> None:
    here = drill(change=change)
    outcome = here.play([scratch(here, **database)])
    assert outcome.code == 11, outcome.events
    assert f"{rule}: " in outcome.error("PR2")
    here.assert_nothing_left()


def test_what_the_operator_did_not_mark_or_uses_for_something_else_is_refused(drill: MakeDrill) -> None:
    here = drill()
    instance = here.lab.machines[SCRATCH].instance
    assert instance is not None
    create_site_database(instance, "ZZZ", data_dir="D:\\Other")
    outcome = here.play([scratch(here)])
    assert outcome.code == 11
    assert "no-database: " in outcome.error("PR2")
    assert "CM_ZZZ" in outcome.error("PR2")
    assert "CM_ZZZ" in here.databases
    (here.work / "sitekeeper-work.txt").unlink()
    outcome = here.play([scratch(here)])
    assert outcome.code == 11
    assert "work-folder: " in outcome.error("PR2")


def test_a_machine_of_a_site_is_refused(drill: MakeDrill) -> None:
    here = drill(change=lambda data: data["hosts"]["PR2"].update(sql_work_dir="D:\\Drill"))
    outcome = here.play([{"sql.scratch": {}}], "-e", "scratch=true")
    assert outcome.code == 11
    inside = outcome.error("PR2")
    assert "inventory: " in inside or "no-site: " in inside


def test_what_dead_runs_left_is_dropped_and_nothing_else(drill: MakeDrill) -> None:
    here = drill()
    instance = here.lab.machines[SCRATCH].instance
    assert instance is not None
    dead = "20200101-000000-dead"
    (here.work / dead).mkdir()
    (here.work / "Not ours").mkdir()
    instance.create_database(f"sk_PR2_{dead}", data=f"D:\\Drill\\{dead}\\a.mdf", log=f"D:\\Drill\\{dead}\\a.ldf")
    (here.work / dead / "rest.mdf").write_bytes(b"x")
    assert here.play([scratch(here)], "--check").code == 0
    assert here.databases == {f"sk_PR2_{dead}"}
    outcome = here.play([scratch(here)])
    assert outcome.code == 0, outcome.events
    assert here.databases == set()
    assert sorted(path.name for path in here.work.iterdir()) == ["Not ours", "sitekeeper-work.txt"]
    here.assert_site_never_asked()


def test_a_restarted_lab_has_what_was_attached_before(drill: MakeDrill) -> None:
    here = drill()
    tasks = [{**pushing(here.root / "got", here.files()), "undo": "never"}, {**ATTACHING, "undo": "never"}]
    assert here.play(tasks).code == 0
    made = here.databases
    assert len(made) == 1
    here.lab.stop()
    with Lab(here.lab.hierarchy, here.lab.folder) as again:
        instance = again.machines[SCRATCH].instance
        assert instance is not None
        assert set(instance.databases) == made
