"""Stores, sites, sets and journals that this user may not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.small_store import make_set
from tests.cli.unprivileged import unprivileged
from tests.journals import run_begun

from sitekeeper.engine.journal.journal import Journal

from .conftest import Done


@contextmanager
def closed(folder: Path, mode: int = 0) -> Iterator[None]:
    before = folder.stat().st_mode
    folder.chmod(mode)
    try:
        yield
    finally:
        folder.chmod(before)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for site, generation in (("CEN", 3), ("PR1", 1), ("PR1", 2)):
        make_set(root, site, generation, "2026-01-01T00:00:00+00:00")
    return root


@pytest.mark.parametrize(
    "arguments", [("list",), ("verify",), ("show", "PR1"), ("show", "PR1-000001"), ("pin", "PR1-000001")], ids=" ".join
)
def test_a_store(store: Path, arguments: tuple[str, ...]) -> None:
    with closed(store):
        done = unprivileged("backups", *arguments, "--store", store)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error[usage]: {store}")
    assert "cannot be read: Permission denied\n  hint: " in done.stderr


@pytest.mark.parametrize("mode", [0, 0o400], ids=oct)
@pytest.mark.parametrize("name", ["PR1", "PR1/PR1-000001"])
def test_one_site_or_set_hides_no_other(store: Path, name: str, mode: int) -> None:
    others = ["CEN-000003: ok"] if name == "PR1" else ["CEN-000003: ok", "PR1-000002: ok"]
    with closed(store / name, mode):
        verified = unprivileged("backups", "verify", "--store", store)
        listed = unprivileged("backups", "list", "--store", store)
    assert [line for line in verified.stdout.splitlines() if line.endswith("ok")] == others
    assert f"  {store / name} cannot be read: Permission denied" in verified.stdout.splitlines()
    assert (verified.returncode, listed.returncode) == (10, 10)
    assert "CEN-000003" in listed.stdout
    assert f"{store / name} cannot be read: Permission denied" in listed.stderr
    assert not (store / "PR1/PR1-000001/marks.json").exists()  # nothing is known of it, and nothing was noted
    assert unprivileged("backups", "verify", "--store", store).returncode == 0


def test_a_folder_in_a_set(store: Path) -> None:
    with closed(store / "PR1/PR1-000001/C"):
        done = unprivileged("backups", "verify", "--store", store)
    assert (done.returncode, done.stdout.count(": ok")) == (10, 2)
    assert "  C/empty: cannot be read (Permission denied)" in done.stdout.splitlines()


def test_journals(tmp_path: Path) -> None:
    for name in ("r1", "r2"):
        made = Journal(tmp_path / "runs" / name)
        made.commit(run_begun(name))
        made.close()
    with closed(tmp_path / "runs"):
        done = unprivileged("runs", "list", "--runs", tmp_path / "runs")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(
            f"error[usage]: cannot read the journals in {tmp_path / 'runs'}: Permission denied"
        )
        assert unprivileged("evidence", "last", "--out", tmp_path / "e", "--runs", tmp_path / "runs").returncode == 2
    with closed(tmp_path / "runs" / "r2"):
        done = unprivileged("runs", "list", "--runs", tmp_path / "runs")
        assert (done.returncode, "unreadable" in done.stdout, "open" in done.stdout) == (0, True, True)
        assert unprivileged("runs", "show", "r2", "--runs", tmp_path / "runs").returncode == 2
    with closed(tmp_path / "runs" / "r2" / "journal.db"):
        assert unprivileged("runs", "show", "r2", "--runs", tmp_path / "runs").returncode == 2


def test_a_file_in_place_of_the_journals(sitekeeper: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = sitekeeper("runs", "list", "--runs", tmp_path / "file")
    assert (done.code, done.out) == (2, "")
    assert f"{tmp_path / 'file'}: Not a directory" in done.err
