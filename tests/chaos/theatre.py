"""Where the faults are tried: a small lab with monitoring, a store with an earlier set, and runs of ours in this process."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.cli.main import main
from sitekeeper.transport.psrp import shell
from sitekeeper.transport.psrp.connection import PsrpTarget, wsman_of
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.windows.services import ServiceControl

from .aftermath import Aftermath
from .strikes import Hours, Listening, Strike, Told, lab_time

ROOT = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 1
"""How long a run waits for an answer in these tests: a host that never answers would cost minutes at each step."""
GUARD_MINUTES = 15
LEAK_MINUTES = 6 * 60
MAINTENANCE_MINUTES = 45


@dataclass(slots=True)
class Night:
    """What a run came to."""

    code: int
    events: list[dict[str, Any]]
    struck: bool
    seconds: float
    """Lab time that it took."""
    after: int
    """Line of the audit log before it."""
    wrong: list[str] = field(default_factory=list)

    @property
    def error(self) -> str:
        """The rendered error of the site."""
        ended = [one for one in self.events if one["event"] == "HostEnded"]
        return str(ended[-1]["error"]) if ended else ""

    @property
    def word(self) -> str:
        """The class of the site's failure, or nothing."""
        return self.error.partition("[")[2].partition("]")[0]


class Theatre:
    """A site in a lab."""

    def __init__(self, root: Path, site: str = "PR2", change: Callable[[dict[str, Any]], None] | None = None) -> None:
        data = hosts_of_the_lab(site, "OPS1", size=0.1)
        if change is not None:
            change(data)
        root.mkdir(mode=0o700, parents=True)
        self.root = root
        self.site = site
        self.store = root / "store"
        self.runs = root / "runs"
        self.lab = Lab(Hierarchy.model_validate(data), root / "lab")
        self.lab.start()
        self.aftermath = Aftermath(self.lab, self.store)
        self.earlier: dict[Path, str] = {}

    def open(self) -> None:
        """Make the earlier set."""
        night = self.night()
        assert night.code == 0, night.error
        self.lab.advance(120)
        self.earlier = self.aftermath.contents()

    def close(self) -> None:
        self.lab.stop()

    @property
    def inventory(self) -> Path:
        return self.lab.folder / "hosts.yml"

    def night(self, strike: Strike | None = None, *extra: str, hours: bool = False, impatient: bool = False) -> Night:
        """A backup, struck by a fault; ``hours``: time flies meanwhile; ``impatient``: it waits a second for an answer."""
        after = self.lab.audit.write("night", self.site)
        told, begun = Told(strike), self.lab.clock.monotonic()
        flying = Hours(self.lab) if hours else None
        with contextlib.ExitStack() as stack:
            stack.enter_context(lab_time(self.lab))
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            stack.enter_context(contextlib.redirect_stdout(told))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            stack.enter_context(Listening(self.lab, told.heard))
            if impatient:
                patch.setattr(shell, "wsman_of", _impatient)
                patch.setattr(shell, "RECONNECT_SECONDS", 2.0 * ANSWER_SECONDS)
                patch.setattr(shell, "OPEN_ATTEMPTS", 1)
                extra = (*extra, "-e", f"ansible_psrp_operation_timeout={ANSWER_SECONDS}")
            if flying is not None:
                stack.enter_context(Listening(self.lab, flying.heard))
                flying.start()
            try:
                code = main(
                    [
                        "run",
                        str(ROOT / "playbooks/backup.yml"),
                        "-i",
                        str(self.inventory),
                        "-e",
                        f"store={self.store}",
                        "-e",
                        "settle=0.1s",
                        "--runs",
                        str(self.runs),
                        "--json",
                        *extra,
                    ]
                )
            finally:
                if flying is not None:
                    flying.stop()
        if told.wrong is not None:
            raise told.wrong
        return Night(code, told.events, told.struck, self.lab.clock.monotonic() - begun, after)

    def again(self, command: str, run: str) -> tuple[int, list[str]]:
        """``resume`` or ``rollback`` a run: its exit code, and what it says of hosts and tasks that failed."""
        told = io.StringIO()
        with lab_time(self.lab), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            code = main([command, run, "--runs", str(self.runs), "--json"])
        return code, [line for line in told.getvalue().splitlines() if '"error": ""' not in line and "error" in line]

    def newest_run(self) -> str:
        return max(one.name for one in self.runs.iterdir())

    def repair(self) -> None:
        """Whatever the fault was, it is over."""
        self.lab.clear_faults()
        for name, machine in self.lab.machines.items():
            host = machine.host
            if machine.sql is not None and host.machine.services["MSSQLSERVER"].state != "Running":
                self.lab.fault(name, "sql_starts")
            self.lab.fault(name, "clock_set", seconds=0)
            for service in host.machine.services.values():
                if service.state.endswith("Pending"):
                    ServiceControl(host).restart(service.name)

    def forget(self) -> None:
        """Begin the next night as if nothing had been: without new sets, journals, and what an administrator has read."""
        for one in self.aftermath.sets():
            if one / "manifest.json" not in self.earlier:
                shutil.rmtree(one)
        shutil.rmtree(self.runs, ignore_errors=True)
        for machine in self.lab.machines.values():
            with machine.host.lock:
                machine.host.machine.events.clear()
                for writer in machine.host.machine.writers:
                    writer.state, writer.error = 1, "No error"
                machine.host.save()

    def fill_store(self) -> None:
        """Leave no byte free in the store."""
        raise NotImplementedError

    def unmount_store(self) -> None:
        """Take the store's file system away from under its folder."""
        raise NotImplementedError

    def mount_store(self) -> None:
        """Bring it back, if it is away."""

    def wait_until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Real time, for what the lab does by itself a moment later."""
        until = time.monotonic() + seconds
        while not holds() and time.monotonic() < until:
            time.sleep(0.05)


class StoreOfItsOwn(Theatre):
    """The store is a small file system that can be full, and be unmounted."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._disk = root / "disk"
        for folder in (self._disk, self.store):
            folder.mkdir(mode=0o755)  # as mkdir makes a mount point
        _mount("-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs", str(self._disk))
        _mount("--bind", str(self._disk), str(self.store))

    def close(self) -> None:
        super().close()
        for folder in (self.store, self._disk):
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)

    def fill_store(self) -> None:
        with (self._disk / "filling").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)

    def unmount_store(self) -> None:
        subprocess.run(["umount", "-l", str(self.store)], check=True)

    def mount_store(self) -> None:
        if not self.store.is_mount():
            self.store.chmod(0o755)
            _mount("--bind", str(self._disk), str(self.store))

    def repair(self) -> None:
        super().repair()
        (self._disk / "filling").unlink(missing_ok=True)
        self.mount_store()


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0 or subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")


def _impatient(target: PsrpTarget) -> Any:
    return wsman_of(replace(target, read_timeout=ANSWER_SECONDS + 1))
