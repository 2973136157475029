"""CEN and its child PR1 never have their services stopped at the same time, whatever runs stop them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import LimitError
from sitekeeper.engine.holding.limits import Limit, Limits

from .conftest import MakeStage
from .test_killed_runs import ROOT, again, intent_of, killed_when, outcome_of

pytestmark = pytest.mark.timeout(180)
EXECUTIVE = "SMS_EXECUTIVE"
SLOW = 3.0
"""Seconds that a window lasts at least, so that two which may meet do meet."""


def windows(here: Any, host: str) -> tuple[int, int]:
    """From the moment at which the first service of a site is asked to stop until all run again, by the lab's audit."""
    numbers = [line["n"] for line in here.audit("change", host) if line["kind"] == "service" and "SMS_" in line["what"]]
    return min(numbers), max(numbers)


@pytest.fixture
def two(stage: MakeStage) -> Any:
    here = stage("CEN", "PR1")
    for host in ("CEN", "PR1"):
        here.lab.fault(host, "slow_stop", service=EXECUTIVE, seconds=SLOW)
    return here


def test_two_windows_of_one_run_never_overlap(two: Any) -> None:
    outcome = two.run()
    assert outcome.code == 0, [event for event in outcome.events if event["event"] == "HostEnded"]
    assert len(two.sets("CEN")) == len(two.sets("PR1")) == 1
    first, second = sorted(windows(two, host) for host in ("CEN", "PR1"))
    assert first[1] < second[0]
    told = {event["text"] for event in outcome.events if event["event"] == "Progressed" and "branch" in event["text"]}
    assert told
    assert all(text.startswith("waiting for limit branch:CEN") for text in told)  # or its turn, if both come at once


@pytest.mark.sweep
def test_two_windows_of_two_runs_never_overlap(two: Any, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sitekeeper.cli.main",
        "run",
        str(ROOT / "playbooks/backup.yml"),
        "-i",
        str(two.inventory),
        "-e",
        f"store={two.store}",
        "-e",
        "settle=0.3s",
        "--runs",
        str(two.root / "runs"),
        "--json",
        "--limit",
    ]
    told = tmp_path / "told.txt"
    with told.open("w") as out, subprocess.Popen([*command, "PR1"], stdout=out, stderr=subprocess.STDOUT) as other:
        outcome = two.run("--limit", "CEN")
    assert outcome.code == 0, [event for event in outcome.events if event["event"] == "HostEnded"]
    assert other.returncode == 0, told.read_text()[-3000:]
    assert len(two.sets("CEN")) == len(two.sets("PR1")) == 1
    first, second = sorted(windows(two, host) for host in ("CEN", "PR1"))
    assert first[1] < second[0]


@pytest.mark.sweep
def test_any_number_of_windows_if_the_play_says_so(two: Any, tmp_path: Path) -> None:
    book = tmp_path / "any.yml"
    text = (ROOT / "playbooks/backup.yml").read_text()
    book.write_text(text.replace("  max_fail_percentage: 25\n", "  branch_windows: any\n"))
    outcome = two.run(playbook=book)
    assert len(two.sets("CEN")) == len(two.sets("PR1")) == 1
    first, second = sorted(windows(two, host) for host in ("CEN", "PR1"))
    assert first[1] > second[0]
    assert not any("branch" in event.get("text", "") for event in outcome.events if event["event"] == "Progressed")


def held(here: Any) -> Any:
    """The window of a site above or below is open, in another run."""
    return Limits(here.root / "runs" / ".limits", SystemClock(), "another").hold(
        [Limit("branch:PR2")], threading.Event(), print
    )


def test_an_open_window_that_cannot_go_on_at_once_is_closed_first(stage: MakeStage) -> None:
    """The dead process had its branch; meanwhile another window was opened on it: the site must not be down until that ends."""
    here = stage("PR2")
    run = killed_when(here, outcome_of("windows.registry"))
    assert here.state("PR2").service(EXECUTIVE).state == "Stopped"
    other = held(here)
    running: list[bool] = []

    def close() -> None:
        for _ in range(600):
            if here.state("PR2").service(EXECUTIVE).state == "Running":
                running.append(True)
                break
            threading.Event().wait(0.1)
        other.release()

    closer = threading.Thread(target=close)
    closer.start()
    code = again(here, "resume", run)
    closer.join()
    assert code == 0, here.told
    assert running == [True]
    assert len(here.sets("PR2")) == 1
    here.assert_clean("PR2")


def test_a_window_that_was_closed_before_is_not_waited_for(stage: MakeStage) -> None:
    here = stage("PR2")
    run = killed_when(here, intent_of("store.pull"))
    other = held(here)
    code = again(here, "resume", run)
    other.release()
    assert code == 0, here.told
    assert len(here.sets("PR2")) == 1
    here.assert_clean("PR2")


def test_an_open_window_goes_on_and_takes_its_branch(stage: MakeStage) -> None:
    here = stage("PR2")
    run = killed_when(here, outcome_of("windows.registry"))
    over = threading.Event()
    held_while: set[str] = set()

    def look() -> None:
        limits = Limits(here.root / "runs" / ".limits", SystemClock(), "another")
        while not over.wait(0.05):
            try:
                limits.hold([Limit("branch:PR2", shared=True)], threading.Event(), lambda _: None, wait=0).release()
            except LimitError:
                held_while.add(here.state("PR2").service(EXECUTIVE).state)

    looker = threading.Thread(target=look)
    looker.start()
    code = again(here, "resume", run)
    over.set()
    looker.join()
    assert code == 0, here.told
    assert "Stopped" in held_while
    assert len(here.sets("PR2")) == 1
