"""ConfigMgr's setup works for half an hour or longer: a connection that is lost meanwhile ends neither it nor the run."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.cli.main import main
from sitekeeper.site import setup
from sitekeeper.transport.psrp import shell

from .night import ROOT
from .rescue_scenarios import RESCUES, recovered
from .strikes import lab_time

LOST = 20
"""Requests in a row that are cut off: more than any attempt to connect again survives."""


@pytest.mark.parametrize("at", ["Start-SkSetup", "Read-SkSetup"])
def test_a_connection_that_is_lost_for_long(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, _ = RESCUES["restore, option 20"]
    scene = begin(tmp_path / "scene")
    assert scene.slow is not None
    scene.slow.watched = True
    write = scene.lab.audit.write
    cut: list[int] = []

    def heard(event: str, host: str, **facts: Any) -> int:
        number = write(event, host, **facts)
        if (
            event == "call"
            and facts["command"] == "Read-SkSetup"
            and dict(facts["arguments"])["Step"] == "setup"
            and not cut
        ):
            cut.append(number)
            scene.lab.fault("PR2", "drop_connection", at=1, when="before", times=LOST)
        return number

    monkeypatch.setattr(scene.lab.audit, "write", heard)
    monkeypatch.setattr(setup, "FOLLOW_SECONDS", 0.2)
    monkeypatch.setattr(shell, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setattr(shell, "OPEN_ATTEMPTS", 1)
    said = io.StringIO()
    try:
        with lab_time(scene.lab), contextlib.redirect_stdout(said):
            code = main(
                [
                    "run",
                    str(ROOT / "playbooks/restore.yml"),
                    "-i",
                    str(scene.lab.folder / "hosts.yml"),
                    "--limit",
                    "PR2",
                    "-e",
                    f"store={scene.store}",
                    "-e",
                    "confirm=PR2",
                    "-e",
                    f"book={tmp_path / 'book'}",
                    "--runs",
                    str(scene.runs),
                    "--json",
                ]
            )
        assert cut, "nobody looked at setup"
        assert code == 0, said.getvalue()[-3000:]
        assert recovered(scene) == []
    finally:
        scene.close()
