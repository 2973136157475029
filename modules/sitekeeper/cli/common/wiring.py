"""The one place where engine, transport, areas and reports are joined."""

from __future__ import annotations

import getpass
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from threading import Event
from types import FrameType
from typing import Any

from sitekeeper.engine import events, secrets
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import RunInterruptedError, UsageError
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.inventory.inventory_reader import load as load_inventory
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.open_run import OpenRun
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.run import resume
from sitekeeper.engine.run.outcome import RunOutcome
from sitekeeper.engine.run.rollback import Rollback
from sitekeeper.engine.run.run import Options, Run
from sitekeeper.engine.session import Connector, Context
from sitekeeper.transport.context import HostConnector, check_secret


def vault_password(file: str | None) -> secrets.Secret | None:
    """The vault password from a file, or from SITEKEEPER_VAULT_PASSWORD."""
    if file:
        return secrets.from_file(file)
    return secrets.from_env("SITEKEEPER_VAULT_PASSWORD") if "SITEKEEPER_VAULT_PASSWORD" in os.environ else None


def inventory_at(path: str, vault_file: str | None) -> Inventory:
    """Read an inventory."""
    return load_inventory(Path(path), vault_password(vault_file))


def runs_folder(given: str | None) -> Path:
    """Where journals are: --runs, SITEKEEPER_RUNS, or the user's state folder."""
    if given or os.environ.get("SITEKEEPER_RUNS"):
        return Path(given or os.environ["SITEKEEPER_RUNS"]).absolute()
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "sitekeeper" / "runs"


def runs_in(root: Path) -> list[Path]:
    """Folders of the runs that have a journal, the oldest first; none where no run was made yet.

    Raises:
        UsageError: it is no folder, or cannot be read.

    """
    try:
        return sorted(folder for folder in root.iterdir() if _is_run(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read the journals in {root}: {error.strerror}", hint="see --runs") from None


def _is_run(folder: Path) -> bool:
    """Whether it holds a journal; one that cannot be looked into is told as a run that cannot be read."""
    try:
        return (folder / "journal.db").is_file()
    except PermissionError:
        return True


def run_playbook(
    file: Path,
    inventory: Inventory,
    options: Options,
    vault: secrets.Secret | None,
    *listeners: events.Listener,
    again: OpenRun | None = None,
) -> RunOutcome:
    """Run a playbook, or go on with a run; a first Ctrl-C, SIGTERM or lost terminal stops it cleanly, a second leaves at once.

    Raises:
        SitekeeperError: it cannot be started.

    """
    clock = SystemClock()

    def connect(run_id: str, stop: Event) -> Connector:
        return HostConnector(
            inventory, clock, run_id=run_id, owner=owner(), check=options.check, stop=stop, extra=options.extra
        )

    run = Run(playbook_reader.load(file, vault), inventory, connect, options, listeners, clock, again=again)
    with _stopping(run):
        return run.run()


def roll_back(run: OpenRun, inventory: Inventory, forks: int, listener: events.Listener) -> RunOutcome:
    """Take back what a run left behind."""
    clock = SystemClock()
    connector = HostConnector(
        inventory, clock, run_id=run.run_id, owner=owner(), check=False, stop=Event(), extra=dict(run.head.extra)
    )
    journal = Journal(run.folder, again=True)
    try:
        return Rollback(run, journal, connector, (listener,), clock, forks).run()
    finally:
        journal.close()


@contextmanager
def looking_at(inventory: Inventory, host: str) -> Iterator[Context]:
    """A host's context for reading; nothing can be changed through it."""
    connector = HostConnector(
        inventory, SystemClock(), run_id="look", owner=owner(), check=True, stop=Event(), extra={}
    )
    opened = connector.open(host, lambda *_: None)
    try:
        yield opened.context
    finally:
        opened.close()


def variables_of(inventory: Inventory, host: str) -> dict[str, Any]:
    """A host's variables with their templates filled in; nothing is contacted."""
    connector = HostConnector(
        inventory, SystemClock(), run_id="look", owner=owner(), check=True, stop=Event(), extra={}
    )
    return connector.variables(host)


def operator() -> str:
    """Who sits here."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def owner() -> str:
    """Who holds a lease: this process, and no later one of the same run."""
    return f"{person()}:{os.getpid()}:{token_hex(4)}"


def person() -> str:
    """Who runs us, and where."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def find_secrets(run: OpenRun, inventory: Inventory) -> None:
    """Say which secrets are missing, all of them, before anything is begun."""
    resume.secrets_at_hand(run, inventory, check_secret)


@contextmanager
def _stopping(run: Run) -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        # A terminal hangs up more than once: the shell tells its jobs, and the kernel tells them again when the shell is gone.
        if number == signal.SIGHUP or not run.stop.is_set():
            first = not run.stop.is_set()
            run.interrupt()
            if first and os.isatty(2):
                _say(2, "stopping: undoing open changes, this may take a while; a second Ctrl-C leaves at once\n")
            return
        run.leave()
        if os.isatty(1):
            _say(1, "\x1b[?25h")  # the cursor, which a live display has hidden
        _say(
            2,
            "left at once: a guarded site starts its services by itself once its guard times out; other open changes "
            f"stay until `sitekeeper rollback {run.run_id}` or `sitekeeper resume {run.run_id}`\n",
        )
        os._exit(RunInterruptedError.exit_code)

    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to go on without a terminal
        heeded.append(signal.SIGHUP)
    before: Mapping[int, Any] = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(output: int, text: str) -> None:
    """From a signal handler: past every buffer and lock, which the code that was interrupted may hold."""
    with suppress(OSError):  # the terminal may be gone
        os.write(output, text.encode())
