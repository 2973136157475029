"""``sitekeeper``: the command line. One file a command; this one only joins them and turns errors into exit codes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from sitekeeper.cli import again, backups, doctor, evidence, inventory, jea, lab, modules, run, runs
from sitekeeper.engine.bugs import frames_of
from sitekeeper.engine.errors import RunInterruptedError, SitekeeperError

COMMANDS = (run, again, inventory, backups, runs, evidence, modules, doctor, jea, lab)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="sitekeeper",
        description="Backs up, verifies and restores Microsoft Configuration Manager sites from Linux.",
        epilog="Exit codes: 0 all well; 1 as the playbook asked, 2 usage, 3 inventory, 4 secret, 5 unreachable, 6 auth, "
        "7 remote, 8 sql, 9 space, 10 integrity, 11 preflight, 12 limit, 13 undo, 14 interrupted, 20 partial failure, 70 a bug.",
    )
    root.add_argument("--version", action="version", version=f"sitekeeper {version('sitekeeper')}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    options = parser().parse_args(arguments)
    try:
        code = int(options.work(options))
        _flush()
    except SitekeeperError as error:
        if getattr(options, "json", False):
            origin = str(error.origin) if error.origin else None
            print(
                json.dumps(
                    {
                        "error": error.word,
                        "message": error.message,
                        "host": error.host,
                        "origin": origin,
                        "hint": error.hint,
                    }
                )
            )
        else:
            print(error.render(), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        _nobody_reads()
        return 0
    except KeyboardInterrupt:
        return RunInterruptedError.exit_code
    except Exception as error:  # noqa: BLE001 - a bug: told without its values, which may be secret
        print(f"error[internal]: a bug in sitekeeper; please report it:\n{frames_of(error)}", file=sys.stderr)
        return SitekeeperError.exit_code
    else:
        return code


def _flush() -> None:
    """What is still buffered, for a reader that may have gone away: how the command ended does not depend on it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _nobody_reads()


def _nobody_reads() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
