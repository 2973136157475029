"""``sitekeeper backups``: the sets of a store; what is in them, whether they are whole, which are kept, and getting them out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from sitekeeper.cli.backups import keeping
from sitekeeper.cli.backups.looking import differences, entries_of, opened_by, shown
from sitekeeper.cli.common import table
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import IntegrityError, UsageError
from sitekeeper.store.format import catalogue, marks_file
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import extract, trash
from sitekeeper.store.keeping.verify import share_of, verify_set

Work = Callable[[argparse.Namespace], int]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("backups", help="look at the sets of a store, keep, check and get them")
    actions = command.add_subparsers(dest="action", required=True)

    def action(name: str, text: str, work: Work, sets: str | None = None) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=text)
        made.add_argument("--store", required=True, help="folder of the store")
        made.add_argument("--json", action="store_true")
        if sets is not None:
            made.add_argument("sets", nargs=sets, metavar="SET", help="set id, or a site code for its newest")
        made.set_defaults(work=work)
        return made

    def identity(made: argparse.ArgumentParser) -> None:
        made.add_argument("--identity", metavar="FILE", help="age identity file: the key of sealed sets")

    action("list", "all sets", list_sets).add_argument("--site", help="only this site")
    identity(action("show", "one set; of a sealed one without the key only its head", show, "+"))
    verify_ = action("verify", "read every byte again, and remember it", verify, "*")
    verify_.add_argument("--share", metavar="1/N", help="only this part, the sets that were verified longest ago")
    identity(verify_)
    files_ = action("files", "what is in a set", files, "+")
    files_.add_argument("--files", metavar="PREFIX", action="append", default=[], help="only below this place")
    identity(files_)
    diff_ = action("diff", "how two sets differ", diff)
    diff_.add_argument("sets", nargs=2, metavar="SET", help="set id, or a site code for its newest")
    identity(diff_)
    keeping.add_to(action, identity)


def list_sets(options: argparse.Namespace) -> int:
    """A line per set; one that is known to be damaged is listed as such and fails the command."""
    rows: list[dict[str, Any]] = []
    damaged = False
    for folder, found in catalogue.of(Folder(Path(options.store)), options.site):
        if isinstance(found, IntegrityError):
            damaged = True
            worth = "UNREADABLE" if catalogue.unreadable(folder) else "DAMAGED"
            rows.append({"id": folder.name, "site": folder.name[:3], "consistency": worth, "error": found.message})
            continue
        row = found.line()
        if found.doubt.startswith("damaged"):
            damaged = True
            row |= {"consistency": "DAMAGED", "error": found.doubt}
        rows.append(row)
    columns = (
        "id",
        "site",
        "kind",
        "taken_at",
        "version",
        "consistency",
        "files",
        "bytes",
        "offline_seconds",
        "notes",
        "feeds",
    )
    told = (
        rows
        if options.json
        else [row | {"notes": _notes(row), "feeds": "; ".join(row.get("feeds", ()))} for row in rows]
    )
    table.show(
        told, columns, as_json=options.json, empty=f"no sets in {options.store}",
        whole=("id", "site", "kind", "taken_at", "consistency"),
        spare=("feeds", "version", "offline_seconds", "files", "bytes", "notes"),
    )  # fmt: skip
    for row in () if options.json else rows:
        if row.get("error"):
            print(f"note: {row['error']}", file=sys.stderr)
    return IntegrityError.exit_code if damaged else 0


def _notes(row: dict[str, Any]) -> str:
    words = ["sealed"] if row.get("sealed") else []
    words += ["pinned"] if row.get("pinned") else []
    words += [f"drill {row['drilled']['result']}"] if row.get("drilled") else []
    words += [f"drill of its backup {row['backup_drilled']['result']}"] if row.get("backup_drilled") else []
    words += ["marks damaged"] if row.get("marks", "ok") != "ok" else []
    return ", ".join(words)


def show(options: argparse.Namespace) -> int:
    """What a set is, what it can feed, and what is not in it."""
    store = Folder(Path(options.store))
    told: list[dict[str, Any]] = []
    for name in options.sets:
        data = shown(store.find(name), options.identity)
        told.append(data)
        if options.json:
            continue
        for key, value in data.items():
            if key not in {"entries", "stored"}:
                text = value if not isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)
                print(f"{key}: {text}")
    if options.json:
        print(json.dumps(told if len(told) > 1 else told[0], indent=2))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Hash every file again and compare; any difference names the file and fails."""
    store = Folder(Path(options.store))
    rows: list[dict[str, Any]] = []
    folders = _wanted(store, options)
    for folder in folders:
        row = _verified(store, folder, options.identity)
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
        raise IntegrityError(f"nothing to verify: no sets in {options.store}")
    verified = any(row["result"] == "ok" for row in rows)
    return 0 if verified and not any(row["problems"] for row in rows) else IntegrityError.exit_code


def _verified(store: Folder, folder: Path, identity: str | None) -> dict[str, Any]:
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
        notes.append("this verification is not remembered: its marks cannot be changed")
    return {"id": folder.name, "result": "damaged" if problems else "ok", "problems": problems, "notes": notes}


def _gone(store: Folder, folder: Path) -> dict[str, Any]:
    """A set that went while it was verified: dropped by a prune, or with the store that it was in."""
    pruned = trash.may_have_taken(store, folder)
    said = f"gone while it was verified{': it was pruned' if pruned else ', and not by a prune: is the store still there?'}"
    return {
        "id": folder.name, "result": "gone", "problems": [] if pruned else [said], "notes": [said] if pruned else [],
    }  # fmt: skip


def _wanted(store: Folder, options: argparse.Namespace) -> list[Path]:
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
        found = opened_by(folder, identity)
        with Path("/dev/null").open("wb") as nowhere:
            for entry in found.manifest.entries:
                if entry.kind == "file":
                    found.copy(entry, nowhere)
    except IntegrityError as error:
        return [error.message]
    return []


def files(options: argparse.Namespace) -> int:
    """The files of sets, as they were on the host and as they are in the set."""
    store = Folder(Path(options.store))
    rows = [row for name in options.sets for row in entries_of(store.find(name), options.identity, options.files)]
    table.show(rows, ("set", "file", "kind", "size", "sha256"), as_json=options.json, empty="no files")
    return 0


def diff(options: argparse.Namespace) -> int:
    """Facts and files that differ between two sets; that they do is no failure."""
    store = Folder(Path(options.store))
    before, after = (opened_by(store.find(name), options.identity) for name in options.sets)
    if before.manifest.site != after.manifest.site and not options.json:
        print(f"of two sites: {before.manifest.site} and {after.manifest.site}")
    rows = differences(before, after)
    table.show(rows, ("what", "change", "before", "after"), as_json=options.json, empty="no difference")
    return 0
