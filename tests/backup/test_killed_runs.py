"""The control host's process is killed in the middle of a backup; resume goes on or starts over, rollback leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sweeping import some_then_sweeps

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import SitekeeperError, UndoError
from sitekeeper.engine.journal import journal
from sitekeeper.windows.registry import Registry
from sitekeeper_lab.sql.attach import attach

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).resolve().parents[2]
Seen = Callable[[list[journal.Row]], bool]


def rows_of(folder: Path) -> list[journal.Row]:
    """The records so far; none while the journal is just being made."""
    try:
        return list(journal.read(folder))
    except (SitekeeperError, sqlite3.Error):
        return []


def killed_when(here: Any, seen: Seen, playbook: Path = ROOT / "playbooks/backup.yml") -> str:
    """Start a backup in a process of its own and SIGKILL it once its journal shows what was asked for; its run id."""
    runs = here.root / "runs"
    child = here.start(playbook=playbook, runs=runs)
    until = time.monotonic() + 60
    folder: Path | None = None
    while time.monotonic() < until and child.poll() is None:
        found = [one for one in runs.iterdir() if (one / "journal.db").is_file()] if runs.is_dir() else []
        if found:
            folder = found[0]
            if seen(rows_of(folder)):
                break
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert folder is not None
    assert not any(row.data.get("event") == "RunEnded" for row in journal.read(folder) if row.kind == "event")
    return folder.name


def intent_of(module: str) -> Seen:
    return lambda rows: any(row.kind == "intent" and row.data["module"] == module for row in rows)


def outcome_of(module: str) -> Seen:
    def seen(rows: list[journal.Row]) -> bool:
        changes = {row.change for row in rows if row.kind == "intent" and row.data["module"] == module}
        return any(row.kind == "outcome" and row.change in changes for row in rows)

    return seen


POINTS = {
    "store.set begun": intent_of("store.set"),
    "services being stopped": intent_of("windows.service"),
    "services stopped": outcome_of("windows.service"),
    "registry exported": outcome_of("windows.registry"),
    "snapshot being made": intent_of("windows.snapshot"),
    "snapshot made": outcome_of("windows.snapshot"),
    "pull begun": intent_of("store.pull"),
    "pulled": outcome_of("store.pull"),
    "published": outcome_of("store.publish"),
}


def again(here: Any, command: str, run: str) -> int:
    code = main([command, run, "--runs", str(here.root / "runs"), "--json"])
    here.told = here.capture.readouterr().out
    return code


@pytest.mark.parametrize("point", some_then_sweeps(POINTS, step=5))
def test_resume(stage: MakeStage, point: str) -> None:
    here = stage("PR2")
    run = killed_when(here, POINTS[point])
    assert again(here, "resume", run) == 0, here.told
    (folder,) = here.sets("PR2") if len(here.sets("PR2")) == 1 else pytest.fail(here.told)
    files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
    inbox = int((folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
    assert attach(files[".mdf"], files[".ldf"]).counter == inbox
    assert main(["backups", "verify", "--store", str(here.store)]) == 0
    here.assert_clean("PR2")
    assert journal.open_changes(here.root / "runs" / run) == []


@pytest.mark.parametrize("point", some_then_sweeps(reversed(POINTS), step=5))
def test_rollback(stage: MakeStage, point: str) -> None:
    here = stage("PR2")
    run = killed_when(here, POINTS[point])
    assert again(here, "rollback", run) == 0, here.told
    here.assert_clean("PR2")
    assert journal.open_changes(here.root / "runs" / run) == []
    assert len(here.sets("PR2")) == (point == "published")


def test_a_set_is_not_pulled_twice(stage: MakeStage) -> None:
    """What was whole before the kill is not read from the host again."""
    here = stage("PR2")
    run = killed_when(here, outcome_of("store.pull"))
    reads = len([1 for line in here.calls("PR2") if line["command"] == "Read-SkFile"])
    assert again(here, "resume", run) == 0, here.told
    assert len([1 for line in here.calls("PR2") if line["command"] == "Read-SkFile"]) == reads


def test_what_was_half_undone_is_not_built_upon(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback took back the services and the shadow copies, and not all: going on would mean a snapshot of a living site."""

    def fails(*_: Any) -> str:
        raise UndoError("not today")

    here = stage("PR2")
    run = killed_when(here, outcome_of("windows.snapshot"))
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "undo", fails)
        assert again(here, "rollback", run) == 13
    assert again(here, "resume", run) == 0, here.told
    assert len(here.sets("PR2")) == 1
    assert main(["backups", "verify", "--store", str(here.store)]) == 0
    here.assert_clean("PR2")


def test_the_next_play_begins_with_nothing_behind_it(stage: MakeStage) -> None:
    here = stage("PR2")
    book = here.root / "two.yml"
    book.write_text("""\
- hosts: sites
  tasks:
    - site.facts:
      register: site
    - windows.registry: {export: "{{ site.registry_keys }}", site: "{{ site }}"}
      undo: play
    - site.preflight: {site: "{{ site }}"}
    - site.facts:
- hosts: sites
  tasks:
    - site.facts:
""")
    run = killed_when(here, outcome_of("windows.registry"), book)
    assert again(here, "resume", run) == 0, here.told
    undone = [row.change for row in journal.read(here.root / "runs" / run) if row.kind == "undone"]
    assert len(undone) == len(set(undone)) > 0
    here.assert_clean("PR2")


def test_refused_with_other_sources(stage: MakeStage) -> None:
    here = stage("PR2")
    run = killed_when(here, outcome_of("windows.snapshot"))
    inventory = here.inventory.read_text()
    here.inventory.write_text(inventory.replace("127.81.0.3", "127.81.0.4"))
    assert again(here, "resume", run) == 2
    assert "ansible_host" in json.loads(here.told)["message"]
    assert again(here, "rollback", run) == 2
    here.inventory.write_text(inventory)
    assert main(["resume", run, "--runs", str(here.root / "runs"), "--json", "-e", "store=/elsewhere"]) == 2
    assert again(here, "rollback", run) == 0
    here.assert_clean("PR2")
    assert again(here, "rollback", run) == 0 or "nothing" in here.told


def test_a_run_that_goes_on_is_not_resumed(stage: MakeStage) -> None:
    here = stage("PR2")
    run = killed_when(here, outcome_of("windows.snapshot"))
    owner = journal.Journal(here.root / "runs" / run, again=True)
    assert again(here, "rollback", run) == 12
    owner.close()
    assert again(here, "rollback", run) == 0


def test_interrupted_run_undoes(stage: MakeStage) -> None:
    """SIGTERM: what was changed is taken back, with an exit code of its own."""
    here = stage("PR2")
    here.lab.fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=2)
    child = here.start(stdout=subprocess.PIPE)
    while here.state("PR2").service("SMS_EXECUTIVE").state == "Running" and child.poll() is None:
        time.sleep(0.02)
    child.terminate()
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 14, out[-2000:]
    here.assert_clean("PR2")
    assert here.sets("PR2") == []
