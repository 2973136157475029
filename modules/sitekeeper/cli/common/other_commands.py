"""Commands of other distributions, found by the entry point ``sitekeeper.commands``: the lab is one."""

from __future__ import annotations

import argparse
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from sitekeeper.engine.errors import UsageError

GROUP = "sitekeeper.commands"
"""Each entry is a function ``add_to(commands)`` that declares a command and sets ``work``, as those here do."""
LAB = "lab"


@runtime_checkable
class ForeignError(Protocol):
    """What such a command may raise: an exception with a word, an exit code and a hint. Any other exception is a bug."""

    word: str
    exit_code: int
    hint: str


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare them all; the lab's command exists without the lab, and says how to get it."""
    entries = entry_points(group=GROUP)
    for entry in entries:
        entry.load()(commands)
    if LAB not in entries.names:
        command = commands.add_parser(LAB, help="a simulated hierarchy on loopback (not installed)")
        command.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
        command.set_defaults(work=refuse_without_lab)


def refuse_without_lab(_options: argparse.Namespace) -> int:
    """Say how to get the lab.

    Raises:
        UsageError: always.

    """
    raise UsageError(
        "the lab is not installed: it is a distribution of its own",
        hint="in a checkout of sitekeeper: pip install ./modules/sitekeeper_lab",
    )
