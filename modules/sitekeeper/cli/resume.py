"""``sitekeeper resume RUN``: goes on with a run that was cut off."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

from sitekeeper.cli.common import wiring
from sitekeeper.cli.common.cut_off_run import add_arguments, nothing_left, open_cut_off_run, show_events
from sitekeeper.cli.common.extra_vars import add_extra_vars
from sitekeeper.cli.run import extra_vars
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.language.selection import Selection
from sitekeeper.engine.run import resume
from sitekeeper.engine.run.run import Options


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("resume", help="resume a run that was cut off")
    add_arguments(command)
    add_extra_vars(command, "extra variables, as passed to the original run")
    command.set_defaults(work=resume_run)


def resume_run(options: argparse.Namespace) -> int:
    """Go on; refused when the playbook, the variables or the machines are others than before."""
    run = open_cut_off_run(options)
    if not any(progress.open for progress in run.hosts.values()) and run.ended:
        raise nothing_left(run)
    vault = wiring.vault_password(options.vault_password_file)
    inventory = wiring.inventory_at(options.inventory or run.file(run.head.inventory), options.vault_password_file)
    file = Path(run.file(run.head.playbook))
    book = playbook_reader.load(file, vault)
    extra = extra_vars(options.extra_vars, vault) if options.extra_vars else dict(run.head.extra)
    hidden = [name for name, value in extra.items() if isinstance(value, str) and value.startswith("<secret ")]
    if hidden:
        raise UsageError(f"secret variables are not stored; pass them again: -e {', '.join(hidden)}=...")
    resume.same_sources(run, book, inventory, extra, version("sitekeeper"))
    wiring.find_secrets(run, inventory)
    settings = Options(
        limit=run.head.limit,
        selection=Selection(frozenset(run.head.tags), frozenset(run.head.skip_tags)),
        forks=options.forks,
        extra=extra,
        runs=run.folder.parent,
        version=version("sitekeeper"),
    )
    return show_events(
        options,
        lambda listener: wiring.run_playbook(file, inventory, settings, vault, listener, again=run).exit_code,
    )
