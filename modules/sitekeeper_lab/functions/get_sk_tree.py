"""The twin of Get-SkTree.ps1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sitekeeper_lab.functions.shared.twin import MAX_PATH, REPARSE, Call, check_path, number, text, twin, written_error
from sitekeeper_lab.windows.files import entry_facts
from sitekeeper_lab.windows.model import Metadata

_NOT_FOUND, _INVALID_DATA, _FOLDER, _BLOCK = 13, 6, 16, 500

SHA256 = "b95338215707cbe82cdbd69749173ebef998e2c7d709e8f4175124ce992b7651"


def run(call: Call) -> Iterator[str]:
    """Lists a folder (or one file) of this run's shadow copy: lines of kind, size, time, attributes, path."""
    path = text(call, "Path")
    check_path(path)
    root = call.one("Get-SkShadowRoot", Drive=text(call, "Drive"), Run=text(call, "Run"), Index=number(call, "Index"))
    shown_root = str(call.host.files.resolve(root))
    real_root = call.host.files.resolve(root).resolve()
    notes = _notes(call, real_root)
    words = [word for word in path.split("\\") if word]
    for count in range(1, len(words) + 1):
        if call.host.files.resolve("\\".join([root, *words[:count]])).is_symlink():
            written_error(call, f"a link on the way to {path}", "SkLinkInPath", _INVALID_DATA, path)
            return
    start = call.host.files.resolve(f"{root}\\{path}") if path else real_root
    lines: list[str] = []
    if start.is_file():
        lines.append(_line("F", os.lstat(start), start, notes.get(path.lower()), path))
        yield lines[0]
        return
    if not start.is_dir():
        written_error(call, f"not in the shadow copy: {path}", "SkPathNotFound", _NOT_FOUND, path)
        return
    # A name already walked has its real spelling; only the first one may differ in case.
    todo = [(path, str(start))]
    while todo:
        at, native = todo.pop()
        if len(root) + len(at) + 1 >= MAX_PATH:
            lines.append(f"E\t0\t0\t0\t{at}\tPathTooLongException")
            continue
        try:
            # The copy's own root is a mount point, and shows as one.
            here = native if at else shown_root
            line = _line("D", os.lstat(here), here, notes.get(at.lower()), at)
            entries = sorted(os.scandir(native), key=lambda entry: entry.name.upper())
        except OSError:
            lines.append(f"E\t0\t0\t0\t{at}\tUnauthorizedAccessException")
            continue
        lines.append(line)
        for entry in entries:
            name = f"{at}\\{entry.name}" if at else entry.name
            stat = entry.stat(follow_symlinks=False)
            size, written, bits = entry_facts(stat, entry.path, notes.get(name.lower()))
            if bits & REPARSE:
                lines.append(f"L\t0\t{written}\t{bits}\t{name}")
            elif bits & _FOLDER:
                todo.append((name, entry.path))
            else:
                lines.append(f"F\t{size}\t{written}\t{bits}\t{name}")
            if len(lines) >= _BLOCK:
                yield "\n".join(lines)
                lines.clear()
    if lines:
        yield "\n".join(lines)


def _notes(call: Call, real_root: Path) -> dict[str, Metadata]:
    for copy in call.host.machine.shadows:
        if (call.host.folder / copy.folder).resolve() == real_root:
            return copy.metadata
    return {}


def _line(kind: str, stat: os.stat_result, real: str | Path, note: Metadata | None, path: str) -> str:
    size, written, bits = entry_facts(stat, real, note)
    return f"{kind}\t{size}\t{written}\t{bits}\t{path}"


TWIN = twin("Get-SkTree", SHA256, run, Drive="string", Run="string", Index="int", Path="string")
