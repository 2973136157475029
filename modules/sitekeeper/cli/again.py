"""``sitekeeper resume RUN`` and ``sitekeeper rollback RUN``: what becomes of a run that was cut off."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from sitekeeper.cli.common import wiring
from sitekeeper.cli.run import extra_vars
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.events import Listener
from sitekeeper.engine.journal import open_run
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.language.selection import Selection
from sitekeeper.engine.run import resume
from sitekeeper.engine.run.run import Options
from sitekeeper.report.console import Console
from sitekeeper.report.jsonl import JsonLines


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both commands."""
    for name, text, work in (
        ("resume", "go on with a run that was cut off", resume_run),
        ("rollback", "take back everything that a run left behind", rollback_run),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("run", help="run id, see: sitekeeper runs list")
        command.add_argument("-i", "--inventory", help="the inventory, where it is another file now")
        command.add_argument("--runs", help="folder of the journals")
        command.add_argument("--vault-password-file", help="file with the Ansible Vault password")
        command.add_argument("--forks", type=int, default=8, help="how many hosts at a time (default 8)")
        command.add_argument("--json", action="store_true", help="events as JSON lines on standard output")
        if name == "resume":
            command.add_argument(
                "-e",
                "--extra-vars",
                action="append",
                default=[],
                metavar="NAME=VALUE|@FILE",
                help="as the run was given them",
            )
        command.set_defaults(work=work)


def resume_run(options: argparse.Namespace) -> int:
    """Go on; refused when the playbook, the variables or the machines are others than before."""
    run = _opened(options)
    if not any(progress.open for progress in run.hosts.values()) and run.ended:
        raise _nothing_left(run)
    vault = wiring.vault_password(options.vault_password_file)
    inventory = wiring.inventory_at(options.inventory or run.file(run.head["inventory"]), options.vault_password_file)
    file = Path(run.file(run.head["playbook"]))
    book = playbook_reader.load(file, vault)
    extra = extra_vars(options.extra_vars, vault) if options.extra_vars else dict(run.head["extra"])
    hidden = [name for name, value in extra.items() if isinstance(value, str) and value.startswith("<secret ")]
    if hidden:
        raise UsageError(f"give the secret variables again: -e {', '.join(hidden)}=...")
    resume.same_sources(run, book, inventory, extra, version("sitekeeper"))
    wiring.find_secrets(run, inventory)
    settings = Options(
        limit=run.head["limit"], selection=Selection(frozenset(run.head["tags"]), frozenset(run.head["skip_tags"])),
        forks=options.forks, extra=extra, runs=run.folder.parent, version=version("sitekeeper"),
    )  # fmt: skip
    return _shown(
        options,
        lambda listener: wiring.run_playbook(file, inventory, settings, vault, listener, again=run).exit_code,
    )


def rollback_run(options: argparse.Namespace) -> int:
    """Undo what is open; nothing of the playbook is needed."""
    run = _opened(options)
    if not run.left() and run.ended:
        raise _nothing_left(run)
    inventory = wiring.inventory_at(options.inventory or run.file(run.head["inventory"]), options.vault_password_file)
    resume.same_hosts(run, inventory)
    wiring.find_secrets(run, inventory)
    return _shown(options, lambda listener: wiring.roll_back(run, inventory, options.forks, listener).exit_code)


def _opened(options: argparse.Namespace) -> open_run.OpenRun:
    if options.forks < 1:
        raise UsageError("--forks must be at least 1")
    return open_run.read(wiring.runs_folder(options.runs) / options.run)


def _nothing_left(run: open_run.OpenRun) -> UsageError:
    return UsageError(f"run {run.run_id} has ended and left nothing behind")


def _shown(options: argparse.Namespace, work: Callable[[Listener], int]) -> int:
    if options.json:
        return work(JsonLines(sys.stdout))
    console = Console(sys.stdout)
    try:
        return work(console)
    finally:
        console.close()
