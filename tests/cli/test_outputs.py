"""Outputs that are full, closed or of another character set, and a locale with names that are not in UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.small_store import make_set

from sitekeeper.engine.journal import journal

from .conftest import Done


def _done(*arguments: object, redirected: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "sitekeeper.cli.main"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        check=False,
        env=os.environ | more,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for generation in (1, 2):
        make_set(tmp_path / "store", "PR1", generation, "2026-01-01T00:00:00+00:00")
    return tmp_path / "store"


FULL = b"error[space]: standard output cannot be written: No space left on device\n  hint: "


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_output_ends_no_verification(store: Path, unbuffered: str) -> None:
    done = _done("backups", "verify", "--store", store, redirected=">/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr[: len(FULL)]) == (9, FULL)
    assert len(list(store.glob("PR1/*/marks.json"))) == 2  # both were verified


def test_a_full_output_ends_no_run(place: Path) -> None:
    arguments = ("run", place / "play.yml", "-i", place / "hosts.yml")
    for more in ([], ["--json"]):
        done = _done(*arguments, *more, redirected=">/dev/full")
        assert (done.returncode, done.stderr[: len(FULL)]) == (9, FULL)
    for folder in (place / "runs").glob("2*"):
        assert [row.data["event"] for row in journal.read(folder) if row.kind == "event"][-1] == "RunEnded"
    done = _done(*arguments, "-e", "unwilling=001", redirected=">/dev/full")
    assert done.returncode == 1  # what the run came to counts more


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("verify",)], ids=" ".join)
def test_a_closed_output(store: Path, arguments: tuple[str, ...]) -> None:
    done = _done("backups", *arguments, "--store", store, redirected=">&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert _done("backups", *arguments, "--store", store / "none", redirected="<&- >&- 2>&-").returncode == 2


def test_an_output_that_does_not_know_a_character(store: Path) -> None:
    make_set(store, "PR1", 3, "2026-01-01T00:00:00+00:00", more={"C/\N{SNOWMAN}": b"x"})
    done = _done("backups", "files", "PR1", "--store", store, redirected="", PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert (done.returncode, b"C/\\u2603" in done.stdout) == (0, True)


def test_names_that_are_not_in_utf8_are_refused_at_the_start(
    sitekeeper: Callable[..., Done], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a locale without UTF-8 makes of Python; C alone would be taken for UTF-8 (PEP 538).
    done = _done(
        "backups", "verify", "--store", store, redirected="", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0"
    )
    assert (done.returncode, done.stdout, b"PYTHONUTF8=1" in done.stderr) == (2, b"", True)
    assert not list(store.glob("PR1/*/marks.json"))
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    told = json.loads(sitekeeper("modules", "list", "--json").out)
    assert (told["error"], "iso8859-1" in told["message"]) == ("usage", True)
