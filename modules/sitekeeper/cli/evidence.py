"""``sitekeeper evidence RUN``: what a run proved, as HTML, JSON and JUnit, signed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sitekeeper.cli.common import wiring
from sitekeeper.engine.errors import UsageError
from sitekeeper.report import evidence


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("evidence", help="what a run proved, as HTML, JSON and JUnit, signed")
    command.add_argument("run", help="run id, or `last`")
    command.add_argument("--out", required=True, type=Path, help="folder to write to")
    command.add_argument("--sign", type=Path, metavar="KEY", help="OpenSSH or minisign secret key")
    command.add_argument("--runs", help="folder of the journals")
    command.add_argument("--json", action="store_true")
    command.set_defaults(work=work)


def work(options: argparse.Namespace) -> int:
    """Write the files and name them; the exit code is 0 whether the run passed or not."""
    root = wiring.runs_folder(options.runs)
    name = options.run
    if name == "last":
        ended = [folder.name for folder in wiring.runs_in(root)]
        if not ended:
            raise UsageError(f"no runs in {root}")
        name = max(ended)
    files = evidence.write(evidence.of_run(root / name), options.out, options.sign)
    if options.json:
        print(json.dumps([str(file) for file in files]))
    else:
        print("\n".join(str(file) for file in files))
    return 0
