"""A published set against its manifest: every file there, every byte the same, nothing beside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store import _manifest

_OWN = frozenset({_manifest.NAME, _manifest.SUM_NAME})


def verify_set(folder: Path) -> list[str]:
    """What is wrong with a set, each with the file's name; empty when nothing is."""
    try:
        manifest = _manifest.read(folder)
    except IntegrityError as error:
        return [error.message]
    problems: list[str] = []
    expected = {entry.file: entry for entry in manifest.entries}
    for entry in manifest.entries:
        path = folder / entry.file
        if entry.kind == "folder" and not path.is_dir():
            problems.append(f"{entry.file}: the folder is missing")
        elif entry.kind == "file":
            problems += _file(path, entry)
    for root, _folders, files in os.walk(folder):
        for name in files:
            relative = os.path.relpath(os.path.join(root, name), folder)  # noqa: PTH118 - os.walk speaks strings
            if relative not in expected and relative not in _OWN:
                problems.append(f"{relative}: not in the manifest")
    return problems


def _file(path: Path, entry: _manifest.Entry) -> list[str]:
    if path.is_symlink() or not path.is_file():
        return [f"{entry.file}: the file is missing"]
    size = path.stat().st_size
    if size != entry.size:
        return [f"{entry.file}: {size} bytes instead of {entry.size}"]
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return [] if digest == entry.sha256 else [f"{entry.file}: the content was changed (SHA-256)"]
