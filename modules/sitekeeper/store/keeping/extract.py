"""Takes files out of a set into a folder of plain files in the set's own layout: all of them, or nothing.

Everything is written beside the target, each byte checked on its way, and appears by one rename.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from sitekeeper.engine.errors import IntegrityError, SitekeeperError, SpaceError, UsageError
from sitekeeper.model.store import LocalFile
from sitekeeper.store.format import marks_file
from sitekeeper.store.format.manifest_file import Entry, Manifest
from sitekeeper.store.format.store_folder import FULL, sync_file_system, sync_folder
from sitekeeper.store.keeping.verify import inside, verify_set
from sitekeeper.store.sealing.open_set import OpenSet

PLACES = {"database": ("SiteDBServer",), "registry": ("SiteServer/Registry",)}
TASK_PLACES = {
    "database": ("SiteDBServer",),
    "registry": ("SiteServer/SMSbkSiteRegSMS.dat", "SiteServer/SMSbkSiteRegNAL.dat"),
}
"""Words for parts of a set: as we lay it out, and as the backup task does below its own folder."""
BACKUPS = "SiteDBServer/Backup"
"""Where ``store.pull_backup`` puts what SQL Server itself wrote."""


def places_of(manifest: Manifest, word: str) -> list[str]:
    """What a word stands for in a set; anything else stands for itself."""
    if manifest.kind != "task":
        return list(PLACES.get(word, (word.strip("/"),)))
    known = TASK_PLACES.get(word)
    return [f"{manifest.site}Backup/{one}" for one in known] if known else [word.strip("/")]


_EPOCH_1970 = 116_444_736_000_000_000
Told = Callable[[int, int], None]


def chosen(manifest: Manifest, wanted: Iterable[str]) -> list[Entry]:
    """The entries of a set below these places; all of them when none is named.

    Raises:
        UsageError: nothing lies below one of them.

    """
    entries = [entry for entry in manifest.entries if entry.kind != "link"]
    own = {entry.file.split("/")[0] for entry in entries}
    places = [place for one in wanted for place in ([one] if one in own else places_of(manifest, one))]
    for place in places:
        if not any(_below(entry.file, place) for entry in entries):
            raise UsageError(
                f"{manifest.id} has nothing below {place!r}",
                hint=f"see: sitekeeper backups files {manifest.id} --store ...",
            )
    return [entry for entry in entries if not places or any(_below(entry.file, place) for place in places)]


def _below(file: str, place: str) -> bool:
    return f"{file}/".startswith(f"{place}/")


def take_out(opened: OpenSet, entries: list[Entry], to: Path, told: Told = lambda *_: None) -> None:
    """Write these entries into a new folder ``to``, which may exist if it is empty; ``told`` may end it by raising.

    Raises:
        UsageError: the folder is not empty. IntegrityError: a byte is not what was published; names the file.
        SpaceError: no room, or it cannot be written.

    """
    refuse_full(to)
    half = half_of(to)
    try:
        if half.is_dir() and not half.is_symlink():
            shutil.rmtree(half)  # of one that was killed: the name is only ever given here
        half.mkdir(mode=0o700, parents=True)
        try:
            _write(opened, entries, half, told)
            sync_file_system(half)
            if to.is_dir():
                to.rmdir()
            half.rename(to)
            sync_folder(to.parent)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
    except OSError as error:
        raise _no_room(error, to) from None


def refuse_damaged(
    found: OpenSet, entries: list[Entry], now: str, *, read: bool = True, told: Told = lambda *_: None
) -> None:
    """Look at the whole set, and read again what is needed of it; a damaged set is remembered as such and never restored.

    ``read=False``, and of what is unpacked: sizes and what else lies there only, since it is checked as it is copied.
    ``told`` may end it by raising.

    Raises:
        IntegrityError: names the file.

    """
    files = [entry for entry in entries if entry.kind == "file" and read and not found.packed]
    needed = {found.stored_as(entry): entry.size for entry in files}
    done, total = 0, sum(needed.values())

    def hashed(name: str) -> bool:
        nonlocal done
        told(done, total)
        done += needed.get(name, 0)
        return name in needed

    problems = verify_set(found.folder, hashed)
    if problems:
        remember(found.folder, problems, now)
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise IntegrityError(
            f"set {found.manifest.id} is damaged and is not restored: {'; '.join(problems[:3])}{more}",
            hint="take another set: sitekeeper backups list",
        )


def remember(folder: Path, problems: Sequence[str], now: str) -> bool:
    """Note what a verification found; answers whether it could be: the store may be read-only, the marks damaged."""
    seen = marks_file.VerifyMark(at=now, problems=tuple(problems))
    try:
        marks_file.change(folder, lambda marks: marks.model_copy(update={"verified": seen}))
    except (SpaceError, IntegrityError):
        return False
    return True


def half_of(to: Path) -> Path:
    """Where it is written before it appears."""
    return to.parent / f".{to.name}.sitekeeper-get"


def refuse_full(to: Path) -> None:
    """Refuse a target that holds something.

    Raises:
        UsageError: it does.

    """
    if to.is_symlink() or (to.exists() and not to.is_dir()):
        raise UsageError(f"{to} is not a folder")
    if to.is_dir() and any(to.iterdir()):
        raise UsageError(f"{to} is not empty", hint="name a new folder: existing files are never overwritten")


def _no_room(error: OSError, to: Path) -> SitekeeperError:
    return SpaceError(
        f"{to.parent} {'is full' if error.errno in FULL else f'cannot be written: {error.strerror}'}",
        hint="choose a folder on a volume with room (--to, or the variable store_work); nothing was kept there",
    )


def _write(opened: OpenSet, entries: list[Entry], root: Path, told: Told) -> None:
    done, total = 0, sum(entry.size for entry in entries)

    def passed(count: int) -> None:
        told(done + count, total)

    for entry in entries:
        if not inside(entry.file):
            raise IntegrityError(f"{opened.manifest.id}: {entry.file}: outside of the set")
        path = root / entry.file
        if entry.kind == "folder":
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as target:
            opened.copy(entry, target, passed)
        _set_time(path, entry.modified)
        done += entry.size
    for entry in reversed(entries):
        if entry.kind == "folder":
            _set_time(root / entry.file, entry.modified)


def _set_time(path: Path, modified: int) -> None:
    """The file's own time, as far as this file system can hold it."""
    nanoseconds = (modified - _EPOCH_1970) * 100
    if modified <= 0:
        return
    try:
        os.utime(path, ns=(nanoseconds, nanoseconds))
    except (OSError, OverflowError):
        os.utime(path, (0, 0))


def database_files(manifest: Manifest) -> tuple[LocalFile, ...]:
    """The database's files in a set, with what SQL Server calls them, in the order of its file_id: an attach wants the primary first.

    A snapshot's are known by their path on the host; those of ConfigMgr's own task, which copies them, by their bare name.
    Files that the database does not name come last.
    """
    known = {file.path.casefold(): file for file in manifest.database.files} if manifest.database else {}
    by_name = {path.rpartition("\\")[2]: file for path, file in known.items()}
    order = {file: place for place, file in enumerate(known.values())}
    found: list[tuple[int, LocalFile]] = []
    for entry in manifest.entries:
        if entry.kind != "file" or not any(_below(entry.file, place) for place in places_of(manifest, "database")):
            continue
        if _below(entry.file, BACKUPS):
            continue
        name = entry.path.replace("/", "\\").rpartition("\\")[2]
        volume = entry.source.partition(":")[2]
        file = known.get(f"{volume}{entry.path}".casefold()) or by_name.get(name.casefold())
        suffix = PurePosixPath(name).suffix.casefold()
        if file is None and suffix not in {".mdf", ".ndf", ".ldf"}:
            continue
        local = LocalFile(
            file=entry.file,
            name=name,
            logical=file.logical if file else "",
            size=entry.size,
            sha256=entry.sha256,
            kind=file.kind if file else "log" if suffix == ".ldf" else "data",
        )
        found.append((order[file] if file else len(order), local))
    return tuple(local for _, local in sorted(found, key=lambda one: one[0]))


def backup_files(manifest: Manifest) -> tuple[LocalFile, ...]:
    """The backups that SQL Server itself wrote of the database, in a set that has some."""
    return tuple(
        LocalFile(
            file=entry.file,
            name=entry.path.rpartition("\\")[2],
            logical="",
            size=entry.size,
            sha256=entry.sha256,
            kind="backup",
        )
        for entry in manifest.entries
        if entry.kind == "file" and _below(entry.file, BACKUPS)
    )
