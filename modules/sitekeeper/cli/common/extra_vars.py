"""The option ``-e``."""

from __future__ import annotations

import argparse


def add_extra_vars(command: argparse.ArgumentParser, text: str) -> None:
    """Declare ``-e NAME=VALUE`` and ``-e @FILE``, which may be given several times."""
    command.add_argument("-e", "--extra-vars", action="append", default=[], metavar="NAME=VALUE|@FILE", help=text)
