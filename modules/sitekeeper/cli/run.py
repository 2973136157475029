"""``sitekeeper run PLAYBOOK -i INVENTORY``: runs a playbook over an inventory."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from sitekeeper.cli.common import wiring
from sitekeeper.cli.common.extra_vars import add_extra_vars
from sitekeeper.engine import secrets, yaml_file
from sitekeeper.engine.errors import SitekeeperError, UsageError
from sitekeeper.engine.language.selection import Selection
from sitekeeper.engine.run.outcome import RunOutcome
from sitekeeper.engine.run.run import Options
from sitekeeper.engine.types import parse_duration
from sitekeeper.report import evidence
from sitekeeper.report.console import Console
from sitekeeper.report.jsonl import JsonLines


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("run", help="run a playbook", description="Run a playbook over an inventory.")
    command.add_argument(
        "playbook", help="a playbook file, or the name of one that comes with sitekeeper: backup, check, ..."
    )
    command.add_argument("-i", "--inventory", required=True, help="inventory file or folder")
    command.add_argument("--check", action="store_true", help="only find out what would change; changes nothing")
    command.add_argument("--diff", action="store_true", help="show every single change")
    command.add_argument("--limit", help="only these hosts, groups or site codes")
    command.add_argument("--tags", default="", help="only tasks with one of these tags")
    command.add_argument("--skip-tags", default="", help="no tasks with one of these tags")
    command.add_argument("--forks", type=int, default=8, help="how many hosts at a time (default 8)")
    add_extra_vars(command, "variables that win over all others")
    command.add_argument("--deadline", help="how long the whole run may take, like 6h; then it undoes and ends")
    command.add_argument("--runs", help="folder of the journals")
    command.add_argument("--vault-password-file", help="file with the Ansible Vault password")
    command.add_argument(
        "--evidence", type=Path, metavar="DIR", help="write what the run proved there: HTML, JSON, JUnit"
    )
    command.add_argument("--sign", type=Path, metavar="KEY", help="sign the evidence: OpenSSH or minisign secret key")
    command.add_argument("--json", action="store_true", help="events as JSON lines on standard output")
    command.set_defaults(work=work)


def work(options: argparse.Namespace) -> int:
    """Run it; the exit code is that of the failures' class."""
    if options.forks < 1:
        raise UsageError("--forks must be at least 1")
    if options.sign is not None and options.evidence is None:
        raise UsageError("--sign signs the evidence: give --evidence DIR too")
    if options.evidence is not None and options.check:
        raise UsageError("--evidence cannot be combined with --check: a check run changes nothing to report")
    playbook = playbook_named(options.playbook)
    vault = wiring.vault_password(options.vault_password_file)
    inventory = wiring.inventory_at(options.inventory, options.vault_password_file)
    settings = Options(
        check=options.check,
        limit=options.limit,
        selection=Selection(_words(options.tags), _words(options.skip_tags)),
        forks=options.forks,
        extra=extra_vars(options.extra_vars, vault),
        deadline=_duration(options.deadline),
        runs=wiring.runs_folder(options.runs),
        version=version("sitekeeper"),
        by=wiring.person(),
    )
    if options.json:
        return _finish(wiring.run_playbook(playbook, inventory, settings, vault, JsonLines(sys.stdout)), options)
    console = Console(sys.stdout, diff=options.diff or options.check)
    try:
        return _finish(wiring.run_playbook(playbook, inventory, settings, vault, console), options)
    finally:
        console.close()


def playbook_named(given: str) -> Path:
    """The file of a playbook: a path, or the bare name of one that comes with sitekeeper.

    Raises:
        UsageError: a bare name that is neither a file nor a playbook that comes with sitekeeper.

    """
    file = Path(given)
    if file.exists() or file.suffix or len(file.parts) != 1:
        return file  # where it does not exist, its reader says so
    shipped = {one.stem: one for one in Path(str(files("sitekeeper").joinpath("playbooks"))).glob("*.yml")}
    if given in shipped:
        return shipped[given]
    raise UsageError(
        f"there is no playbook {given}",
        hint=f"give a file, or one of the playbooks that come with sitekeeper: {', '.join(sorted(shipped))}",
    )


def _finish(outcome: RunOutcome, options: argparse.Namespace) -> int:
    for error in outcome.errors:
        print(error.render(), file=sys.stderr)
    if options.evidence is not None:
        folder = wiring.runs_folder(options.runs) / outcome.run_id
        try:
            files = evidence.write(evidence.of_run(folder), options.evidence, options.sign)
        except SitekeeperError as error:
            # A run that went wrong says so first; one that went well is not worth what was asked for without its evidence.
            print(error.render(), file=sys.stderr)
            return outcome.exit_code or error.exit_code
        if not options.json:
            print("\n".join(f"evidence: {file}" for file in files))
    return outcome.exit_code


def _duration(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--deadline: {error}") from None


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def extra_vars(given: list[str], vault: secrets.Secret | None = None) -> dict[str, Any]:
    """``name=value`` (a text), JSON, or ``@file`` with YAML. Passwords among them become secrets.

    Raises:
        UsageError: it is none of these.

    """
    values: dict[str, Any] = {}
    for one in given:
        if one.startswith("@"):
            document = yaml_file.load(Path(one[1:]), vault_password=vault)
            found = _hidden(document) if document.hidden else document.value
        elif one.lstrip().startswith("{"):
            try:
                found = json.loads(one)
            except ValueError as error:
                raise UsageError(f"-e is not JSON: {error}") from None
        else:
            name, equals, value = one.partition("=")
            if not equals or not name.strip().isidentifier():
                raise UsageError(f"-e takes NAME=VALUE, not {one!r}")
            found = {name.strip(): value}
        if not isinstance(found, dict):
            raise UsageError("-e must give a mapping of variables")
        values.update(found)
    for name, value in values.items():
        if secrets.named(name, value) and not isinstance(value, secrets.Secret):
            values[name] = secrets.inline(str(value), f"-e {name}")
    return values


def _hidden(document: yaml_file.Document) -> Any:
    if not isinstance(document.value, dict):
        return document.value
    return {name: document.secret(document.value[name], name) for name in document.value}
