"""A frozen tree equals the live one at its instant, however it came to be: from nothing or from a spare."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from sitekeeper_lab.windows.freeze import Spares


def picture(folder: Path) -> dict[str, object]:
    seen: dict[str, object] = {}
    for path in [folder, *folder.rglob("*")]:
        name = str(path.relative_to(folder))
        if path.is_symlink():
            seen[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            seen[name] = ("folder", path.stat().st_mtime_ns)
        else:
            seen[name] = (path.read_bytes(), path.stat().st_mtime_ns)
    return seen


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


@pytest.fixture(name="live")
def small_tree(tmp_path: Path) -> Path:
    live = tmp_path / "live"
    for number in range(40):
        put(live / f"static{number % 4}" / f"in{number % 3}" / f"{number}.bin", os.urandom(number))
    put(live / "Logs" / "a.log", b"1\n")
    put(live / "db" / "x.mdf", b"data")
    put(live / "db" / "static.txt", b"static")
    (live / "empty").mkdir()
    (live / "link").symlink_to("static1")
    return live


MUTABLE = ("logs/", "db/x.mdf", "work/")


@pytest.mark.parametrize("prepared", [False, True])
def test_later_changes_do_not_reach_a_copy(tmp_path: Path, live: Path, prepared: bool) -> None:
    spares = Spares(tmp_path)
    if prepared:
        spares.prepare("v", live)
    (tmp_path / "shadows").mkdir()
    copy = tmp_path / "shadows" / "one"
    spares.freeze("v", live, copy, MUTABLE)
    before = picture(live)
    assert picture(copy) == before
    with (live / "Logs" / "a.log").open("ab") as log:
        log.write(b"2\n")
    (live / "db" / "x.mdf").write_bytes(b"changed in place")
    put(live / "static0" / "in0" / "0.bin", b"replaced")
    (live / "static1" / "in1" / "1.bin").unlink()
    shutil.rmtree(live / "static2")
    put(live / "work" / "new.txt", b"new")
    assert picture(copy) == before


def test_copies_made_from_copies_given_back_are_true(tmp_path: Path, live: Path) -> None:
    spares = Spares(tmp_path)
    spares.prepare("v", live)
    (tmp_path / "shadows").mkdir()
    dice = random.Random(5)  # noqa: S311  # the same walk every time
    kept: list[tuple[Path, dict[str, object]]] = []
    for turn in range(30):
        for _ in range(dice.randrange(4)):
            files = [p for p in live.rglob("*") if p.is_file() and not p.is_symlink()]
            match dice.randrange(5):
                case 0:
                    put(dice.choice(files), os.urandom(5))
                case 1:
                    put(live / f"new{turn}" / "deep" / f"{dice.randrange(9)}.bin", b"n")
                case 2:
                    dice.choice(files).unlink()
                case 3:
                    with (live / "Logs" / "a.log").open("ab") as log:
                        log.write(b"more\n")
                case _:
                    shutil.rmtree(live / f"new{dice.randrange(turn + 1)}", ignore_errors=True)
        put(live / "Logs" / "a.log", b"%d" % turn) if not (live / "Logs" / "a.log").exists() else None
        copy = tmp_path / "shadows" / f"copy{turn}"
        spares.freeze("v", live, copy, MUTABLE)
        kept.append((copy, picture(live)))
        for path, expected in kept:
            assert picture(path) == expected
        if dice.randrange(3):
            path, _ = kept.pop(dice.randrange(len(kept)))
            spares.give_back("v", path)
            assert not path.exists()
