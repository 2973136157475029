"""The command line. One file a command; this one only joins them and turns errors into exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version

from sitekeeper.cli import doctor, evidence, inventory, jea, modules, resume, rollback, run, runs
from sitekeeper.cli.backups import command as backups
from sitekeeper.cli.common import other_commands, output
from sitekeeper.engine.bugs import frames_of
from sitekeeper.engine.errors import RunInterruptedError, SitekeeperError, UsageError

COMMANDS = (run, resume, rollback, inventory, backups, runs, evidence, modules, doctor, jea, other_commands)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="sitekeeper",
        description="Backs up, verifies and restores Microsoft Configuration Manager sites from Linux.",
        epilog="Exit codes: 0 success; 1 as the playbook asked, 2 usage, 3 inventory, 4 secret, 5 unreachable, 6 auth, "
        "7 remote, 8 sql, 9 space, 10 integrity, 11 preflight, 12 limit, 13 undo, 14 interrupted, 20 partial failure, 70 a bug.",
    )
    root.add_argument("--version", action="version", version=f"sitekeeper {version('sitekeeper')}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return root


def program(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    output.open_output()
    options = parser().parse_args(arguments)
    try:
        _names_are_utf8()
        code = int(options.work(options))
    except SitekeeperError as error:
        return _report_error(error, as_json=getattr(options, "json", False))
    except BrokenPipeError:
        output.nobody_reads()
        return 0
    except KeyboardInterrupt:
        output.complain("interrupted")
        return RunInterruptedError.exit_code
    except Exception as error:  # noqa: BLE001 - a bug: told without its values, which may be secret
        if isinstance(error, other_commands.ForeignError):
            return _report_error(_of_another(error), as_json=getattr(options, "json", False))
        output.complain(f"error[internal]: a bug in sitekeeper; please report it:\n{frames_of(error)}")
        return SitekeeperError.exit_code
    unwritten = output.problem()
    if unwritten is not None:
        output.complain(unwritten.render())
        return code or unwritten.exit_code
    return code


def _of_another(error: other_commands.ForeignError) -> SitekeeperError:
    """An error of another distribution's command as one of ours, with its own word and exit code."""
    ours = SitekeeperError(str(error), hint=error.hint)
    ours.word, ours.exit_code = error.word, error.exit_code  # type: ignore[misc]  # of this error alone
    return ours


def _report_error(error: SitekeeperError, *, as_json: bool) -> int:
    if not as_json:
        output.complain(error.render())
        return error.exit_code
    origin = str(error.origin) if error.origin else None
    about = {
        "error": error.word,
        "message": error.message,
        "host": error.host,
        "origin": origin,
        "hint": error.hint,
    }
    print(json.dumps(about))
    if output.problem() is not None:
        output.complain(error.render())
    return error.exit_code


def _names_are_utf8() -> None:
    """Refuse a locale in which the names of files are written otherwise: a store's would not be found, and sound sets be called damaged.

    Raises:
        UsageError: this is one.

    """
    encoding = sys.getfilesystemencoding()
    if encoding.replace("-", "").lower() != "utf8":
        raise UsageError(
            f"the locale's encoding is {encoding} here, and a store's are in UTF-8",
            hint="run with LC_ALL=C.UTF-8, or with PYTHONUTF8=1",
        )
