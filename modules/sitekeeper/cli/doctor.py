"""``sitekeeper doctor HOST``: what we believe of Windows and ConfigMgr, asked of a real site server; changes nothing."""

from __future__ import annotations

import argparse

from sitekeeper.cli.common import table, wiring
from sitekeeper.engine.errors import PreflightError, UsageError
from sitekeeper.site.learning.assumptions import ask_all


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "doctor",
        help="check our assumptions against a site server (read-only)",
        description="Checks the assumptions of sitekeeper about Windows and ConfigMgr against a site server. Changes nothing. "
        f"Exit code {PreflightError.exit_code} when something differs.",
    )
    command.add_argument("host", help="a site server of the inventory")
    command.add_argument("-i", "--inventory", required=True)
    command.add_argument("--vault-password-file")
    command.add_argument("--json", action="store_true")
    command.set_defaults(work=work)


def work(options: argparse.Namespace) -> int:
    """Ask, and show what was seen."""
    inventory = wiring.inventory_at(options.inventory, options.vault_password_file)
    if options.host not in inventory.hosts:
        raise UsageError(f"{options.host} is not a host of this inventory", hint=f"one of {', '.join(inventory.hosts)}")
    with wiring.looking_at(inventory, options.host) as context:
        seen = list(ask_all(context))
    rows = [{"believed": one.believed, "status": one.status, "saw": one.saw} for one in seen]
    table.show(rows, ("believed", "status", "saw"), as_json=options.json, empty="")
    return PreflightError.exit_code if any(one.status == "differs" for one in seen) else 0
