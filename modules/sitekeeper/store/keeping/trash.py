"""Dropping a set: one rename out of the catalogue, made durable, and only then deleted.

Killed before the rename nothing has happened; after it the set is gone from every listing, and whoever prunes next deletes
what is left. A rename out of ``<store>/PR2/`` is the only thing that ever takes a set away.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from sitekeeper.engine.journal.journal import private_folder
from sitekeeper.store.format.store_folder import Folder, store_error, sync_folder

NAME = ".trash"


def drop(store: Folder, folder: Path) -> bool:
    """Take a set out of the catalogue; answers whether it was still there.

    Raises:
        SpaceError: it cannot be moved.

    """
    trash = store.root / NAME
    try:
        private_folder(trash)
        folder.rename(trash / f"{folder.name}.{secrets.token_hex(4)}")
        sync_folder(folder.parent)
        sync_folder(trash)
    except FileNotFoundError:
        return False  # another one pruned at the same time
    except OSError as error:
        raise store_error(error, store.root) from None
    return True


def empty(store: Folder) -> int:
    """Delete what was dropped, also by those who did not come to the end; answers how many sets.

    Raises:
        SpaceError: something cannot be deleted.

    """
    trash = store.root / NAME
    if not trash.is_dir() or trash.is_symlink():
        return 0
    left = sorted(trash.iterdir())
    for one in left:
        try:
            if one.is_symlink() or not one.is_dir():
                one.unlink(missing_ok=True)
            else:
                shutil.rmtree(one)
        except FileNotFoundError:
            continue  # another one deletes it, too
        except OSError as error:
            raise store_error(error, store.root) from None
    return len(left)


def may_have_taken(store: Folder, folder: Path) -> bool:
    """Whether a set that is gone can have been dropped: the store and the site's folder are there, and sets were dropped here.

    What was dropped is deleted soon, and leaves no trace but the folder that it went through.
    """
    return store.begun() and folder.parent.is_dir() and (store.root / NAME).is_dir()


def waiting(store: Folder) -> int:
    """How many dropped sets are not deleted yet."""
    trash = store.root / NAME
    return len(list(trash.iterdir())) if trash.is_dir() else 0
