"""A published set against its manifest: every file there, every byte the same, nothing beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store import _manifest

_OWN = frozenset({_manifest.NAME, _manifest.SUM_NAME})


def verify_set(folder: Path) -> list[str]:
    """What is wrong with a set, each with the file's name; empty when nothing is."""
    try:
        manifest = _manifest.read(folder)
    except IntegrityError as error:
        return [error.message]
    problems = list(_promises(folder, manifest))
    kinds = {entry.file: entry.kind for entry in manifest.entries}
    return problems + list(strays(folder, kinds))


def _promises(folder: Path, manifest: _manifest.Manifest) -> Iterator[str]:
    """What the manifest says, read from the disk again."""
    if manifest.id != folder.name:
        yield f"{_manifest.NAME}: it is of set {manifest.id}"
    files = [entry for entry in manifest.entries if entry.kind == "file"]
    if (len(files), sum(entry.size for entry in files)) != (manifest.files, manifest.bytes):
        yield f"{_manifest.NAME}: it does not list the {manifest.files} files of {manifest.bytes} bytes that it promises"
    for entry in manifest.entries:
        if not inside(entry.file):
            yield f"{entry.file}: outside of the set"
        elif entry.kind == "folder" and not _real_folder(folder / entry.file):
            yield f"{entry.file}: the folder is missing"
        elif entry.kind == "file":
            yield from _file(folder / entry.file, entry)


def inside(file: str) -> bool:
    """Whether a name in a manifest stays below the set's folder."""
    path = PurePosixPath(file)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def strays(folder: Path, kinds: Mapping[str, str], own: frozenset[str] = _OWN) -> Iterator[str]:
    """What lies in a set's folder and is not known (``kinds``: by name, file, folder or link), each in words."""
    above = {str(parent) for name in kinds for parent in PurePosixPath(name).parents}
    for root, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            relative = os.path.relpath(os.path.join(root, name), folder)  # noqa: PTH118 - os.walk speaks strings
            kind = kinds.get(relative)
            is_link = os.path.islink(os.path.join(root, name))  # noqa: PTH114,PTH118 - as above
            if is_link:
                yield f"{relative}: a link, which no set holds"
            elif name in folders and kind != "folder" and relative not in above:
                yield f"{relative}: a folder that is not in the manifest"
            elif name in files and kind != "file" and relative not in own:
                yield f"{relative}: not in the manifest"


def _real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _file(path: Path, entry: _manifest.Entry) -> list[str]:
    if path.is_symlink() or not path.is_file():
        return [f"{entry.file}: the file is missing"]
    try:
        size = path.stat().st_size
        if size != entry.size:
            return [f"{entry.file}: {size} bytes instead of {entry.size}"]
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        return [f"{entry.file}: cannot be read ({error.strerror})"]
    return [] if digest == entry.sha256 else [f"{entry.file}: the content was changed (SHA-256)"]
