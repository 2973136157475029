"""``sitekeeper backups pin|unpin|prune|get``: what stays, what goes, and what comes out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sitekeeper.cli.backups.looking import opened_by
from sitekeeper.cli.common import table, wiring
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import IntegrityError, UsageError
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.store.format import catalogue, marks_file
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import extract, pruning, trash
from sitekeeper.store.keeping.retention import Policy, policy_of

Action = Callable[..., argparse.ArgumentParser]


def add_to(action: Action, identity: Callable[[argparse.ArgumentParser], None]) -> None:
    """Declare the actions."""
    pin_ = action("pin", "keep sets whatever the policy says", pin, "+")
    pin_.add_argument("--why", default="", help="noted with the pin")
    action("unpin", "let the policy judge them again", unpin, "+")
    prune_ = action("prune", "drop the sets that the inventory's retention does not keep", prune)
    prune_.add_argument("-i", "--inventory", required=True)
    prune_.add_argument("--vault-password-file")
    prune_.add_argument("--site", help="only this site")
    prune_.add_argument("--check", action="store_true", help="only say what would go, and why the others stay")
    get_ = action("get", "write a set's files, checked, into a new folder", get)
    get_.add_argument("set", metavar="SET", help="set id, or a site code for its newest good one")
    get_.add_argument("--to", metavar="FOLDER", required=True, help="new or empty folder")
    get_.add_argument("--kind", choices=("snapshot", "task"), help="only a set of this kind")
    get_.add_argument(
        "--files", metavar="PREFIX", action="append", default=[], help="only these: database, registry, or a place"
    )
    identity(get_)


def pin(options: argparse.Namespace) -> int:
    """Pinned sets never go."""
    seen = marks_file.Pinned(
        by=wiring.operator(), at=SystemClock().now().isoformat(timespec="seconds"), why=options.why
    )
    return _mark(options, seen)


def unpin(options: argparse.Namespace) -> int:
    """Back under the policy."""
    return _mark(options, None)


def _mark(options: argparse.Namespace, pinned: marks_file.Pinned | None) -> int:
    store = Folder(Path(options.store))
    folders = [store.find(name) for name in options.sets]
    for folder in folders:
        catalogue.own_folder(folder)
    rows = []
    for folder in folders:
        problem = marks_file.read(folder)[1]
        marks = marks_file.change(folder, lambda marks: marks.model_copy(update={"pinned": pinned}), anew=True)
        rows.append({"id": folder.name, "pinned": marks.pinned.model_dump() if marks.pinned else None, "lost": problem})
        if not options.json:
            print(f"{folder.name}: {'pinned' if pinned else 'not pinned'}")
            if problem:
                print(f"  note: {problem}; begun anew")
    if options.json:
        print(json.dumps(rows, indent=2))
    return 0


def prune(options: argparse.Namespace) -> int:
    """Site by site; damaged sets are left alone and fail the command."""
    store = Folder(Path(options.store))
    inventory = wiring.inventory_at(options.inventory, options.vault_password_file)
    here = sorted({folder.parent.name for folder in store.sets()})
    if options.site is not None and options.site not in here:
        raise UsageError(f"no set of {options.site} in {store.root}")
    sites = here if options.site is None else [options.site]
    policies = {site: _policy(inventory, site) for site in sites}  # all of them are read before anything goes
    judged = [one for site in sites for one in pruning.judge(store, site, policies[site])]
    if not options.check:
        for one in judged:
            if one.goes:
                trash.drop(store, one.folder)
        trash.empty(store)
    rows = [one.line() for one in judged]
    table.show(
        rows, ("id", "kind", "taken_at", "action", "why"), as_json=options.json, empty=f"no sets in {store.root}"
    )
    if not options.json:
        going = [one for one in judged if one.goes]
        print(
            f"{'would drop' if options.check else 'dropped'} {len(going)} of {len(judged)} sets, {sum(one.bytes for one in going)} bytes"
        )
        for site in sites:
            if site not in inventory.sites:
                print(f"note: {site} is not in {options.inventory}: its sets stay")
    damaged = [one for one in judged if one.damage]
    for one in damaged if not options.json else ():
        print(f"note: {one.folder.name} was left alone: {one.damage}", file=sys.stderr)
    return IntegrityError.exit_code if damaged else 0


def _policy(inventory: Inventory, site: str) -> Policy | None:
    if site not in inventory.sites:
        return None
    host = inventory.sites[site].host
    return policy_of(wiring.variables_of(inventory, host), inventory.origin_of(host, "retention"))


def get(options: argparse.Namespace) -> int:
    """All of it, each byte checked, or nothing."""
    store = Folder(Path(options.store))
    to = Path(options.to).expanduser().absolute()
    if to.resolve().is_relative_to(store.root.resolve()):
        raise UsageError(f"{to} is inside of the store", hint="name a folder elsewhere")
    extract.refuse_full(to)
    choice = catalogue.find(store, options.set, options.kind)
    found = opened_by(choice.folder, options.identity)
    entries = extract.chosen(found.manifest, options.files)
    extract.refuse_damaged(found, entries, SystemClock().now().isoformat(), read=False)
    extract.take_out(found, entries, to)
    files = [entry for entry in entries if entry.kind == "file"]
    row: dict[str, Any] = {
        "id": found.manifest.id, "folder": str(to), "files": len(files), "bytes": sum(entry.size for entry in files),
        "feeds": list(found.manifest.feeds), "passed_over": list(choice.passed_over),
    }  # fmt: skip
    if options.json:
        print(json.dumps(row, indent=2))
    else:
        print(f"{row['id']}: {row['files']} files, {row['bytes']} bytes, each checked, in {to}")
        print(f"feeds: {'; '.join(found.manifest.feeds)}")
        for one in choice.passed_over:
            print(f"note: passed over: {one}")
    return 0
