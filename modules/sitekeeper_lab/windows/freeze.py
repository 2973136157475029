"""Freezes a folder tree: the frozen image costs what changed, not what there is, as a real shadow copy does.

Files that something rewrites in place ("mutable") are copied; all others are hard links, since the lab (and the twins)
always put a new file in an old one's place. Links are made beforehand: for each volume a spare tree lies ready, made
when the host was made or left over from a dropped copy. To freeze is then to rename the spare and to go over the
folders whose time shows that they changed, and over those with mutable files.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

Index = dict[str, tuple[int, list[str]]]
"""Folder (relative, with /) to its time when it was frozen, in ns, and the folders in it."""

_UNSETTLED_NS = 50_000_000
"""File systems keep times by ticks of some milliseconds: a folder that just changed may change again unseen."""


class Spares:
    """The spare trees of one host, below ``spares``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "spares"

    def prepare(self, volume: str, source: Path) -> None:
        """Make a spare of a volume."""
        self.folder.mkdir(exist_ok=True)
        _write_index(self.folder / f"{volume}.json", freeze_tree(source, self.folder / volume, ()))

    def freeze(self, volume: str, source: Path, target: Path, mutable: tuple[str, ...]) -> None:
        """Make ``target`` the frozen image of ``source``. ``mutable`` are prefixes of paths, lower case, with /."""
        spare, listed = self.folder / volume, self.folder / f"{volume}.json"
        if spare.is_dir() and listed.is_file():
            index: Index = {name: (when, inner) for name, (when, inner) in json.loads(listed.read_bytes()).items()}
            listed.unlink()
            spare.rename(target)
            index = _refresh(source, target, index, mutable)
        else:
            index = freeze_tree(source, target, mutable)
        _write_index(target.with_suffix(".json"), index)

    def give_back(self, volume: str, frozen: Path) -> None:
        """A copy was dropped: its tree is the next spare of its volume, if there is none, else it goes."""
        listed, spare = frozen.with_suffix(".json"), self.folder / volume
        if self.folder.is_dir() and listed.is_file() and not spare.exists():
            frozen.rename(spare)
            listed.rename(self.folder / f"{volume}.json")
            return
        listed.unlink(missing_ok=True)
        shutil.rmtree(frozen, ignore_errors=True)


def freeze_tree(source: Path, target: Path, mutable: tuple[str, ...], prefix: str = "") -> Index:
    """Freeze a whole tree that stands at ``prefix`` in its volume."""
    index: Index = {}
    todo = [(str(source), str(target), prefix)]
    times: list[tuple[str, os.stat_result]] = []
    while todo:
        here, there, name = todo.pop()
        os.mkdir(there)  # noqa: PTH102  # a hundred thousand of these happen while a site is down
        stat = os.stat(here)  # noqa: PTH116  # as above
        inside: list[str] = []
        with os.scandir(here) as entries:
            for entry in entries:
                inner = f"{name}/{entry.name}" if name else entry.name
                path = f"{there}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    inside.append(entry.name)
                    todo.append((entry.path, path, inner))
                else:
                    _put(entry, path, inner, mutable)
        index[name] = (_settled(stat), inside)
        times.append((there, stat))
    for there, stat in times:
        os.utime(there, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return index


def _refresh(source: Path, target: Path, index: Index, mutable: tuple[str, ...]) -> Index:
    fresh: Index = {}
    todo = [""]
    while todo:
        name = todo.pop()
        here = source / name if name else source
        stat = here.stat()
        when, inside = index.get(name, (-1, []))
        if when != stat.st_mtime_ns or _holds_mutable(name, mutable):
            there = target / name if name else target
            inside = _redo(here, there, name, mutable, fresh)
            os.utime(there, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        todo += [f"{name}/{inner}" if name else inner for inner in inside if _key(name, inner) not in fresh]
        fresh[name] = (_settled(stat), inside)
    return fresh


def _redo(here: Path, there: Path, name: str, mutable: tuple[str, ...], fresh: Index) -> list[str]:
    """Make the files of one frozen folder those of the live one; answers the folders in it."""
    with os.scandir(there) as entries:
        old = {entry.name: entry for entry in entries}
    inside: list[str] = []
    with os.scandir(here) as entries:
        for entry in entries:
            inner, before = _key(name, entry.name), old.pop(entry.name, None)
            path = there / entry.name
            if entry.is_dir(follow_symlinks=False):
                inside.append(entry.name)
                if before is None or not before.is_dir(follow_symlinks=False):
                    _remove(before)
                    fresh |= freeze_tree(Path(entry.path), path, mutable, inner)
            elif before is None or before.inode() != entry.inode() or _is_mutable(inner, mutable):
                _remove(before)
                _put(entry, str(path), inner, mutable)
    for gone in old.values():
        _remove(gone)
    return inside


def _put(entry: os.DirEntry[str], path: str, inner: str, mutable: tuple[str, ...]) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), path)  # noqa: PTH115, PTH211  # as above
        link = entry.stat(follow_symlinks=False)
        os.utime(path, ns=(link.st_atime_ns, link.st_mtime_ns), follow_symlinks=False)
    elif _is_mutable(inner, mutable):
        shutil.copy2(entry.path, path)
    else:
        os.link(entry.path, path)  # as above


def _remove(entry: os.DirEntry[str] | None) -> None:
    if entry is None:
        return
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)  # noqa: PTH108  # as above


def _key(name: str, inner: str) -> str:
    return f"{name}/{inner}" if name else inner


def _is_mutable(inner: str, mutable: tuple[str, ...]) -> bool:
    lower = inner.lower()
    return bool(mutable) and (lower.startswith(mutable) or lower in mutable)


def _holds_mutable(name: str, mutable: tuple[str, ...]) -> bool:
    lower = f"{name.lower()}/" if name else ""
    return any(lower.startswith(prefix) or prefix.rstrip("/").rpartition("/")[0] == lower[:-1] for prefix in mutable)


def _settled(stat: os.stat_result) -> int:
    return stat.st_mtime_ns if time.time_ns() - stat.st_mtime_ns > _UNSETTLED_NS else -1


def _write_index(path: Path, index: Index) -> None:
    path.write_text(json.dumps(index), "utf-8")
