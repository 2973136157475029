"""Every way in which a machine is not the one to recover a site on: refused by its rule, before anything is changed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.backup.conftest import Outcome

from sitekeeper.engine.errors import IntegrityError
from sitekeeper_lab.sql.releases import RELEASES

from .conftest import SCRATCH, Night, edited


class Way(NamedTuple):
    """What is wrong, what is said, at which module, with which exit code."""

    wrong: Callable[[Night], AbstractContextManager[Any]]
    said: str
    module: str = "site.target"
    code: int = 11
    site: str = "PR2"
    kind: str = "snapshot"
    more: tuple[str, ...] = ()


@contextmanager
def _attribute(owner: object, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _instance(night: Night, name: str, value: object, host: str = "PR2") -> AbstractContextManager[None]:
    return _attribute(night.lab.machines[host].instance, name, value)


def _edit(of: str, kind: str, **fields: object) -> Callable[[Night], AbstractContextManager[None]]:
    def wrong(night: Night) -> AbstractContextManager[None]:
        edited(night.set_of(of, kind), lambda data: data.update(fields))
        return nullcontext()

    return wrong


def _edit_database(field: str, value: str) -> Callable[[Night], AbstractContextManager[None]]:
    def wrong(night: Night) -> AbstractContextManager[None]:
        def edit(data: dict[str, object]) -> None:
            database = data["database"]
            assert isinstance(database, dict)
            database[field] = value

        edited(night.set_of("PR2", "snapshot"), edit)
        return nullcontext()

    return wrong


def _edit_machine(night: Night) -> AbstractContextManager[None]:
    def edit(data: dict[str, object]) -> None:
        machine = data["machine"]
        assert isinstance(machine, dict)
        machine["name"] = "OLDPR2"

    edited(night.set_of("PR2", "snapshot"), edit)
    return nullcontext()


def _nothing(_: Night) -> AbstractContextManager[None]:
    return nullcontext()


def _unmarked(night: Night) -> AbstractContextManager[None]:
    return _moved(night.lab.host(SCRATCH).files.resolve("D:\\Drill") / "sitekeeper-work.txt")


def _full(night: Night) -> AbstractContextManager[None]:
    volume = next(one for one in night.lab.host("PR2").machine.volumes if one.name == "D:\\")
    return _attribute(volume, "capacity", volume.used)


@contextmanager
def _moved(path: Path) -> Iterator[None]:
    aside = path.with_suffix(".aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


LIVE_SITE = {
    "a site that runs": Way(_nothing, "no site: a site is installed in D:\\Program Files"),
    "a site of another code": Way(
        _edit("PR2", "snapshot", site="PR9"), "is a set of PR9, not of PR2", module="store.get"
    ),
    "a machine of another name": Way(_edit_machine, "name: this machine is PR2, the set is of OLDPR2"),
    "another edition of SQL Server": Way(
        lambda night: _instance(night, "edition", "Enterprise Edition (64-bit)"), "SQL edition: Enterprise"
    ),
    "an older SQL Server": Way(lambda night: _instance(night, "release", RELEASES["2008"]), "SQL version: 10.0"),
    "a server that sorts differently": Way(
        lambda night: _instance(night, "collation", "Latin1_General_BIN"),
        "collation: the server has Latin1_General_BIN",
    ),
    "a database of that name": Way(_nothing, "no database: database CM_PR2 already exists"),
    "no drive for the install folder": Way(
        _edit("PR2", "snapshot", install_dir="Q:\\SMS"), "install drive: this machine has no volume for Q:\\SMS"
    ),
    "no room": Way(_full, "install drive: D:\\ has"),
    "a snapshot set for the Site Repair Wizard": Way(
        _nothing, "kind of set: PR1-000001 is a snapshot set", site="PR1", more=("-e", "restore_kind=snapshot")
    ),
    "2007 installed in another folder": Way(
        _edit("PR1", "task", install_dir="D:\\Other"),
        "installed site: folder D:\\SMS, was D:\\Other",
        site="PR1",
        kind="task",
    ),
    "2007 of another version": Way(
        _edit("PR1", "task", version="4.0.6221.1000"), "installed site: version 4.0.6487.2000", site="PR1", kind="task"
    ),
    "nobody typed the code": Way(_nothing, "-e confirm=PR2", module="core.assert", code=1, more=("-e", "confirm=")),
    "the wrong code was typed": Way(
        _nothing, "-e confirm=PR2", module="core.assert", code=1, more=("-e", "confirm=PR1")
    ),
    "a site without a set": Way(
        _nothing, "no set PR2-000001", module="store.get", code=2, more=("-e", "store=/nonexistent/store")
    ),
}


def _changes(night: Night, site: str) -> list[object]:
    return [
        line for line in night.audit("change", site) if line["kind"] in {"file", "folder", "service", "acl", "task"}
    ]


@pytest.mark.parametrize("name", LIVE_SITE)
def test_it_is_refused_and_nothing_is_changed(night: Night, name: str) -> None:
    way = LIVE_SITE[name]
    before = len(_changes(night, way.site))
    with way.wrong(night):
        outcome = night.restore(way.site, "-e", f"set={night.set_of(way.site, way.kind).name}", *way.more)
    said = outcome.error(way.site)
    assert (outcome.code, night.failed_task(outcome)) == (way.code, way.module), said
    assert way.said in said or any(way.said in str(line) for line in outcome.events)
    assert _changes(night, way.site)[before:] == []


def test_without_a_typed_code_it_says_what_to_type(night: Night) -> None:
    before = len(_changes(night, "PR2"))
    outcome = night.run("--limit", "PR2", playbook="playbooks/restore.yml")
    assert (outcome.code, night.failed_task(outcome)) == (1, "core.assert")
    assert "say which site is to be recovered: -e confirm=PR2" in outcome.error("PR2")
    assert _changes(night, "PR2")[before:] == []


def _poorer(night: Night) -> ExitStack:
    """A set of Enterprise Edition, and a scratch server of Standard Edition before 2016 SP1."""
    _edit_database("edition", "Enterprise Edition (64-bit)")(night)
    with ExitStack() as stack:
        stack.enter_context(_instance(night, "edition", "Standard Edition (64-bit)", SCRATCH))
        stack.enter_context(_instance(night, "release", RELEASES["2014"], SCRATCH))
        return stack.pop_all()


SCRATCH_WAYS = {
    "not named as one": Way(_nothing, "inventory: ", "sql.scratch", more=("-e", "scratch=no")),
    "a folder without the operator's marker": Way(_unmarked, "sitekeeper-work.txt", "sql.scratch"),
    "a site's own server": Way(_nothing, "scratch: true", "sql.scratch", more=("-e", "drill_on=PR1")),
    "an older SQL Server": Way(
        lambda night: _instance(night, "release", RELEASES["2008"], SCRATCH), "version: ", "sql.scratch"
    ),
    "an edition that cannot open it": Way(_poorer, "edition: ", "sql.scratch"),
    "no such host": Way(_nothing, "NOWHERE", "sql.scratch", code=3, more=("-e", "drill_on=NOWHERE")),
}


def _judged(night: Night, way: Way, outcome: Outcome) -> None:
    said = outcome.error("PR2")
    assert (outcome.code, night.failed_task(outcome)) == (way.code, way.module), said
    assert way.said in said
    assert not (night.set_of("PR2", "snapshot") / "marks.json").exists(), "the set is not at fault"


@pytest.mark.parametrize("name", SCRATCH_WAYS)
def test_a_server_that_is_no_scratch_server(night: Night, name: str) -> None:
    way = SCRATCH_WAYS[name]
    with way.wrong(night):
        outcome = night.drill("PR2", "snapshot", *way.more)
    _judged(night, way, outcome)


def _lost(*_: object) -> None:
    raise IntegrityError("the scratch server lost it")


@pytest.mark.parametrize("where", ["sitekeeper.windows.push.prove", "sitekeeper.sql.attach.prove_online"])
def test_what_a_scratch_server_lost_is_not_held_against_the_set(
    night: Night, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(where, _lost)
    assert night.drill("PR2").code == 10
    assert not (night.set_of("PR2", "snapshot") / "marks.json").exists()
    monkeypatch.undo()
    assert night.drill("PR2").code == 0
