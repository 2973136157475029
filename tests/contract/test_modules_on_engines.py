"""Every module that asks something of a host does the same on the lab's own engine and on a real PowerShell."""

from __future__ import annotations

import pytest
from tests.contract.engines import Engines, needs_powershell, on_each_engine
from tests.contract.module_cases import CASES, NOT_ON_A_HOST
from tests.contract.seen import differences
from tests.fidelity.counting import Row, count
from tests.sweeping import these_then_sweeps

from sitekeeper.engine.module import available

pytestmark = pytest.mark.timeout(300)


def test_every_module_is_tried_or_sends_nothing() -> None:
    asking = {name for name, module in available().items() if module.needs.functions or module.needs.cmdlets}
    tried = {name for case in CASES.values() if case.code == 0 for name in case.ends}
    assert tried == asking
    assert set(NOT_ON_A_HOST) == set(available()) - asking


TOLD = [name for name, case in CASES.items() if not case.stolen]
FENCED = [name for name, case in CASES.items() if case.stolen]
NOTHING_ON_A_HOST = {
    "sql.checkdb": "reads every page",
    "store.publish": "changes the store",
    "store.publish_task": "changes the store",
    "store.set": "changes the store",
}
"""Modules that hold a host's lease and change nothing there: they send nothing behind a fence."""


@on_each_engine
@pytest.mark.parametrize("name", TOLD)
def test_it_does_what_it_says(engines: Engines, name: str, engine: str) -> None:
    case, ran = CASES[name], engines.ran(name, engine)
    told, errors = ran.outcome.events, ran.outcome.errors
    assert ran.code == case.code, errors
    for host in case.hosts.split(","):
        ended = {
            one["module"]: one["status"]
            for one in told
            if one["event"] == "TaskEnded" and one["host"] == host and one["module"]
        }
        assert {module: ended.get(module) for module in case.ends} == case.ends, errors
        assert ran.outcome.host(host)["word"] == case.word
        assert case.says in " ".join(str(one.get("error") or one.get("msg") or "") for one in told)
        undone = [one for one in told if one["event"] == "Undone" and one["host"] == host]
        assert all(one["ok"] for one in undone), undone
        assert [one["module"] for one in undone if not one["module"].startswith("store.")] == list(case.undone)
    assert [one for one in ran.left if not one.startswith(case.leaves)] == []
    count(Row.CONTRACT, 1, f"modules on the engine {engine}")


@needs_powershell
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", these_then_sweeps(CASES, {"facts"}))
def test_both_engines_say_the_same(engines: Engines, name: str) -> None:
    python, powershell = (engines.ran(name, engine).seen for engine in ("python", "powershell"))
    assert differences(python, powershell) == []


def test_every_module_that_changes_a_host_is_fenced() -> None:
    changing = {
        name
        for name, module in available().items()
        if module.on_host and "apply" in vars(module) and name not in NOTHING_ON_A_HOST
    }
    assert {CASES[name].stolen for name in FENCED} == changing


@on_each_engine
@pytest.mark.parametrize("name", FENCED)
def test_nothing_is_changed_after_a_failed_fence(engines: Engines, name: str, engine: str) -> None:
    case, ran = CASES[name], engines.ran(name, engine)
    told, errors = ran.outcome.events, ran.outcome.errors
    assert ran.theft is not None
    assert ran.theft.theirs == ran.theft.ours + 1, errors
    assert (ran.code, ran.outcome.host(case.hosts)["word"]) == (case.code, case.word), errors
    assert ran.theft.changes == []
    if engine == "python":  # a real one's audit tells what was sent
        assert ran.theft.ran == []
    failed = [
        one["module"] for one in told if one["event"] == "TaskEnded" and one["status"] == "failed" and one["module"]
    ]
    assert failed == [case.stolen]
    assert ran.theft.taken_back == 0
    assert [one for one in ran.left if not one.startswith(case.leaves)] == [], "a rollback takes the rest back"
    count(Row.CONTRACT, 1, f"modules on the engine {engine}")
