"""The folder store: ids given once, sets whole or not at all, closed to everybody else."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine.errors import IntegrityError, SitekeeperError, SpaceError, UsageError
from sitekeeper.store.format.store_folder import Folder, set_id_of, store_of

ROOT = os.geteuid() == 0


def test_an_id_is_given_once(store: Folder) -> None:
    assert store.newest("PR1") == 0
    staging = store.claim("PR1-000001", "run-a")
    assert staging.stat().st_mode & 0o777 == 0o700
    with pytest.raises(IntegrityError, match="taken already"):
        store.claim("PR1-000001", "run-b")
    assert store.newest("PR1") == 1
    assert store.newest("PR2") == 0


def _claim(root: str, run: str, answer: Any) -> None:
    try:
        Folder(Path(root)).claim("PR1-000001", run)
    except SitekeeperError:
        answer.put(("refused", run))
    else:
        answer.put(("taken", run))


def test_an_id_is_given_to_one_of_many_processes(store: Folder) -> None:
    context = multiprocessing.get_context("spawn")
    answer: Any = context.Queue()
    workers = [context.Process(target=_claim, args=(str(store.root), f"run-{n}", answer)) for n in range(3)]
    for worker in workers:
        worker.start()
    said = [answer.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(word for word, _ in said) == ["refused", "refused", "taken"]


def test_generations_count_what_is_published_staged_or_only_claimed(store: Folder) -> None:
    (store.root / ".claims" / "PR1-000004").touch()
    (store.root / ".staging" / "PR1-000006.dead-run").mkdir()
    (store.root / "PR1").mkdir()
    (store.root / "PR1" / "PR1-000003").mkdir()
    (store.root / "PR1" / "notes").mkdir()
    assert store.newest("PR1") == 6
    shutil.rmtree(store.root / ".staging" / "PR1-000006.dead-run")
    assert store.newest("PR1") == 4
    store.claim(set_id_of("PR1", store.newest("PR1") + 1), "run-b")  # what a dead run left blocks nothing
    assert set_id_of("PR1", 1_234_567) == "PR1-1234567"


def test_unfinished_sets_by_site_and_generation(store: Folder) -> None:
    for set_id, run in (("PR1-000001", "run-a"), ("PR1-000002", "run-b"), ("PR2-000001", "run-a")):
        store.claim(set_id, run)
    assert store.unfinished("PR1") == [("PR1-000001", "run-a"), ("PR1-000002", "run-b")]
    assert store.unfinished("PR1", below=2) == [("PR1-000001", "run-a")]
    assert store.unfinished("CEN") == []


def test_published_whole_and_left_alone_by_discard(store: Folder) -> None:
    staging = store.claim("PR1-000001", "run-a")
    (staging / "manifest.json").write_text("{}")
    final = store.publish("PR1-000001", "run-a")
    assert not staging.exists()
    assert (final / "manifest.json").exists()
    assert final.parent.stat().st_mode & 0o777 == 0o700
    assert store.discard("PR1-000001", "run-a") is False
    assert (final / "manifest.json").exists()
    assert (store.root / ".claims" / "PR1-000001").exists()
    assert store.find("PR1") == store.find("PR1-000001") == final


def test_discard_takes_the_claim_back(store: Folder) -> None:
    store.claim("PR1-000001", "run-a")
    assert store.discard("PR1-000001", "run-a") is True
    assert store.discard("PR1-000001", "run-a") is False
    assert store.newest("PR1") == 0


def test_a_set_that_is_there_is_never_replaced(store: Folder) -> None:
    staging = store.claim("PR1-000001", "run-a")
    store.path("PR1-000001").mkdir(parents=True, mode=0o700)
    store.path("PR1-000001").parent.chmod(0o700)
    with pytest.raises(IntegrityError, match="published already"):
        store.publish("PR1-000001", "run-a")
    assert staging.exists()


def test_a_set_without_manifest_is_found_so_that_it_can_be_called_damaged(store: Folder) -> None:
    store.path("PR1-000001").mkdir(parents=True)
    assert store.find("PR1-000001") == store.path("PR1-000001")
    assert [folder.name for folder in store.sets()] == ["PR1-000001"]
    with pytest.raises(UsageError, match="no set PR1-000002"):
        store.find("PR1-000002")
    with pytest.raises(UsageError, match="no store"):
        list(Folder(store.root / "nowhere").sets())


@pytest.mark.parametrize("which", ["", ".staging", ".claims"])
@pytest.mark.parametrize("mode", [0o750, 0o707])
def test_open_to_others_is_refused(store: Folder, which: str, mode: int) -> None:
    (store.root / which).chmod(mode)
    with pytest.raises(UsageError, match="open to others"):
        store.prepare()


def test_a_sites_folder_open_to_others_is_refused(store: Folder) -> None:
    (store.root / "PR1").mkdir()
    (store.root / "PR1").chmod(0o755)
    store.claim("PR1-000001", "run-a")
    with pytest.raises(UsageError, match="open to others"):
        store.publish("PR1-000001", "run-a")
    assert list((store.root / "PR1").iterdir()) == []


@pytest.mark.skipif(not ROOT, reason="only root can give a folder to somebody else")
@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_a_store_of_another_user_is_refused(store: Folder, mode: int) -> None:
    os.chown(store.root, 12345, 12345)
    store.root.chmod(mode)
    with pytest.raises(UsageError, match=r"another user|open to others"):
        store.prepare()


def test_closed_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Folder(tmp_path / "a" / "store").prepare()
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "store").stat().st_mode & 0o777 == 0o700


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    (tmp_path / "store").chmod(0o600)
    with pytest.raises(SpaceError, match="cannot be written"):
        Folder(tmp_path / "store").prepare()


def test_a_full_store(small_disk: Path) -> None:
    store = Folder(small_disk)
    store.prepare()
    assert 0 < store.free() <= 256 * 1024
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(b"x" * 512 * 1024)
    with pytest.raises(SpaceError, match="is full"):
        store.claim("PR1-000001", "run-a")
    (small_disk / "filler").unlink()
    assert store.newest("PR1") in {0, 1}  # the claim may be there: it blocks nothing but itself


@pytest.mark.skipif(not ROOT, reason="only root can mount")
def test_a_read_only_store(small_disk: Path) -> None:
    store = Folder(small_disk)
    store.prepare()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(SpaceError, match="cannot be written"):
        store.claim("PR1-000001", "run-a")
    for folder in (store, Folder(small_disk / "new" / "store")):
        with pytest.raises(SpaceError, match="Read-only file system"):
            folder.fit()


def test_looking_tells_what_preparing_would_say_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(UsageError, match="file is not a folder"):
            Folder(folder).fit()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(UsageError, match="open to others"):
        Folder(tmp_path / "open").fit()
    Folder(tmp_path / "none" / "yet").fit()
    assert not (tmp_path / "none").exists()


def test_where_a_store_is(kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = kit.Context(None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert store_of(ctx, "backups") == tmp_path / "backups"
    assert store_of(ctx, "~/b") == tmp_path / "home" / "b"
    ctx.vars = {"store": "/srv/b"}
    assert store_of(ctx, None) == Path("/srv/b")
    with pytest.raises(UsageError, match="user who does not exist"):
        store_of(ctx, "~nobody-of-that-name/b")
    ctx.vars = {"store": 5}
    with pytest.raises(UsageError, match="no store is given"):
        store_of(ctx, None)
