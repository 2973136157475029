"""What setup refuses reaches the operator, and nothing half done is left; a set that is sealed, and setup that takes its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from sitekeeper.lab.windows.model import ScheduledTask

from .conftest import INSTALLER, Ward

SETUP_LOG = r"C:\ConfigMgrSetup.log"


class Way(NamedTuple):
    """What is wrong, what is said, with which exit code, and whether setup itself was started."""

    wrong: Callable[[Ward], object]
    said: str
    code: int = 11
    started: bool = False


def _task(ward: Ward, **facts: object) -> None:
    task = next(one for one in ward.lab.host("PR2").machine.tasks if one.name == "sitekeeper-setup")
    for name, value in facts.items():
        setattr(task, name, value)


def _no_task(ward: Ward) -> None:
    tasks: list[ScheduledTask] = ward.lab.host("PR2").machine.tasks
    tasks[:] = [one for one in tasks if one.name != "sitekeeper-setup"]


def _install_under_the_rules(ward: Ward) -> None:
    """A site that nobody can see in the registry or among the services: only the checker finds it."""
    server = ward.lab.site_servers["PR2"]
    server.host.programs["prereqchk.exe"] = lambda program, arguments: _failed(server, program, arguments)


def _failed(server: object, program: str, arguments: object) -> object:
    site = server.host.machine.site  # type: ignore[attr-defined]
    server.host.machine.site = object()  # type: ignore[attr-defined]
    try:
        return server.prerequisites(program, arguments)  # type: ignore[attr-defined]
    finally:
        server.host.machine.site = site  # type: ignore[attr-defined]


def _other_edition(ward: Ward) -> None:
    """A database whose edition only setup sees."""


WAYS = {
    "no task": Way(_no_task, "there is no task sitekeeper-setup"),
    "a task that runs something else": Way(lambda ward: _task(ward, command=r"C:\other.cmd"), "something else than our file"),
    "a task that runs as SYSTEM": Way(lambda ward: _task(ward, account="SYSTEM"), "runs as SYSTEM"),
    "a task of another account": Way(
        lambda ward: _task(ward, account=r"LAB\somebody"), r"runs as LAB\somebody, recovery.account is LAB\installer"
    ),
    "prerequisites that fail": Way(_install_under_the_rules, "prerequisites ended with 1: ", 7),
    "setup that fails": Way(
        lambda ward: ward.lab.fault("PR2", "setup_fails"), "setup ended with 1: ", 7, started=True
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_refusal_reaches_the_operator_and_nothing_is_left(ward: Ward, name: str) -> None:
    way, host = WAYS[name], ward.lab.host("PR2")
    ward.wreck("PR2")
    way.wrong(ward)
    recovery = {"provider": "PR2.lab.example", "sql_server": "PR2.lab.example", "account": INSTALLER}
    outcome = ward.restore("PR2", "-e", f"set={ward.set_of('PR2', 'snapshot').name}", "-e", json.dumps({"recovery": recovery}))
    said = outcome.error("PR2")
    assert (outcome.code, ward.failed_task(outcome)) == (way.code, "site.setup"), said
    assert way.said in said
    assert host.exists(SETUP_LOG) is way.started
    if way.started:
        assert host.read(SETUP_LOG).decode().splitlines()[-1].strip() in said
    ward.assert_bare("PR2")


def test_setup_that_never_ends_is_left_alone_and_followed_on(ward: Ward) -> None:
    host = ward.lab.host("PR2")
    ward.wreck("PR2")
    ward.lab.fault("PR2", "setup_slow", seconds=7200)
    chosen = ward.set_of("PR2", "snapshot").name
    outcome = ward.restore("PR2", "-e", f"set={chosen}", "-e", "setup_timeout=2s")
    assert "setup has not ended after" in outcome.error("PR2")
    assert outcome.code == 13, "what setup reads was left: the run says so"
    assert len(ward.staged("PR2")) == 2, "the database and the stage"
    assert ward.lab.machines["PR2"].instance.database("CM_PR2") is not None  # type: ignore[union-attr]
    assert ward.again("rollback") == 13, "and it stays as long as setup is at work"
    assert len(ward.staged("PR2")) == 2
    ward.lab.advance(7300)
    assert ward.again("resume") == 0
    assert host.read(SETUP_LOG).count(b"began") == 1
    ward.assert_works("PR2")
