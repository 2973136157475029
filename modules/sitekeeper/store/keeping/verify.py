"""A published set against its manifest or head: every file there, every byte the same, nothing beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format import catalogue, head_file, manifest_file, marks_file
from sitekeeper.store.format.catalogue import CatalogueEntry

_OWN = frozenset({manifest_file.NAME, manifest_file.SUM_NAME}) | marks_file.OWN
_OWN_PACKED = frozenset({head_file.NAME, head_file.SUM_NAME}) | marks_file.OWN
Chosen = Callable[[str], bool]


def verify_set(folder: Path, hashed: Chosen = lambda _: True) -> list[str]:
    """What is wrong with a set, each with the file's name; empty when nothing is.

    ``hashed``: of which stored files the bytes are read again; of the others only the size is looked at.
    """
    try:
        catalogue.own_folder(folder)
        if catalogue.is_packed(folder):
            return list(_check_packed(folder, head_file.read(folder), hashed))
        manifest = manifest_file.read(folder)
    except IntegrityError as error:
        return [error.message]
    problems = list(_promises(folder, manifest, hashed))
    kinds = {entry.file: entry.kind for entry in manifest.entries}
    return problems + list(strays(folder, kinds))


def sizes_of(kept: CatalogueEntry) -> str:
    """The first file of a set that is not there in its size; no byte is read."""
    for name, size in kept.sizes.items():
        path = kept.folder / name
        try:
            if path.is_symlink() or not path.is_file():
                return f"{name}: the file is missing"
            if path.stat().st_size != size:
                return f"{name}: {path.stat().st_size} bytes instead of {size}"
        except OSError as error:
            return f"{name}: cannot be read ({error.strerror})"
    return ""


def share_of(sets: Sequence[CatalogueEntry], share: Fraction) -> list[CatalogueEntry]:
    """The sets that were verified longest ago, never first, until they make up this share of all bytes."""
    oldest = sorted(sets, key=lambda one: (one.marks.verified.at if one.marks.verified else "", one.taken_at, one.id))
    wanted = share * sum(one.stored_bytes for one in sets)
    chosen: list[CatalogueEntry] = []
    for one in oldest:
        if chosen and sum(other.stored_bytes for other in chosen) >= wanted:
            break
        chosen.append(one)
    return chosen


def _promises(folder: Path, manifest: manifest_file.Manifest, hashed: Chosen) -> Iterator[str]:
    """What the manifest says, read from the disk again."""
    if manifest.id != folder.name:
        yield f"{manifest_file.NAME}: it belongs to set {manifest.id}"
    files = [entry for entry in manifest.entries if entry.kind == "file"]
    if (len(files), sum(entry.size for entry in files)) != (manifest.files, manifest.bytes):
        yield f"{manifest_file.NAME}: it does not list the {manifest.files} files of {manifest.bytes} bytes that it promises"
    for entry in manifest.entries:
        if not inside(entry.file):
            yield f"{entry.file}: outside of the set"
        elif entry.kind == "folder":
            yield from _real_folder(folder, entry.file)
        elif entry.kind == "file":
            yield from _file(folder, entry.file, entry.size, entry.sha256 if hashed(entry.file) else None)


def _check_packed(folder: Path, head: head_file.Head, hashed: Chosen) -> Iterator[str]:
    """What the head says: it needs no key, and knows no name."""
    if head.id != folder.name:
        yield f"{head_file.NAME}: it belongs to set {head.id}"
    if len(head.stored) != head.files:
        yield f"{head_file.NAME}: it does not list the {head.files} files that it promises"
    for one in (head.body, *head.stored):
        if not inside(one.name):
            yield f"{one.name}: outside of the set"
        else:
            yield from _file(folder, one.name, one.size, one.sha256 if hashed(one.name) else None)
    yield from strays(folder, {one.name: "file" for one in (head.body, *head.stored)}, _OWN_PACKED, "the header")


def inside(file: str) -> bool:
    """Whether a name in a manifest stays below the set's folder."""
    path = PurePosixPath(file)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def strays(
    folder: Path, kinds: Mapping[str, str], own: frozenset[str] = _OWN, listed: str = "the manifest"
) -> Iterator[str]:
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
                yield f"{relative}: a folder that is not in {listed}"
            elif name in files and kind != "file" and relative not in own:
                yield f"{relative}: not in {listed}"


def _real_folder(folder: Path, name: str) -> list[str]:
    path = folder / name
    try:
        found = path.is_dir() and not path.is_symlink()
    except OSError as error:
        return [f"{name}: cannot be read ({error.strerror})"]
    return [] if found else [f"{name}: the folder is missing"]


def _file(folder: Path, name: str, expected: int, sha256: str | None) -> list[str]:
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            return [f"{name}: the file is missing"]
        size = path.stat().st_size
        if size != expected:
            return [f"{name}: {size} bytes instead of {expected}"]
        if sha256 is None:
            return []
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        return [f"{name}: cannot be read ({error.strerror})"]
    return [] if digest == sha256 else [f"{name}: the content was changed (SHA-256)"]
