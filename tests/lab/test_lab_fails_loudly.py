"""What a thread of the lab was not made for ends the lab, by name; nobody waits for a lab that is gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.cli.main import main
from sitekeeper_lab.failing import LabFailedError
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab


def hierarchy() -> dict[str, Any]:
    data = hosts_of_the_lab("PR2")
    data["hosts"]["PR2"]["address"] = "127.81.92.3"
    return data


def broken() -> None:
    raise PermissionError(13, "Permission denied", "x.dat")


def test_a_broken_scheduler_ends_the_lab_its_clients_and_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = Lab(Hierarchy.model_validate(hierarchy()), tmp_path / "lab")
    lab.start()
    lab.scheduler.call_later(1, broken)
    with pytest.raises(LabFailedError, match=r"PermissionError: .*x\.dat.*\(thread lab-scheduler\)"):
        lab.advance(5)
    assert "lab has failed" in capsys.readouterr().err
    playbook = Path(__file__).resolve().parents[2] / "playbooks" / "check.yml"
    words = [
        "run",
        str(playbook),
        "-i",
        str(lab.folder / "hosts.yml"),
        "-e",
        "store=s",
        "--runs",
        str(tmp_path / "runs"),
    ]
    assert main(words) == 5
    assert json.loads((lab.folder / "failed.json").read_text())["failed"].startswith(
        "the lab has failed: PermissionError"
    )
    with pytest.raises(LabFailedError):
        lab.stop()


def test_a_lab_that_was_stopped_in_time_says_nothing(tmp_path: Path) -> None:
    lab = Lab(Hierarchy.model_validate(hierarchy()), tmp_path / "lab")
    lab.start()
    lab.stop()
    assert not (lab.folder / "failed.json").exists()


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_lab_in_a_process_of_its_own_ends_with_70_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "h.yml").write_text(yaml.safe_dump(hierarchy()), "utf-8")
    state = tmp_path / "lab"
    words = [sys.executable, "-m", "sitekeeper_lab", "serve", str(tmp_path / "h.yml"), "--state", str(state)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as child:
        _until((state / "ready.json").is_file)
        (state / "PR2" / "volumes").rename(state / "PR2" / "gone")  # its disks, from under the living site
        assert child.wait(30) == 70
    text = (tmp_path / "log").read_text()
    assert "the lab has failed: FileNotFoundError" in text
    assert "Traceback" in text
    assert main(["lab", "status", "--state", str(state)]) == 5
    assert "the lab has failed: FileNotFoundError" in capsys.readouterr().err
    shutil.rmtree(state)
