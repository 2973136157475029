"""``sitekeeper backups verify``: reads every byte of sets again and records the result."""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from sitekeeper.cli.backups.looking import open_with_identity
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import IntegrityError, UsageError
from sitekeeper.store.format import catalogue, marks_file
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import extract, trash
from sitekeeper.store.keeping.verify import share_of, verify_set


def verify(options: argparse.Namespace) -> int:
    """Hash every file again and compare; any difference names the file and fails."""
    store = Folder(Path(options.store))
    rows: list[dict[str, Any]] = []
    folders = _choose_sets(store, options)
    for folder in folders:
        row = _verify_one(store, folder, options.identity)
        rows.append(row)
        if options.json:
            continue
        if row["result"] == "gone":
            print(f"{folder.name}: {'; '.join([*row['problems'], *row['notes']])}")
            continue
        print(f"{folder.name}: {'ok' if row['result'] == 'ok' else row['result'].upper()}")
        for line in (*row["problems"], *(f"note: {note}" for note in row["notes"])):
            print(f"  {line}")
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not folders:
        raise IntegrityError(f"no sets in {options.store}")
    verified = any(row["result"] == "ok" for row in rows)
    return 0 if verified and not any(row["problems"] for row in rows) else IntegrityError.exit_code


def _verify_one(store: Folder, folder: Path, identity: str | None) -> dict[str, Any]:
    """A set, read again. Of one that cannot be looked into nothing is known, and nothing is noted."""
    if why := catalogue.unreadable(folder):
        return {"id": folder.name, "result": "unreadable", "problems": [why], "notes": []}
    problems = verify_set(folder)
    if problems and not folder.exists() and not folder.is_symlink():
        return _gone(store, folder)
    if identity and not problems:
        problems = _inside(folder, identity)
    notes = [note] if (note := marks_file.read(folder)[1]) else []
    kept = not folder.is_symlink() and extract.remember(folder, problems, SystemClock().now().isoformat())
    if not kept and not folder.is_symlink():
        notes.append("this verification is not recorded: the marks of the set cannot be changed")
    return {"id": folder.name, "result": "damaged" if problems else "ok", "problems": problems, "notes": notes}


def _gone(store: Folder, folder: Path) -> dict[str, Any]:
    """A set that went while it was verified: dropped by a prune, or with the store that it was in."""
    pruned = trash.may_have_taken(store, folder)
    said = f"disappeared while it was verified{': it was pruned' if pruned else ', and not by a prune: is the store still mounted?'}"
    return {
        "id": folder.name,
        "result": "gone",
        "problems": [] if pruned else [said],
        "notes": [said] if pruned else [],
    }


def _choose_sets(store: Folder, options: argparse.Namespace) -> list[Path]:
    if options.share is None:
        return [store.find(name) for name in options.sets] or list(catalogue.folders(store))
    if options.sets:
        raise UsageError("--share chooses the sets by itself", hint="leave the sets out")
    try:
        share = Fraction(options.share)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise UsageError(f"--share {options.share}: a share is written like 1/30")
    found = list(catalogue.of(store))
    unreadable = [folder for folder, one in found if isinstance(one, IntegrityError)]
    chosen = share_of([one for _, one in found if not isinstance(one, IntegrityError)], share)
    return [*unreadable, *(one.folder for one in chosen)]


def _inside(folder: Path, identity: str) -> list[str]:
    """With the key: whether every file opens to what its manifest says."""
    try:
        found = open_with_identity(folder, identity)
        with Path("/dev/null").open("wb") as nowhere:
            for entry in found.manifest.entries:
                if entry.kind == "file":
                    found.copy(entry, nowhere)
    except IntegrityError as error:
        return [error.message]
    return []
