"""The control host dies for good inside the offline window: the site starts by itself, and what is open is taken back later."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sitekeeper.cli.main import main
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import PartialFailure
from sitekeeper.engine.holding import guarding
from sitekeeper.engine.journal import journal
from sitekeeper.transport import guard

from .conftest import MakeStage
from .test_killed_runs import ROOT, again, killed_when, outcome_of

pytestmark = pytest.mark.timeout(180)
BEATS_OFTEN = """
from sitekeeper.cli.main import main
from sitekeeper.engine.holding import guarding
guarding.BEAT_SECONDS = 2.0
raise SystemExit(main())
"""
"""The command line, whose next beat comes soon after it wakes."""
RUNNING = {"SMS_SITE_COMPONENT_MANAGER": "Running", "SMS_EXECUTIVE": "Running"}


def minutes(here: Any, number: int) -> None:
    """The night goes on, for the control host too."""
    for _ in range(number):
        here.lab.advance(60)
    here.patch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(minutes=number))


def guards(here: Any, host: str) -> list[str]:
    return [task.name for task in here.state(host).machine.tasks if "sitekeeper" in task.name.lower()]


@pytest.fixture
def dead(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """A run that was killed while the site's services were stopped."""
    here = stage("PR2")
    here.patch = monkeypatch
    run = killed_when(here, outcome_of("windows.registry"))
    assert here.state("PR2").states(*RUNNING) == dict.fromkeys(RUNNING, "Stopped")
    return here, run


def test_the_site_starts_by_itself_and_not_before(dead: tuple[Any, str]) -> None:
    here, _ = dead
    assert len(guards(here, "PR2")) == 2, "one for the services, one for what may be left over"
    minutes(here, 12)
    assert here.state("PR2").states(*RUNNING) == dict.fromkeys(RUNNING, "Stopped")
    minutes(here, 6)
    assert here.state("PR2").states(*RUNNING) == RUNNING


@pytest.mark.parametrize("command", ["rollback", "resume"])
def test_the_run_is_taken_up_after_the_guard_has_acted(dead: tuple[Any, str], command: str) -> None:
    here, run = dead
    minutes(here, 18)
    assert again(here, command, run) == 0, here.told
    here.assert_clean("PR2")
    assert guards(here, "PR2") == []
    assert journal.open_changes(here.root / "runs" / run) == []
    assert len(here.sets("PR2")) == (command == "resume")
    if command == "resume":
        assert main(["backups", "verify", "--store", str(here.store)]) == 0


def test_what_is_left_over_goes_after_hours(dead: tuple[Any, str]) -> None:
    here, run = dead
    exports = here.state("PR2").path(f"D:\\sitekeeper\\{run}\\registry")
    minutes(here, 5 * 60)
    assert list(exports.iterdir())
    minutes(here, 61)
    assert not exports.exists()
    assert here.state("PR2").machine.shadows == []
    assert again(here, "rollback", run) == 0, here.told
    here.assert_clean("PR2")


def test_what_was_published_is_published_once_though_nobody_wrote_it_down(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the rename and the record of it; then the leak guard drops what a resumed run would build on."""
    here = stage("PR2")
    here.patch = monkeypatch
    run = killed_when(here, outcome_of("store.publish"))
    with closing(sqlite3.connect(here.root / "runs" / run / "journal.db")) as database, database:
        (intent,) = database.execute(
            "SELECT seq FROM record WHERE kind = 'intent' AND data LIKE '%store.publish%'"
        ).fetchone()
        database.execute("DELETE FROM record WHERE seq > ?", (intent,))
    minutes(here, 6 * 60 + 5)
    assert here.state("PR2").machine.shadows == []
    assert again(here, "resume", run) == 0, here.told
    assert len(here.sets("PR2")) == 1
    here.assert_clean("PR2")


def test_a_new_run_is_not_stopped_by_the_dead_one(dead: tuple[Any, str]) -> None:
    here, run = dead
    minutes(here, 18)
    (left,) = (here.store / ".staging").iterdir()
    assert left.name.endswith(run)
    assert here.run().code == 0
    assert not left.exists(), "nobody will ever publish it"
    assert again(here, "rollback", run) == 0, here.told
    assert here.run().code == 0
    assert len(here.sets("PR2")) == 2
    here.assert_clean("PR2")


def test_a_hung_run_is_not_kept_alive(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP: the process is there, but silent. When it wakes, the site has fenced it, and it changes nothing more."""
    here = stage("PR2")
    here.patch = monkeypatch
    child = here.start(settle="5s", code=("-c", BEATS_OFTEN))
    try:
        until = time.monotonic() + 60
        while here.state("PR2").states(*RUNNING) != dict.fromkeys(RUNNING, "Stopped") and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGSTOP)
        minutes(here, 18)
        assert here.state("PR2").states(*RUNNING) == RUNNING
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait(90) == PartialFailure.exit_code, "a run that was fenced is no good run"
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGCONT)
            child.kill()
            child.wait()
    assert here.sets("PR2") == []
    assert here.state("PR2").states(*RUNNING) == RUNNING


def test_a_second_signal_leaves_at_once_and_the_guard_acts(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage("PR2")
    here.patch = monkeypatch
    here.lab.fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=120)
    child = here.start(stderr=subprocess.PIPE, text=True)
    while here.state("PR2").service("SMS_EXECUTIVE").state == "Running" and child.poll() is None:
        time.sleep(0.05)
    child.terminate()
    time.sleep(0.5)
    child.terminate()
    _, told = child.communicate(timeout=20)
    assert child.returncode == 14
    run = next(one.name for one in (here.root / "runs").iterdir() if one.name.startswith("20"))
    assert "starts its services by itself" in told
    assert f"sitekeeper rollback {run}" in told
    assert here.state("PR2").states(*RUNNING) != RUNNING
    minutes(here, 18)
    assert here.state("PR2").states(*RUNNING) == RUNNING
    assert again(here, "rollback", run) == 0, here.told
    here.assert_clean("PR2")


def test_a_guard_that_does_not_run_any_more_ends_the_run(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task was seen once and never again: nothing would start the services if we died, so they are started now."""
    here = stage("PR2")
    monkeypatch.setattr(guard, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(guarding, "BEAT_SECONDS", 0.2)
    here.lab.fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=4)
    outcome = here.run()
    assert outcome.code == 7, outcome.error("PR2")
    assert "its scheduled task was deleted or disabled, or hangs" in outcome.error("PR2")
    assert here.state("PR2").states(*RUNNING) == RUNNING
    assert here.sets("PR2") == []
    here.lab.clear_faults()
    here.assert_clean("PR2")


def test_a_guard_is_silent_only_after_a_while() -> None:
    clock = StillClock()
    silence = guard.GuardSilence("PR2", clock)
    beat = guard.Beat(guards=(1, 2), waiting=(2,), renewed=True)
    assert silence.look(beat, {1, 2}) == ""
    clock.seconds += guard.SILENT_SECONDS - 1
    assert silence.look(beat, {1, 2}) == ""
    assert silence.look(guard.Beat(guards=(1, 2), waiting=(), renewed=True), {1, 2}) == "", "it took the beat"
    clock.seconds += 2
    assert silence.look(guard.Beat(guards=(1,), waiting=(1,), renewed=True), {1, 2}) == ""
    clock.seconds += guard.SILENT_SECONDS + 1
    assert "guard 2 of PR2 has not run for 301 s" in silence.look(guard.Beat((1,), (), renewed=True), {1, 2})
    assert silence.look(guard.Beat((1,), (), renewed=True), {1}) == "", "one that was disarmed is not missed"


class StillClock(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_a_good_run_leaves_no_guard_and_is_not_slowed(stage: MakeStage) -> None:
    here = stage("PR2")
    assert here.run().code == 0
    assert guards(here, "PR2") == []
    calls = here.calls("PR2")
    armed = [n for n, line in enumerate(calls) if line["command"] == "Register-SkGuard"]
    stops = [n for n, line in enumerate(calls) if line["arguments"].get("Name") == "StopService"]
    assert len(armed) == len(stops) == 2
    assert max(armed) < min(stops)
    here.assert_clean("PR2")


def test_without_a_guard_when_told_so(stage: MakeStage, tmp_path: Path) -> None:
    here = stage("PR2")
    plays = yaml.safe_load((ROOT / "playbooks/backup.yml").read_text())
    next(task for task in plays[0]["tasks"] if "guard" in task)["guard"] = "none"
    book = tmp_path / "unguarded.yml"
    book.write_text(yaml.safe_dump(plays, sort_keys=False))
    assert here.run(playbook=book).code == 0
    assert "Register-SkGuard" not in [line["command"] for line in here.calls("PR2")]
