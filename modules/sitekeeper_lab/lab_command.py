"""``sitekeeper lab up|status|fault|operate|exchange|down``: a simulated hierarchy on loopback, to try, rehearse and test against."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


class LabError(Exception):
    """What went wrong, for people; ``sitekeeper`` prints message and hint, and ends with ``exit_code``."""

    word = "usage"
    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class LabUnreachableError(LabError):
    """No lab answers."""

    word = "unreachable"
    exit_code = 5


class LabRejectedError(LabError):
    """Sites reject each other's data."""

    word = "integrity"
    exit_code = 10


_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
FAILED_CODE = 70
"""What the lab's process ends with when the lab has failed: a bug of the lab (EX_SOFTWARE)."""
_SHOWN = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    add_verbs(commands.add_parser("lab", help="a simulated hierarchy on loopback"))


def add_verbs(command: argparse.ArgumentParser) -> None:
    """Declare what the lab can be asked to do; each verb sets ``work``, which takes the options and returns an exit code."""
    actions = command.add_subparsers(dest="action", required=True)
    action = actions.add_parser("up", help="start it and return when it listens")
    action.add_argument(
        "hierarchy", nargs="?", type=Path, help="its description (default: inventory/lab/hierarchy.yml)"
    )
    _engine(action)
    _common(action, up)
    _common(actions.add_parser("status", help="its hosts, addresses and services"), status)
    _common(actions.add_parser("down", help="stop it"), down)
    action = actions.add_parser("serve", help="run it in the foreground")
    action.add_argument("hierarchy", type=Path)
    _engine(action)
    _common(action, serve)
    action = actions.add_parser("fault", help="make something go wrong: fault HOST NAME [KEY=VALUE ...]")
    action.add_argument("host")
    action.add_argument("name")
    action.add_argument("arguments", nargs="*", metavar="KEY=VALUE")
    _common(action, fault)
    action = actions.add_parser(
        "operate", help="do what people do on a site server: operate HOST wreck|install|allow_setup|repair|reset"
    )
    action.add_argument("host")
    action.add_argument("deed")
    action.add_argument("arguments", nargs="*", metavar="KEY=VALUE", help="repair: folder=D:\\...\\PR1Backup")
    _common(action, operate)
    _common(actions.add_parser("exchange", help="let all sites send to each other once"), exchange)


def _engine(action: argparse.ArgumentParser) -> None:
    action.add_argument("--pwsh", type=Path, help="a real PowerShell (7.4 or newer) that runs what clients send")


def _common(action: argparse.ArgumentParser, work: Any) -> None:
    action.add_argument("--state", type=Path, default=Path(".lab"), help="folder of its state (default .lab)")
    action.add_argument("--json", action="store_true")
    action.set_defaults(work=work)


def default_hierarchy() -> Path:
    """The hierarchy that comes with the lab."""
    return Path(__file__).with_name("hierarchy.yml").resolve()


def up(options: argparse.Namespace) -> int:
    """Start the lab in a process of its own."""
    state: Path = options.state.absolute()
    if _alive(state):
        raise LabError(f"a lab is running in {state} already", hint="sitekeeper lab down")
    hierarchy = (options.hierarchy or default_hierarchy()).absolute()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("control.json", "failed.json"):
        (state / name).unlink(missing_ok=True)
    log = (state / "lab.log").open("ab")
    real = () if options.pwsh is None else ("--pwsh", str(options.pwsh.absolute()))
    child = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "sitekeeper_lab", "serve", str(hierarchy), "--state", str(state), *real],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    log.close()
    until = time.monotonic() + _START_SECONDS
    while not (state / "ready.json").is_file() or not _alive(state):
        if child.poll() is not None:
            tail = (state / "lab.log").read_text(errors="replace").strip().splitlines()[-3:]
            raise LabError(f"the lab did not start: {' / '.join(tail)}", hint=f"see {state / 'lab.log'}")
        if time.monotonic() > until:
            child.terminate()
            raise LabUnreachableError(
                f"the lab did not listen within {_START_SECONDS:.0f} s", hint=f"see {state / 'lab.log'}"
            )
        time.sleep(0.05)
    return status(options)


def serve(options: argparse.Namespace) -> int:
    """Serve until asked to stop."""
    from sitekeeper_lab.failing import LabFailedError  # noqa: PLC0415 - as below
    from sitekeeper_lab.server import Lab  # noqa: PLC0415 - a second's import, which only this verb needs
    from sitekeeper_lab.server import serve as serve_lab  # noqa: PLC0415

    state: Path = options.state.absolute()
    ready = state / "ready.json"
    ready.unlink(missing_ok=True)

    def listening(_lab: Lab) -> None:
        ready.write_text(json.dumps({"pid": os.getpid()}))

    try:
        serve_lab(options.hierarchy, state, listening, pwsh=options.pwsh)
    except LabFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED_CODE
    finally:
        ready.unlink(missing_ok=True)
    return 0


def status(options: argparse.Namespace) -> int:
    """Hosts with their addresses, and the state of their site's services."""
    state: Path = options.state.absolute()
    answer = _ask(state, "GET", "/state")
    if options.json:
        print(json.dumps(answer | {"inventory": str(state / "hosts.yml")}, indent=1))
        return 0
    rows = [
        {
            "host": name,
            "address": about["address"],
            "winrm": about["http_port"],
            "sql": about["sql_port"],
            "services": ", ".join(f"{key} {about['services'][key]}" for key in _SHOWN if key in about["services"]),
            "shadow_copies": len(about["shadow_copies"]),
        }
        for name, about in answer["hosts"].items()
    ]
    _print_table(rows)
    print(f"inventory: {state / 'hosts.yml'}")
    return 0


def _print_table(rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0]) if rows else ["no hosts"]
    cells = [[column.replace("_", " ") for column in columns]]
    cells += [["" if row[column] is None else str(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def down(options: argparse.Namespace) -> int:
    """Stop it, and wait until it is gone."""
    state: Path = options.state.absolute()
    pid = _pid(state)
    _ask(state, "POST", "/stop")
    until = time.monotonic() + _STOP_SECONDS
    while _exists(pid):
        if time.monotonic() > until:
            raise LabUnreachableError(f"the lab (process {pid}) did not stop within {_STOP_SECONDS:.0f} s")
        time.sleep(0.05)
    print("stopped")
    return 0


def fault(options: argparse.Namespace) -> int:
    """Ask for a fault by name."""
    arguments = dict(one.partition("=")[::2] for one in options.arguments)
    body: dict[str, Any] = {"host": options.host, "name": options.name}
    for key, value in arguments.items():
        body[key] = float(value) if value.replace(".", "", 1).isdigit() else value
    _ask(options.state.absolute(), "POST", "/fault", body)
    return 0


def operate(options: argparse.Namespace) -> int:
    """Do something on a site server: wreck it, install it anew, run the Site Repair Wizard or the site reset."""
    body = dict(one.partition("=")[::2] for one in options.arguments)
    _ask(options.state.absolute(), "POST", "/operate", body | {"host": options.host, "deed": options.deed})
    return 0


def exchange(options: argparse.Namespace) -> int:
    """Sites send to their parents and children; what those reject is told, and fails."""
    rejected = _ask(options.state.absolute(), "POST", "/exchange")["rejected"]
    if options.json:
        print(json.dumps(rejected))
    else:
        print("\n".join(rejected) or "nothing was rejected")
    return LabRejectedError.exit_code if rejected else 0


def _ask(state: Path, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        url = json.loads((state / "control.json").read_text())["url"]
        request = urllib.request.Request(url + path, method=method, data=json.dumps(body).encode() if body else None)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # the lab's own address
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as error:
        _refuse_failed(state)
        raise LabError(f"the lab refused: {error.read().decode(errors='replace')}") from None
    except (OSError, ValueError, KeyError):
        _refuse_failed(state)
        raise LabUnreachableError(f"no lab is running in {state}", hint="sitekeeper lab up") from None


def _refuse_failed(state: Path) -> None:
    """Say what ended the lab, where it did not end by itself."""
    try:
        failed = str(json.loads((state / "failed.json").read_text("utf-8"))["failed"])
    except (OSError, ValueError, KeyError):
        return
    raise LabUnreachableError(
        failed, hint=f"its traceback is in {state / 'lab.log'}; `sitekeeper lab up` starts it again"
    )


def _alive(state: Path) -> bool:
    try:
        _ask(state, "GET", "/state")
    except LabUnreachableError:
        return False
    return True


def _pid(state: Path) -> int:
    try:
        return int(json.loads((state / "ready.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        _refuse_failed(state)
        raise LabUnreachableError(f"no lab is running in {state}", hint="sitekeeper lab up") from None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
