"""What cmd.exe's own commands do to files: for, del, ren, move, rmdir, echo into a file. False where one failed."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import NotEmulated

_OPTIONS = re.compile(r"^(?:tokens=([\d,]+))?\s*(?:delims=(.*))?$")


def loop(host: Host, kind: str, options: str, what: str) -> Iterator[list[str]]:
    """The values of each round of a ``for``: over files, folders (/d) or the lines of a file (/f)."""
    if kind == "/f":
        yield from _lines(host, options, what)
        return
    folder, _, pattern = what.rpartition("\\")
    if not folder or options:
        raise NotEmulated(f"for over {what}")
    for name, is_folder in _entries(host, folder):
        if is_folder is (kind == "/d") and fnmatch.fnmatch(name.lower(), pattern.lower()):
            yield [f"{folder}\\{name}"]


def _lines(host: Host, options: str, file: str) -> Iterator[list[str]]:
    match = _OPTIONS.match(options)
    if match is None:
        raise NotEmulated(f"for /f with {options!r}")
    wanted = [int(number) for number in (match[1] or "1").split(",")]
    delimiters = match[2] if match[2] is not None else " \t"
    if not host.exists(file):
        return
    for line in host.read(file).decode("utf-8", "replace").splitlines():
        tokens = [token for token in re.split(f"[{re.escape(delimiters)}]+", line) if token]
        found = [tokens[number - 1] if number <= len(tokens) else "" for number in wanted]
        if found[0]:
            yield found


def _entries(host: Host, folder: str) -> list[tuple[str, bool]]:
    if not host.exists(folder):
        return []
    # A mount point is a folder, even when what it led to is gone.
    return [
        (entry.name, entry.is_dir() or entry.is_symlink())
        for entry in sorted(os.scandir(host.files.resolve(folder)), key=lambda entry: entry.name)
    ]


def exists(host: Host, path: str) -> bool:
    """``if exist``; a mount point exists, wherever it leads."""
    try:
        return os.path.lexists(host.files.resolve(path))
    except FileNotFoundError:
        return False


def echo(host: Host, file: str, text: str, *, append: bool) -> bool:
    """A line into a file."""
    before = host.read(file) if append and host.exists(file) else b""
    host.write(file, before + f"{text}\r\n".encode("ascii"))
    return True


def change(host: Host, words: Sequence[str]) -> bool:
    """Carry out del /f /q FILE, ren FILE NAME, move /y FILE FILE, or rmdir /s /q FOLDER."""
    match [words[0].lower(), *words[1:]]:
        case ["del", "/f", "/q", file]:
            host.delete_file(file)
            return True
        case ["ren", file, name] if "\\" not in name:
            return _moved(host, file, f"{file.rpartition(chr(92))[0]}\\{name}", over=False)
        case ["move", "/y", source, target]:
            return _moved(host, source, target, over=True)
        case ["rmdir", "/s", "/q", folder]:
            return _removed(host, folder)
        case _:
            raise NotEmulated(" ".join(words))


def _moved(host: Host, source: str, target: str, *, over: bool) -> bool:
    with host.io_lock:
        old, new = host.files.resolve(source), host.files.resolve(target)
        if not old.exists() or (new.exists() and not over):
            return False
        old.replace(new)
    host.audit.write("change", host.name, kind="file", what=target, to=f"moved from {source}")
    return True


def _removed(host: Host, folder: str) -> bool:
    if not exists(host, folder):
        return False
    with host.io_lock:
        _delete(host.files.resolve(folder))
    host.audit.write("change", host.name, kind="folder", what=folder, to="deleted")
    return True


def _delete(folder: Path) -> None:
    """A folder with all below it; a mount point is taken away, never followed."""
    if folder.is_symlink():
        folder.unlink()
        return
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            _delete(Path(entry.path))
        else:
            Path(entry.path).unlink()
    folder.rmdir()
