"""``sitekeeper backups list|show|verify``: the sets of a store, and whether they are still what was published."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sitekeeper.cli import _table
from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store import _manifest
from sitekeeper.store._folder import Folder
from sitekeeper.store._verify import verify_set


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("backups", help="look at the sets of a store")
    actions = command.add_subparsers(dest="action", required=True)
    for name, text, work in (
        ("list", "all sets", list_sets),
        ("show", "one set", show),
        ("verify", "read every byte again", verify),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--store", required=True, help="folder of the store")
        action.add_argument("--json", action="store_true")
        if name == "list":
            action.add_argument("--site", help="only this site")
        else:
            action.add_argument(
                "sets",
                nargs="+" if name == "show" else "*",
                metavar="SET",
                help="set id, or a site code for its newest",
            )
        action.set_defaults(work=work)


def list_sets(options: argparse.Namespace) -> int:
    """A line per set; one whose manifest cannot be read is listed as damaged and fails the command."""
    rows: list[dict[str, Any]] = []
    damaged = False
    for folder in Folder(Path(options.store)).sets(options.site):
        try:
            rows.append(_manifest.read(folder).summary() | {"folder": str(folder)})
        except IntegrityError as error:
            damaged = True
            rows.append(
                {"id": folder.name, "site": folder.parent.name, "consistency": "DAMAGED", "error": error.message}
            )
    columns = ("id", "site", "kind", "taken_at", "version", "consistency", "files", "bytes", "offline_seconds")
    _table.show(rows, columns, as_json=options.json, empty=f"no sets in {options.store}")
    return IntegrityError.exit_code if damaged else 0


def show(options: argparse.Namespace) -> int:
    """What a set is, what it can feed, and what is not in it."""
    store = Folder(Path(options.store))
    shown: list[dict[str, Any]] = []
    for name in options.sets:
        manifest = _manifest.read(store.find(name))
        data = manifest.model_dump(mode="json")
        if options.json:
            shown.append(data)
            continue
        del data["entries"]
        for key, value in data.items():
            print(f"{key}: {value if not isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)}")
    if options.json:
        print(json.dumps(shown if len(shown) > 1 else shown[0], indent=2))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Hash every file again and compare; any difference names the file and fails."""
    store = Folder(Path(options.store))
    folders = [store.find(name) for name in options.sets] or list(store.sets())
    rows: list[dict[str, Any]] = []
    for folder in folders:
        problems = verify_set(folder)
        rows.append({"id": folder.name, "result": "damaged" if problems else "ok", "problems": problems})
        if not options.json:
            print(f"{folder.name}: {'ok' if not problems else 'DAMAGED'}")
            for problem in problems:
                print(f"  {problem}")
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not folders:
        raise IntegrityError(f"nothing to verify: no sets in {options.store}")
    return IntegrityError.exit_code if any(row["problems"] for row in rows) or not rows else 0
