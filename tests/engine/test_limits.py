"""Limits: never more holders than they allow, also across processes; freed by the kernel when a holder dies."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import LimitError, RunInterruptedError, UsageError
from sitekeeper.engine.holding.limits import Limit, Limits, read_limits

from .conftest import Stage


def limits(folder: Path, run: str = "run-1") -> Limits:
    return Limits(folder / "limits", SystemClock(), run)


def nothing(_: str) -> None:
    pass


def test_declared() -> None:
    assert read_limits({"wan": {"count": 2, "rate": "40MB"}, "sql": 3}) == {
        "wan": Limit("wan", 2, 40_000_000),
        "sql": Limit("sql", 3),
    }
    assert Limit("wan", 2, 40_000_000).share == 20_000_000


@pytest.mark.parametrize(
    "wrong", [[], {"a": "b"}, {"a": {"count": 0}}, {"a": {"count": True}}, {"a": {"rate": "fast"}}, {"a": {"speed": 1}}]
)
def test_declared_wrongly(wrong: Any) -> None:
    with pytest.raises(UsageError):
        read_limits(wrong)


def test_as_many_as_it_allows(tmp_path: Path) -> None:
    mine, other = limits(tmp_path), limits(tmp_path, "run-2")
    first = mine.hold([Limit("a", 2)], threading.Event(), nothing)
    second = other.hold([Limit("a", 2)], threading.Event(), nothing)
    told: list[str] = []
    with pytest.raises(LimitError, match=r"run-1.*run-2"):
        mine.hold([Limit("a", 2)], threading.Event(), told.append, wait=0.2)
    assert told
    second.release()
    second.release()
    mine.hold([Limit("a", 2)], threading.Event(), nothing, wait=1).release()
    first.release()


def test_threads_overlap_no_more_than_allowed(tmp_path: Path) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    shared = limits(tmp_path)

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            held = shared.hold([Limit("b", 2), Limit("a", 3)], threading.Event(), nothing)
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.002)
            with lock:
                inside -= 1
            held.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


HOLDER = """
import signal, sys, threading
from pathlib import Path
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.holding.limits import Limit, Limits
Limits(Path(sys.argv[1]) / "limits", SystemClock(), "killed").hold([Limit("machine:x")], threading.Event(), print)
print("holding", flush=True)
signal.pause()
"""


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "holding\n"
        with pytest.raises(LimitError, match="killed"):
            limits(tmp_path).hold([Limit("machine:x")], threading.Event(), nothing, wait=0.1)
        child.kill()
    limits(tmp_path).hold([Limit("machine:x")], threading.Event(), nothing, wait=5).release()


def test_the_operator_ends_the_waiting(tmp_path: Path) -> None:
    held = limits(tmp_path).hold([Limit("a")], threading.Event(), nothing)
    stop = threading.Event()
    stop.set()
    with pytest.raises(RunInterruptedError):
        limits(tmp_path).hold([Limit("a")], stop, nothing)
    held.release()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = open_files()
    held = limits(tmp_path).hold([Limit("z")], threading.Event(), nothing)
    with pytest.raises(LimitError):
        limits(tmp_path).hold([Limit("a"), Limit("z")], threading.Event(), nothing, wait=0.05)
    held.release()
    assert open_files() == before


def test_shared_with_those_who_share_it(tmp_path: Path) -> None:
    one, other = limits(tmp_path), limits(tmp_path, "run-2")
    ours = one.hold([Limit("a", shared=True)], threading.Event(), nothing)
    theirs = other.hold([Limit("a", shared=True)], threading.Event(), nothing, wait=1)
    with pytest.raises(LimitError, match="held by others"):
        one.hold([Limit("a")], threading.Event(), nothing, wait=0.1)
    ours.release()
    theirs.release()
    alone = one.hold([Limit("a")], threading.Event(), nothing, wait=1)
    with pytest.raises(LimitError, match="held by run run-1"):
        other.hold([Limit("a", shared=True)], threading.Event(), nothing, wait=0.1)
    alone.release()


def test_a_machine_that_is_ours_is_not_waited_for_again(stage: Stage) -> None:
    """By a second try, or by another task of the play."""
    outcome = stage.tasks(
        """\
        - test.machine: {name: m, fails: before, tries: 1}
          retries: 1
        - test.machine: {name: m}
        """
    )
    assert outcome.exit_code == 0
    assert stage.did() == ["refused m", "undone m", "made m", "made m"]
