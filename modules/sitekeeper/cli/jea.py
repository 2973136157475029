"""``sitekeeper jea build``: a least-privilege endpoint for each kind of host, made from what the playbooks need."""

from __future__ import annotations

import argparse
from pathlib import Path

from sitekeeper.cli.common import table, wiring
from sitekeeper.engine.language import playbook_reader
from sitekeeper.jea.build import build


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("jea", help="least-privilege endpoints for the hosts of an inventory")
    actions = command.add_subparsers(dest="action", required=True)
    action = actions.add_parser(
        "build", help="write module, role, session configuration, install script and a page in words"
    )
    action.add_argument("playbook", nargs="+")
    action.add_argument("-i", "--inventory", required=True)
    action.add_argument("-o", "--out", required=True, metavar="DIR", help="a new folder")
    action.add_argument("--group", required=True, metavar="DOMAIN\\GROUP", help="who may use the endpoints")
    action.add_argument("--vault-password-file")
    action.add_argument("--json", action="store_true")
    action.set_defaults(work=work)


def work(options: argparse.Namespace) -> int:
    """Build, and say what was made for whom."""
    inventory = wiring.inventory_at(options.inventory, options.vault_password_file)
    vault = wiring.vault_password(options.vault_password_file)
    books = [playbook_reader.load(Path(one), vault) for one in options.playbook]
    rows = [
        {
            "kind": one.role.kind,
            "hosts": ", ".join(one.hosts),
            "cmdlets": len(one.role.cmdlets),
            "functions": len(one.role.functions),
            "folder": str(one.folder),
        }
        for one in build(books, inventory, Path(options.out), options.group)
    ]
    table.show(rows, ("kind", "hosts", "cmdlets", "functions", "folder"), as_json=options.json, empty="")
    return 0
