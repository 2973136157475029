"""``sitekeeper inventory graph|list``: the hierarchy, and every host with its variables."""

from __future__ import annotations

import argparse
from typing import Any

from sitekeeper.cli.common import table, wiring
from sitekeeper.engine.inventory.hierarchy import Site
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.plain import plain


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("inventory", help="look at an inventory")
    actions = command.add_subparsers(dest="action", required=True)
    for name, text, work in (
        ("graph", "the hierarchy of sites", graph),
        ("list", "hosts and their variables", list_hosts),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("-i", "--inventory", required=True)
        action.add_argument("--vault-password-file")
        action.add_argument("--json", action="store_true")
        action.set_defaults(work=work)


def graph(options: argparse.Namespace) -> int:
    """Sites below their parents; hosts without a site at the end."""
    inventory = wiring.inventory_at(options.inventory, options.vault_password_file)
    sites = inventory.sites
    if options.json:
        rows = [{"code": s.code, "host": s.host, "type": s.type, "parent": s.parent} for s in sites.values()]
        table.show(rows, (), as_json=True, empty="")
        return 0
    for site in sites.values():
        if site.parent is None:
            _branch(inventory, site, 0)
    for host in inventory.hosts:
        if host not in {site.host for site in sites.values()}:
            print(f"({host})")
    return 0


def _branch(inventory: Inventory, site: Site, depth: int) -> None:
    print(f"{'  ' * depth}{site.code}  {site.type}  {site.host}")
    for child in inventory.sites.values():
        if child.parent == site.code:
            _branch(inventory, child, depth + 1)


def list_hosts(options: argparse.Namespace) -> int:
    """Every host with what Ansible would call its hostvars; secrets as references."""
    inventory = wiring.inventory_at(options.inventory, options.vault_password_file)
    rows: list[dict[str, Any]] = []
    for host in inventory.hosts:
        values = plain(inventory.vars_of(host))
        rows.append({"host": host, "groups": values.pop("group_names"), "vars": values})
    shown = (
        rows
        if options.json
        else [
            {
                **row,
                "groups": ", ".join(row["groups"]),
                "site": row["vars"].get("site_code"),
                "address": row["vars"].get("ansible_host", row["host"]),
            }
            for row in rows
        ]
    )
    table.show(shown, ("host", "site", "address", "groups"), as_json=options.json, empty="no hosts")
    return 0
