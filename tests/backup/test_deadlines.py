"""Each deadline names itself when it fires, and what was changed by then is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(120)
BACKUP = Path(__file__).parents[2] / "playbooks" / "backup.yml"


def changed(tmp_path: Path, before: str, after: str) -> Path:
    text = BACKUP.read_text()
    assert before in text
    book = tmp_path / "changed.yml"
    book.write_text(text.replace(before, after, 1))
    return book


def test_block(stage: MakeStage, tmp_path: Path) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=4)
    book = changed(tmp_path, "    - name: Offline window\n", "    - name: Offline window\n      deadline: 1s\n")
    outcome = here.run(playbook=book)
    assert outcome.code == 7
    assert "the deadline of block `Offline window` (1 s)" in outcome.error("PR2")
    assert here.sets("PR2") == []
    here.assert_clean("PR2")


def test_task(stage: MakeStage, tmp_path: Path) -> None:
    here = stage("PR2")
    line = '      store.pull: {set: "{{ set }}", snapshot: "{{ snapshot }}", what: "{{ site.what }}"'
    book = changed(tmp_path, line + "}\n", line + ", rate: 100KB}\n      deadline: 2s\n")
    outcome = here.run(playbook=book)
    assert outcome.code == 7, outcome.error("PR2")
    assert "the deadline of task `Copy files from the shadow copies` (2 s)" in outcome.error("PR2")
    here.assert_clean("PR2")


def test_run(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=5)
    outcome = here.run("--deadline", "2s")
    assert outcome.code == 7
    assert "the deadline of the run" in outcome.error("PR2")
    here.assert_clean("PR2")
