"""What ``resume`` and ``rollback`` share: opening a run that was cut off, and showing what becomes of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from sitekeeper.cli.common import wiring
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.events import Listener
from sitekeeper.engine.journal import open_run
from sitekeeper.report.console import Console
from sitekeeper.report.jsonl import JsonLines


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments of both commands."""
    command.add_argument("run", help="run id, see: sitekeeper runs list")
    command.add_argument("-i", "--inventory", help="inventory to use, if the file has moved since the run")
    command.add_argument("--runs", help="folder of the journals")
    command.add_argument("--vault-password-file", help="file with the Ansible Vault password")
    command.add_argument("--forks", type=int, default=8, help="how many hosts at a time (default 8)")
    command.add_argument("--json", action="store_true", help="print events as JSON lines")


def open_cut_off_run(options: argparse.Namespace) -> open_run.OpenRun:
    """The run that the options name.

    Raises:
        UsageError: there is no such run. IntegrityError: its journal is damaged.

    """
    if options.forks < 1:
        raise UsageError("--forks must be at least 1")
    return open_run.read(wiring.runs_folder(options.runs) / options.run)


def nothing_left(run: open_run.OpenRun) -> UsageError:
    """The refusal of a run that has nothing to resume or roll back."""
    return UsageError(f"run {run.run_id} has finished; nothing to resume or roll back")


def show_events(options: argparse.Namespace, work: Callable[[Listener], int]) -> int:
    """Do the work with a listener that shows its events, for people or as JSON lines."""
    if options.json:
        return work(JsonLines(sys.stdout))
    console = Console(sys.stdout)
    try:
        return work(console)
    finally:
        console.close()
