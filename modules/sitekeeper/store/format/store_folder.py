"""The store as a folder: complete sets under the site's code, unfinished ones in ``.staging``, never anything half.

::

    <store>/PR2/PR2-000007/             a set: native layout and manifest.json
    <store>/.staging/PR2-000007.<run>/  being filled
    <store>/.claims/PR2-000007          made with O_EXCL: an id is given once
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError, SitekeeperError, SpaceError, UsageError
from sitekeeper.engine.journal.journal import private_folder
from sitekeeper.engine.session import Context

_SET = re.compile(r"([A-Z0-9]{3})-(\d{6,})\Z")


@dataclass(frozen=True, slots=True)
class Folder:
    """A store in a folder of the control host (or a mounted share)."""

    root: Path

    def prepare(self) -> None:
        """Make the store's folders, closed to others.

        Raises:
            SpaceError: it cannot be written. UsageError: it is open to others.

        """
        try:
            for folder in (self.root, self.root / ".staging", self.root / ".claims"):
                _refuse_open(folder)
        except OSError as error:
            raise store_error(error, self.root) from None

    def fit(self) -> None:
        """Whether ``prepare`` could do its work, as far as looking tells; nothing is made.

        Raises:
            SpaceError: it could not be written. UsageError: it is not a folder, open to others, or another user's.

        """
        at = self.root
        try:
            while not at.exists():
                at = at.parent
            read_only = os.statvfs(at).f_flag & os.ST_RDONLY
        except OSError as error:
            raise store_error(error, self.root) from None
        if not at.is_dir():
            raise UsageError(f"{at} is not a folder", hint="give the store a folder of its own")
        if at == self.root:
            _ours(at)
        if read_only or not os.access(at, os.W_OK | os.X_OK, effective_ids=True):
            number = errno.EROFS if read_only else errno.EACCES
            raise store_error(OSError(number, os.strerror(number)), self.root)

    def begun(self) -> bool:
        """Whether sets were kept here before: the folder below a mount point that is not mounted never held one."""
        with reading(self.root):
            return (self.root / ".staging").is_dir()

    def free(self) -> int:
        """Bytes that can still be written."""
        at = self.root
        try:
            while not at.exists():
                at = at.parent
            usage = os.statvfs(at)
        except OSError as error:
            raise store_error(error, self.root) from None
        return usage.f_bavail * usage.f_frsize

    def newest(self, site: str) -> int:
        """The highest generation that the store knows for a site: published, staged or only claimed."""
        names = [*self._names(self.root / site), *self._names(self.root / ".claims")]
        names += [name.split(".")[0] for name in self._names(self.root / ".staging")]
        numbers = [int(match[2]) for name in names if (match := _SET.match(name)) and match[1] == site]
        return max(numbers, default=0)

    @staticmethod
    def _names(folder: Path) -> list[str]:
        with reading(folder):
            return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []

    def claim(self, set_id: str, run: str) -> Path:
        """Take a set id and open its staging folder.

        Raises:
            IntegrityError: the id is taken. SpaceError: the store cannot be written.

        """
        try:
            handle = os.open(self.root / ".claims" / set_id, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.write(handle, run.encode())
                os.fsync(handle)
            finally:
                os.close(handle)
            staging = self.staging(set_id, run)
            staging.mkdir(mode=0o700)
        except FileExistsError:
            raise IntegrityError(f"set id {set_id} is taken already in {self.root}") from None
        except OSError as error:
            raise store_error(error, self.root) from None
        return staging

    def staging(self, set_id: str, run: str) -> Path:
        """Where a set is being filled."""
        return self.root / ".staging" / f"{set_id}.{run}"

    def unfinished(self, site: str, below: int | None = None) -> list[tuple[str, str]]:
        """Staging folders of a site as set id and run; ``below``: only those of earlier generations."""
        found = []
        for name in sorted(self._names(self.root / ".staging")):
            set_id, _, run = name.partition(".")
            match = _SET.match(set_id)
            if match and match[1] == site and (below is None or int(match[2]) < below):
                found.append((set_id, run))
        return found

    def discard(self, set_id: str, run: str) -> bool:
        """Delete a staging folder and its claim; a published set is left alone. Answers whether there was one.

        Raises:
            SpaceError: it cannot be deleted.

        """
        staging = self.staging(set_id, run)
        try:
            there = staging.exists()
            if there:
                shutil.rmtree(staging)
            if not self.path(set_id).exists():
                (self.root / ".claims" / set_id).unlink(missing_ok=True)
        except OSError as error:
            raise store_error(error, self.root) from None
        return there

    def path(self, set_id: str) -> Path:
        """Where a published set is."""
        return self.root / set_id[:3] / set_id

    def publish(self, set_id: str, run: str, may_appear: Callable[[], None] = lambda: None) -> Path:
        """Everything to disk, then one rename: the set appears whole or not at all.

        ``may_appear`` is asked last, directly before the rename, and raises if the set must not appear.

        Raises:
            IntegrityError: there is such a set already.

        """
        staging, final = self.staging(set_id, run), self.path(set_id)
        try:
            _refuse_open(final.parent)
            sync_file_system(staging)
            may_appear()
            if final.exists():
                raise IntegrityError(f"set {set_id} is published already")
            staging.rename(final)
            sync_folder(final.parent)
            sync_folder(staging.parent)
        except OSError as error:
            raise store_error(error, self.root) from None
        return final

    def sites(self) -> list[str]:
        """Codes of the sites that have a folder here.

        Raises:
            UsageError: there is no store, or it cannot be read.

        """
        with reading(self.root):
            if not self.root.is_dir():
                raise UsageError(f"no store at {self.root}")
            return sorted(
                one.name for one in self.root.iterdir() if re.fullmatch(r"[A-Z0-9]{3}", one.name) and one.is_dir()
            )

    def sets(self, site: str | None = None) -> Iterator[Path]:
        """Published sets, by site and generation; one whose manifest is gone is among them, and is damaged.

        Raises:
            UsageError: there is no store, or a folder of it cannot be read.

        """
        for code in self.sites():
            if site in {None, code}:
                found = [self.root / code / name for name in self._names(self.root / code) if _SET.match(name)]
                yield from sorted(found, key=lambda entry: int(entry.name.rpartition("-")[2]))

    def find(self, set_id: str) -> Path:
        """A published set by id; a site code alone means its newest.

        Raises:
            UsageError: there is none, or the store cannot be read.

        """
        with reading(self.path(set_id).parent):
            if _SET.match(set_id) and self.path(set_id).is_dir():
                return self.path(set_id)
        if re.fullmatch(r"[A-Z0-9]{3}", set_id):
            of_site = list(self.sets(set_id))
            if of_site:
                return of_site[-1]
        raise UsageError(f"no set {set_id} in {self.root}", hint=f"see: sitekeeper backups list --store {self.root}")


def _refuse_open(folder: Path) -> None:
    """Make a folder that is ours alone, or refuse it.

    Raises:
        UsageError: others may enter it, or it belongs to somebody else, who may. OSError: it cannot be made.

    """
    try:
        private_folder(folder)
    except UsageError as error:
        error.hint = f"is the store mounted there? if this is its own folder: {error.hint}"
        raise
    _ours(folder)


def _ours(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise UsageError(
            f"{folder} belongs to another user ({found.st_uid})",
            hint=f"chown it to the user who backs up, and chmod 700 {folder}",
        )
    if found.st_mode & 0o077:
        raise UsageError(
            f"{folder} is open to others ({found.st_mode & 0o7777:04o})",
            hint=f"is the store mounted there? if this is its own folder: chmod 700 {folder}",
        )


def set_id_of(site: str, generation: int) -> str:
    """Site code and generation: ``PR2-000007``."""
    return f"{site}-{generation:06d}"


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a write that say that there is no room."""


def store_error(error: OSError, where: Path) -> SitekeeperError:
    """What a failed write means."""
    if error.errno in FULL:
        return SpaceError(f"the store {where} is full", hint="make room, or delete old sets; nothing was published")
    return SpaceError(
        f"the store {where} cannot be written: {error.strerror}", hint="is it mounted, and may this user write there?"
    )


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn a failed look into a folder of the store into an error of ours.

    Raises:
        UsageError: it cannot be read.

    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error.strerror}", hint=READABLE) from None


READABLE = "is the store mounted, and may this user read there?"


def sync_file_system(folder: Path) -> None:
    """Flush the file system of a folder: one call instead of one per file."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def store_of(ctx: Context, given: str | None) -> Path:
    """The store's folder, from the parameter or the variable ``store``.

    Raises:
        UsageError: neither is given.

    """
    path = given or ctx.vars.get("store")
    if not isinstance(path, str) or not path:
        raise UsageError(
            "no store is given", hint="set the variable `store` in the inventory, or -e store=/srv/backups"
        )
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"the store {path} names a user who does not exist") from None
