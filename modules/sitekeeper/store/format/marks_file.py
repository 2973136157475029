"""What the operator and our own checks noted about a set: in its folder, outside of its hashes, replaced by one rename.

Whoever may write in the store can forge them; they say nothing about the bytes of a set. Damaged marks are told, and
such a set is never dropped: it may have been pinned.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.plan import Record
from sitekeeper.store.format.store_folder import store_error, sync_folder

NAME = "marks.json"
HALF = ".marks.json.new"
OWN = frozenset({NAME, HALF})


class PinMark(Record):
    """Kept whatever the policy says."""

    by: str
    at: str
    why: str = ""


class VerifyMark(Record):
    """When every byte was hashed last, and what was found."""

    at: str
    problems: tuple[str, ...] = ()


class DrillMark(Record):
    """The last restore of this set that was tried."""

    at: str
    run: str
    result: Literal["ok", "failed"]


class Marks(Record):
    """All notes on a set."""

    version: Literal[1] = 1
    pinned: PinMark | None = None
    verified: VerifyMark | None = None
    drilled: DrillMark | None = None
    """From the database's own files: what a recovery uses."""
    backup_drilled: DrillMark | None = None
    """From the backup that SQL Server wrote into the set. No recovery uses it: a second kind of evidence, and no more."""

    def drill(self, source: str) -> DrillMark | None:
        """The last drill from ``files`` or from the ``backup``."""
        return self.backup_drilled if source == "backup" else self.drilled


def read(folder: Path) -> tuple[Marks, str]:
    """The marks of a set, and in words what is wrong with their file."""
    try:
        handle = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            return Marks.model_validate_json(file.read()), ""
    except FileNotFoundError:
        return Marks(), ""
    except OSError as error:
        return Marks(), f"{NAME}: cannot be read ({error.strerror}); pins, verifications and drills are not known"
    except ValidationError:
        return Marks(), f"{NAME}: damaged; pins, verifications and drills are not known"


def change(folder: Path, edit: Callable[[Marks], Marks], *, anew: bool = False) -> Marks:
    """Read, change and replace the marks; one process at a time. Only who says so begins damaged ones ``anew``.

    Raises:
        SpaceError: they cannot be written. IntegrityError: they are damaged, and there may have been a pin among them.

    """
    try:
        with _alone(folder):
            before, problem = read(folder)
            if problem and not anew:
                raise IntegrityError(
                    f"{folder.name}: {problem}", hint=f"`backups pin {folder.name}` or `unpin` creates them again"
                )
            marks = edit(before)
            half = folder / HALF
            half.unlink(missing_ok=True)
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(json.dumps(marks.model_dump(mode="json"), indent=1))
                file.flush()
                os.fsync(file.fileno())
            half.replace(folder / NAME)
            sync_folder(folder)
    except OSError as error:
        raise store_error(error, folder) from None
    return marks


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
