"""The sets of a store as anybody may see them: the sets alone are the catalogue, there is no index beside them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import IntegrityError, UsageError
from sitekeeper.store.format import head_file, manifest_file, marks_file
from sitekeeper.store.format.marks_file import Marks
from sitekeeper.store.format.store_folder import READABLE, Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A set: the facts that need no key."""

    folder: Path
    id: str
    site: str
    kind: str
    generation: int
    run: str
    taken_at: datetime
    facts: dict[str, Any]
    """The line that a listing shows."""
    consistency: str
    sealed: bool
    """Its names and facts need a key."""
    stored_bytes: int
    sizes: dict[str, int]
    """Of every file as it is stored."""
    marks: Marks
    marks_problem: str

    @property
    def doubt(self) -> str:
        """Why this set does not count as a good one, as far as is known without reading it again."""
        if self.marks.verified is not None and self.marks.verified.problems:
            return f"damaged: {self.marks.verified.problems[0]}"
        if self.marks.drilled is not None and self.marks.drilled.result == "failed":
            return f"its last drill failed (run {self.marks.drilled.run})"
        return ""

    def line(self) -> dict[str, Any]:
        """The set in a line, with its marks."""
        marks = self.marks
        return self.facts | {
            "sealed": self.sealed,
            "stored_bytes": self.stored_bytes,
            "folder": str(self.folder),
            "pinned": marks.pinned.model_dump() if marks.pinned else None,
            "verified": marks.verified.model_dump() if marks.verified else None,
            "drilled": marks.drilled.model_dump() if marks.drilled else None,
            "backup_drilled": marks.backup_drilled.model_dump() if marks.backup_drilled else None,
            "marks": self.marks_problem or "ok",
        }


def read(folder: Path) -> CatalogueEntry:
    """A set of the store.

    Raises:
        IntegrityError: it is damaged so far that it does not say what it is.

    """
    own_folder(folder)
    marks, problem = marks_file.read(folder)
    if is_packed(folder):
        head = head_file.read(folder)
        _is_itself(folder, head.id, head_file.NAME)
        facts = {
            "id": head.id,
            "site": head.site,
            "kind": head.kind,
            "taken_at": head.taken_at,
            "product": None,
            "version": None,
            "consistency": head.consistency,
            "files": head.files,
            "bytes": head.bytes,
            "offline_seconds": head.offline_seconds,
            "feeds": list(head.feeds),
            "run": head.run,
        }
        sizes = {one.name: one.size for one in (*head.stored, head.body)}
        found: head_file.Head | manifest_file.Manifest = head
        packed = "age" in head.packing
    else:
        manifest = manifest_file.read(folder)
        _is_itself(folder, manifest.id, manifest_file.NAME)
        facts = manifest.summary()
        sizes = {entry.file: entry.size for entry in manifest.entries if entry.kind == "file"}
        found, packed = manifest, False
    return CatalogueEntry(
        folder=folder,
        id=found.id,
        site=found.site,
        kind=found.kind,
        generation=found.generation,
        run=found.run,
        taken_at=moment(folder, found.taken_at),
        facts=facts,
        consistency=found.consistency,
        sealed=packed,
        stored_bytes=sum(sizes.values()),
        sizes=sizes,
        marks=marks,
        marks_problem=problem,
    )


def is_packed(folder: Path) -> bool:
    """Whether a set has a head, or has lost it: a set with neither head nor manifest is told as one without manifest."""
    return (
        (folder / head_file.NAME).exists()
        or (folder / head_file.SUM_NAME).exists()
        or (folder / head_file.FOLDER).is_dir()
    )


def own_folder(folder: Path) -> None:
    """Refuse a set whose folder is elsewhere, or cannot be entered.

    Raises:
        IntegrityError: it is a link, or this user may not read it.

    """
    why = unreadable(folder)
    if why:
        raise IntegrityError(f"{folder.name}: {why}", hint=READABLE)
    if folder.is_symlink() or not folder.is_dir():
        raise IntegrityError(f"{folder.name}: {folder} is a link or a file, not a folder of a set")


def unreadable(folder: Path) -> str:
    """Why a folder that is there cannot be looked into: this says nothing about what is in it."""
    try:
        if stat.S_ISDIR(folder.lstat().st_mode):
            os.scandir(folder).close()
            os.stat(f"{folder}/.")  # noqa: PTH116 - a Path forgets the dot; one that can only be listed fails here
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    return ""


def _is_itself(folder: Path, set_id: str, name: str) -> None:
    if set_id != folder.name:
        raise IntegrityError(f"{folder.name}: {folder / name} belongs to set {set_id}")


def moment(folder: Path, text: str) -> datetime:
    """When a set was taken, in UTC.

    Raises:
        IntegrityError: it does not say.

    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise IntegrityError(f"{folder.name}: invalid timestamp {text!r}") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def of(store: Folder, site: str | None = None) -> Iterator[tuple[Path, CatalogueEntry | IntegrityError]]:
    """Every set, or what is wrong with it. Of all sites, one that cannot be read stands there itself, instead of its sets.

    Raises:
        UsageError: the store cannot be read, or the folder of the one site.

    """
    for folder in folders(store, site):
        try:
            yield folder, read(folder)
        except IntegrityError as error:
            yield folder, error


def folders(store: Folder, site: str | None = None) -> Iterator[Path]:
    """The folder of every set; as in ``of``, a site that cannot be read stands there itself."""
    for code in store.sites() if site is None else [site]:
        if site is None and unreadable(store.root / code):
            yield store.root / code
        else:
            yield from store.sets(code)


@dataclass(frozen=True, slots=True)
class Choice:
    """A set that was asked for by its id, or by its site's code."""

    folder: Path
    passed_over: tuple[str, ...] = ()
    """Newer sets that do not count as good ones, and why."""


def find(store: Folder, name: str, kind: str | None = None) -> Choice:
    """A set by id; a site code means its newest good one of a kind, and says what was passed over on the way to it.

    Raises:
        UsageError: there is no such set. IntegrityError: the site has sets, but no good one.

    """
    if len(name) != 3:
        folder = store.find(name)
        if kind is not None and (of_kind := read(folder).kind) != kind:
            raise UsageError(f"set {name} is of kind {of_kind}, not {kind}")
        return Choice(folder)
    passed: list[str] = []
    for folder, found in reversed(list(of(store, name))):
        if isinstance(found, IntegrityError):
            passed.append(found.message)
        elif kind is not None and found.kind != kind:
            continue
        elif found.doubt:
            passed.append(f"{found.id}: {found.doubt}")
        else:
            return Choice(folder, tuple(passed))
    if passed:
        raise IntegrityError(f"{name} has no good set{f' of kind {kind}' if kind else ''}: {'; '.join(passed)}")
    raise UsageError(
        f"no set of {name}{f' of kind {kind}' if kind else ''} in {store.root}",
        hint=f"see: sitekeeper backups list --store {store.root}",
    )
