"""``sitekeeper backups prune``: deletes the sets that the policy does not keep."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sitekeeper.cli.common import table, wiring
from sitekeeper.engine.errors import IntegrityError, UsageError
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import pruning, trash
from sitekeeper.store.keeping.retention import Policy, policy_of


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
            f"{'would delete' if options.check else 'dropped'} {len(going)} of {len(judged)} sets, {sum(one.bytes for one in going)} bytes"
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
