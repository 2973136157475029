"""``sitekeeper backups`` on a small store made by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.small_store import make_set

from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import trash
from sitekeeper.store.keeping.verify import verify_set

from .conftest import Done


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    make_set(root, "PR1", 1, "2026-01-01T00:00:00+00:00")
    make_set(root, "PR1", 12, "2026-01-02T00:00:00+00:00")
    make_set(root, "CEN", 3, "2026-01-03T00:00:00+00:00", "separate")
    (root / ".staging" / "PR1-000013.r2").mkdir(parents=True)
    return root


def test_list(sitekeeper: Callable[..., Done], store: Path) -> None:
    done = sitekeeper("backups", "list", "--store", store)
    assert done.code == 0
    lines = [line for line in done.out.splitlines() if "-0000" in line]
    assert [line.split()[0] for line in lines] == ["CEN-000003", "PR1-000001", "PR1-000012"]
    assert "separate" in lines[0]
    rows = sitekeeper("backups", "list", "--store", store, "--json", "--site", "PR1").json
    assert [(row["id"], row["offline_seconds"], row["files"], row["folder"]) for row in rows] == [
        ("PR1-000001", 12.5, 3, str(store / "PR1/PR1-000001")),
        ("PR1-000012", 12.5, 3, str(store / "PR1/PR1-000012")),
    ]


def test_show(sitekeeper: Callable[..., Done], store: Path) -> None:
    done = sitekeeper("backups", "show", "--store", store, "PR1")
    assert "id: PR1-000012\n" in done.out  # a site code means its newest
    assert "site_name: Site [one]\n" in done.out
    assert "sitectrl" not in done.out
    about = sitekeeper("backups", "show", "--store", store, "--json", "CEN-000003").json
    assert about["consistency"] == "separate"
    assert len(about["entries"]) == 4
    both = sitekeeper("backups", "show", "--store", store, "--json", "CEN", "PR1-000001").json
    assert [one["id"] for one in both] == ["CEN-000003", "PR1-000001"]


def test_verify(sitekeeper: Callable[..., Done], store: Path) -> None:
    done = sitekeeper("backups", "verify", "--store", store)
    assert (done.code, done.out.splitlines()) == (0, ["CEN-000003: ok", "PR1-000001: ok", "PR1-000012: ok"])
    rows = sitekeeper("backups", "verify", "--store", store, "--json", "PR1").json
    assert rows == [{"id": "PR1-000012", "result": "ok", "problems": [], "notes": []}]


def _after_the_first(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens to the store when its first set was verified."""
    seen: list[Path] = []

    def verified(folder: Path) -> list[str]:
        found = verify_set(folder)
        seen.append(folder)
        if len(seen) == 1:
            happens()
        return found

    monkeypatch.setattr("sitekeeper.cli.backups.verify.verify_set", verified)


@pytest.mark.parametrize("below", [False, True])
def test_sets_that_vanish_with_their_store_fail(
    sitekeeper: Callable[..., Done], store: Path, monkeypatch: pytest.MonkeyPatch, below: bool
) -> None:
    """A mount that is lost leaves nothing, or the empty folder below it."""
    (store / ".trash").mkdir()

    def lost() -> None:
        store.rename(store.parent / "elsewhere")
        if below:
            store.mkdir()

    _after_the_first(monkeypatch, lost)
    done = sitekeeper("backups", "verify", "--store", store)
    assert done.code == 10
    lines = done.out.splitlines()
    assert lines[0] == "CEN-000003: ok"
    assert [line for line in lines if "disappeared while it was verified, and not by a prune" in line] == [
        line for line in lines if line.startswith("PR1-")
    ]
    assert len([line for line in lines if line.startswith("PR1-")]) == 2


def test_a_set_that_nothing_pruned_fails(
    sitekeeper: Callable[..., Done], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _after_the_first(monkeypatch, lambda: shutil.rmtree(store / "PR1/PR1-000001"))  # nothing was ever pruned here
    done = sitekeeper("backups", "verify", "--store", store, "--json")
    assert (done.code, [row["result"] for row in done.json]) == (10, ["ok", "gone", "ok"])


def test_a_set_that_was_pruned_meanwhile_is_said(
    sitekeeper: Callable[..., Done], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pruned() -> None:
        trash.drop(Folder(store), store / "PR1/PR1-000001")
        trash.empty(Folder(store))

    _after_the_first(monkeypatch, pruned)
    done = sitekeeper("backups", "verify", "--store", store)
    assert done.code == 0
    assert "PR1-000001: disappeared while it was verified: it was pruned" in done.out


def _flip(folder: Path) -> str:
    file = folder / "C/logs/[smsexec].log"
    data = bytearray(file.read_bytes())
    data[7] ^= 1
    file.write_bytes(data)
    return "C/logs/[smsexec].log: the content was changed (SHA-256)"


def _cut(folder: Path) -> str:
    (folder / "registry/SMS.reg").write_bytes(b"r")
    return "registry/SMS.reg: 1 bytes instead of 3"


def _lose(folder: Path) -> str:
    (folder / "registry/SMS.reg").unlink()
    return "registry/SMS.reg: the file is missing"


def _link(folder: Path) -> str:
    (folder / "registry/SMS.reg").unlink()
    (folder / "registry/SMS.reg").symlink_to(folder / "C/inboxes/sitectrl.ct0")
    return "registry/SMS.reg: the file is missing"


def _add(folder: Path) -> str:
    (folder / "C/extra").write_text("x")
    return "C/extra: not in the manifest"


def _lose_folder(folder: Path) -> str:
    (folder / "C/empty").rmdir()
    return "C/empty: the folder is missing"


def _change_manifest(folder: Path) -> str:
    file = folder / "manifest.json"
    file.write_text(file.read_text().replace("PR1-000001", "PR1-000002", 1))
    return "was changed after it was published"


def _lose_manifest(folder: Path) -> str:
    (folder / "manifest.json").unlink()
    return f"no readable manifest: {folder / 'manifest.json'}: No such file"


def _lose_checksum(folder: Path) -> str:
    (folder / "manifest.sha256").unlink()
    return f"no readable manifest: {folder / 'manifest.sha256'}: No such file"


@pytest.mark.parametrize(
    "damage", [_flip, _cut, _lose, _link, _add, _lose_folder, _change_manifest, _lose_manifest, _lose_checksum]
)
def test_damage_is_named_and_fails(sitekeeper: Callable[..., Done], store: Path, damage: Any) -> None:
    said = damage(store / "PR1/PR1-000001")
    done = sitekeeper("backups", "verify", "--store", store)
    assert done.code == 10
    assert done.out.splitlines()[1] == "PR1-000001: DAMAGED"
    assert said in done.out
    rows = {row["id"]: row for row in sitekeeper("backups", "verify", "--store", store, "--json").json}
    assert [row["result"] for row in rows.values()] == ["ok", "damaged", "ok"]
    assert said in rows["PR1-000001"]["problems"][0]


def test_a_set_without_a_good_manifest_is_listed_as_damaged(sitekeeper: Callable[..., Done], store: Path) -> None:
    _change_manifest(store / "PR1/PR1-000001")
    done = sitekeeper("backups", "list", "--store", store)
    assert (done.code, "DAMAGED" in done.out) == (10, True)
    assert sitekeeper("backups", "show", "--store", store, "PR1-000001").code == 10


def test_nothing_to_look_at(sitekeeper: Callable[..., Done], tmp_path: Path) -> None:
    done = sitekeeper("backups", "list", "--store", tmp_path / "none")
    assert (done.code, "error[usage]: no store at" in done.err) == (2, True)
    (tmp_path / "empty").mkdir()
    assert sitekeeper("backups", "list", "--store", tmp_path / "empty").code == 0
    assert sitekeeper("backups", "list", "--store", tmp_path / "empty", "--json").json == []
    done = sitekeeper("backups", "verify", "--store", tmp_path / "empty")
    assert (done.code, "no sets in" in done.err) == (10, True)
    done = sitekeeper("backups", "verify", "--store", tmp_path / "empty", "--json")
    assert done.code == 10
    assert done.json == []


@pytest.mark.parametrize("name", ["PR1-000099", "XYZ", "../PR1", "PR1-1", ""])
def test_no_such_set(sitekeeper: Callable[..., Done], store: Path, name: str) -> None:
    for action in ("show", "verify"):
        done = sitekeeper("backups", action, "--store", store, name)
        assert (done.code, "error[usage]: no set" in done.err) == (2, True)
