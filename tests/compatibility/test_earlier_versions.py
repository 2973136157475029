"""What sitekeeper wrote in December 2026 is listed, verified, drilled, resumed and rolled back by this version."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sitekeeper.cli.main import main
from sitekeeper.engine.journal import open_run
from sitekeeper_lab.hierarchy import load_hierarchy
from sitekeeper_lab.server import Lab

ARCHIVE = Path(__file__).with_name("written_2026_12.tar.xz")
WRITTEN_IN = "/srv/sitekeeper"
PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive, unpacked; what it names relatively is found from here."""
    with tarfile.open(ARCHIVE) as archive:
        careful: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since 3.11.4
        archive.extractall(tmp_path, **careful)  # noqa: S202 - our own archive
    for folder in (one for top in ("store", "runs") for one in (tmp_path / top, *(tmp_path / top).rglob("*"))):
        if folder.is_dir():
            folder.chmod(0o700)  # an archive's reader takes no more from it than the umask allows, and gives no less
    for journal in tmp_path.glob("runs/*/journal.db"):  # the folder in which it was all written
        connection = sqlite3.connect(journal)
        connection.execute("UPDATE record SET data = replace(data, ?, ?)", (WRITTEN_IN, str(tmp_path)))
        connection.commit()
        connection.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lab(place: Path) -> Iterator[Lab]:
    """Fresh machines at the addresses of the archive's inventory."""
    with ARCHIVE.open("rb") as one_at_a_time, contextlib.ExitStack() as stack:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)  # the addresses and ports are those of the archive's inventory
        made = stack.enter_context(Lab(place / "hierarchy.yml", place / "lab"))
        assert load_hierarchy(place / "hierarchy.yml").hosts
        yield made


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(list(words))
    return code, json.loads(capsys.readouterr().out)


def runs_by_state(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    code, rows = told(capsys, "runs", "list", "--runs", "runs", "--json")
    assert code == 0
    states: dict[str, list[str]] = {}
    for row in rows:
        states.setdefault(row["state"], []).append(row["run"])
    return states


def test_sets_are_listed_and_verified(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = told(capsys, "backups", "list", "--store", "store", "--json")
    assert (code, [(row["id"], row["kind"]) for row in rows]) == (
        0,
        [("PR2-000001", "snapshot"), ("PR2-000002", "task")],
    )
    code, rows = told(capsys, "backups", "verify", "--store", "store", "--json")
    assert (code, [row["result"] for row in rows]) == (0, ["ok", "ok"])


def test_journals_are_listed_shown_and_make_evidence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = runs_by_state(capsys)
    assert {state: len(runs) for state, runs in states.items()} == {"open": 1, "ended": 3}
    for run in (*states["open"], *states["ended"]):
        assert main(["runs", "show", run, "--runs", "runs"]) == 0
    for run in states["ended"]:
        assert main(["evidence", run, "--runs", "runs", "--out", "evidence"]) == 0
    assert len(list((place / "evidence").glob("*.html"))) == 3


@pytest.mark.parametrize("kind", ["snapshot", "task"])
def test_a_set_is_drilled(place: Path, lab: Lab, kind: str) -> None:
    drill = [
        "run",
        str(PLAYBOOKS / "drill.yml"),
        "-i",
        str(lab.folder / "hosts.yml"),
        "--runs",
        "runs",
        "--limit",
        "PR2",
    ]
    assert main([*drill, "-e", "store=store", "-e", "drill_on=DRILL1", "-e", f"drill_kind={kind}"]) == 0


def test_a_run_that_was_killed_is_rolled_back(place: Path, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = runs_by_state(capsys)["open"]
    assert list(open_run.read(place / "runs" / run).left()) == ["PR2"]
    assert main(["rollback", run, "--runs", "runs"]) == 0
    assert runs_by_state(capsys)["rolled back"] == [run]
    assert not any((place / "store" / ".staging").iterdir())


def test_a_run_that_was_killed_is_resumed_with_the_playbook_of_its_journal(
    place: Path, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = runs_by_state(capsys)["open"]
    head = open_run.read(place / "runs" / run).head
    for name, text in head.texts.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    inventory = yaml.safe_load((place / head.inventory).read_text("utf-8"))
    assert inventory["all"]["vars"]["sql_ca_cert"] == "lab/ca.pem"
    assert main(["resume", run, "--runs", "runs"]) == 0
    code, rows = told(capsys, "backups", "list", "--store", "store", "--json")
    assert (code, len(rows)) == (0, 3)
