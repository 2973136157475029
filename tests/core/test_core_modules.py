"""core.assert, debug, fail and set_fact, through a run from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.cli.main import main

HOSTS = "all:\n  hosts:\n    PR1: {site_code: PR1, ansible_password: hunter2}\n"


def _run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tasks: str, *more: str
) -> tuple[int, list[dict[str, Any]]]:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "play.yml").write_text(f"- hosts: all\n  tasks:\n{tasks}")
    code = main(
        [
            "run",
            str(tmp_path / "play.yml"),
            "-i",
            str(tmp_path / "hosts.yml"),
            "--runs",
            str(tmp_path / "runs"),
            "--json",
            *more,
        ]
    )
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, [event for event in events if event.get("event") == "TaskEnded"] or events


def test_assert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, ended = _run(tmp_path, capsys, "    - core.assert: {that: ['{{ 1 < 2 }}', '{{ true }}']}\n")
    assert (code, ended[0]["msg"]) == (0, "2 conditions are true")
    code, ended = _run(tmp_path, capsys, "    - core.assert: {that: ['{{ 1 < 2 }}', '{{ 1 > 2 }}'], msg: no way}\n")
    assert (code, ended[0]["msg"]) == (1, "no way (condition 2 of 2)")
    code, ended = _run(tmp_path, capsys, "    - core.assert: {that: '{{ 1 }}'}\n")
    assert (code, ended[0]["error"]) == (2, "usage")
    assert "valid boolean" in ended[0]["message"]


def test_debug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, ended = _run(
        tmp_path,
        capsys,
        "    - core.debug: {msg: 'of {{ site_code }}'}\n    - core.debug: {var: '{{ [1, {2: run.check}] }}'}\n    - core.debug:\n",
    )
    assert code == 0
    assert [one["msg"] for one in ended] == ["of PR1", "[1, {'2': False}]", "None"]


def test_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, ended = _run(tmp_path, capsys, "    - core.fail: {msg: '{{ site_code }} is not for us'}\n")
    assert (code, ended[0]["status"], ended[0]["msg"]) == (1, "failed", "PR1 is not for us")
    assert "play.yml:3:7" in ended[0]["error"]
    assert _run(tmp_path, capsys, "    - core.fail:\n")[0] == 1


def test_set_fact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, ended = _run(
        tmp_path,
        capsys,
        "    - core.set_fact: {a: [1, 001, '1E5'], b: '{{ a_text }}'}\n    - core.debug: {var: '{{ [a, b] }}'}\n",
        "-e",
        "a_text=5",
        "--check",
    )
    assert code == 0
    assert ended[1]["msg"] == "[[1, 1, '1E5'], '5']"
    code, ended = _run(tmp_path, capsys, "    - core.set_fact: {a: '{{ ansible_password }}'}\n")
    assert (code, ended[0]["error"]) == (4, "secret")
