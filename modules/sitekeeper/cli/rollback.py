"""``sitekeeper rollback RUN``: undoes everything that a run left behind."""

from __future__ import annotations

import argparse

from sitekeeper.cli.common import wiring
from sitekeeper.cli.common.cut_off_run import add_arguments, nothing_left, open_cut_off_run, show_events
from sitekeeper.engine.run import resume


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("rollback", help="undo everything that a run left open")
    add_arguments(command)
    command.set_defaults(work=rollback_run)


def rollback_run(options: argparse.Namespace) -> int:
    """Undo what is open; nothing of the playbook is needed."""
    run = open_cut_off_run(options)
    if not run.left() and run.ended:
        raise nothing_left(run)
    inventory = wiring.inventory_at(options.inventory or run.file(run.head.inventory), options.vault_password_file)
    resume.same_hosts(run, inventory)
    wiring.find_secrets(run, inventory)
    return show_events(options, lambda listener: wiring.roll_back(run, inventory, options.forks, listener).exit_code)
