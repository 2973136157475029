"""One lab host: its state on disk, its locks, and the one way to change it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sitekeeper_lab.audit import Audit
from sitekeeper_lab.clock import AtOnce, LabClock, Timers
from sitekeeper_lab.failing import Failed, unhandled
from sitekeeper_lab.faults import Faults
from sitekeeper_lab.opsmgr import group as opsmgr
from sitekeeper_lab.state import MACHINE
from sitekeeper_lab.windows.files import HostFiles
from sitekeeper_lab.windows.model import Event, Machine, Metadata, Volume
from sitekeeper_lab.windows.registry import Registry

if TYPE_CHECKING:
    from sitekeeper_lab.windows.native.answer import Answer

ADMINISTRATORS_ONLY = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
INHERITED = "D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;0x1200a9;;;BU)"

_RECOUNT_SECONDS = 5


class DiskFull(OSError):  # noqa: N818  # what happened, in the field's words
    """There is not enough space on the disk."""


class Rebooted(Exception):  # noqa: N818  # what happened: the program that ran on the host ended with it
    """The host rebooted under a running program."""


class Killed(Exception):  # noqa: N818  # what happened
    """Somebody ended a running program; it wrote down nothing of its own."""


class FrozenDatabase(Protocol):
    """What a shadow copy with the SQL writer needs of a running database."""

    @property
    def name(self) -> str:
        """The database's name."""

    def freeze(self) -> None:
        """Hold every change until ``thaw``."""

    def thaw(self) -> None:
        """Let changes go on."""


class Host:
    """A host in this process. Every change goes through :meth:`change`, which writes it down before it returns.

    ``io_lock`` holds all writes of files and databases ("flush and hold"); ``lock`` guards the machine's data. Where
    both are needed, ``io_lock`` comes first.
    """

    def __init__(
        self,
        folder: Path,
        machine: Machine,
        *,
        clock: LabClock | None = None,
        audit: Audit | None = None,
        timers: Timers | None = None,
        failed: Failed = unhandled,
    ) -> None:
        self.folder = folder
        self.machine = machine
        self.clock = clock or LabClock()
        self.audit = audit or Audit(None, self.clock)
        self.timers: Timers = timers or AtOnce()
        self.failed = failed
        """Told what a thread of this host was not made for: the lab ends of it."""
        self.faults = Faults()
        self.asked_at = time.monotonic()
        """When somebody last asked something of it, or it was started: it lives fast for a while then."""
        self.ahead = timedelta()
        """By how much its clock is ahead of the lab's."""
        self.lock = threading.RLock()
        self.io_lock = threading.RLock()
        self.registry = Registry(folder / "registry.json")
        self.files = HostFiles(folder, machine)
        self._locked: dict[str, int] = {}
        self._counted: dict[str, tuple[float, int]] = {}
        self.databases: list[FrozenDatabase] = []
        self.management: opsmgr.ManagementGroup | None = None
        """The management group of Operations Manager whose server this host is."""
        if (folder / opsmgr.FILE).exists():
            self.management = opsmgr.ManagementGroup(folder, machine.name, self.clock, self.audit)
        self.on_agent_request: list[Callable[[int, str], None]] = []
        """Called with (minutes, comment) when the host's monitoring agent was asked for maintenance mode."""
        self.programs: dict[str, Callable[[str, Sequence[str]], Answer]] = {}
        """What programs that are no tools of Windows do here, by file name: called with their path and their arguments."""
        self.on_service: list[Callable[[str, str], None]] = []
        """Called with (service, new state) after each change of a service."""
        self.on_reboot: list[Callable[[], None]] = []
        """Called when the host has rebooted: what was connected to it is cut off."""
        self.on_written: list[Callable[[str], None]] = []
        """Called with a volume's id after bytes were counted against its diff area."""

    @classmethod
    def load(cls, folder: Path, **parts: Any) -> Host:
        """A host from its folder; ``parts`` as for the constructor."""
        return cls(folder, MACHINE.validate_json((folder / "state.json").read_bytes()), **parts)

    @property
    def name(self) -> str:
        """The NetBIOS name."""
        return self.machine.name

    def now(self) -> datetime:
        """The host's clock, UTC."""
        return self.clock.now() + self.ahead

    def change(self, kind: str, what: str, before: Any = None, after: Any = None) -> None:
        """Write the state down and note the change in the audit log. Called with ``lock`` held, after the change."""
        self.save()
        self.audit.write("change", self.name, kind=kind, what=what, **{"from": before, "to": after})

    def save(self) -> None:
        """Write ``state.json``, atomically."""
        with self.lock:
            part = self.folder / "state.json.part"
            part.write_bytes(MACHINE.dump_json(self.machine))
            part.replace(self.folder / "state.json")

    def new_pid(self) -> int:
        """A process id that was not used since the host was made; a multiple of four, as they are."""
        self.machine.next_pid += 4 * (3 + self.machine.next_pid % 7)
        return self.machine.next_pid

    def log_event(self, log: str, source: str, code: int, kind: int, message: str, *inserts: str) -> None:
        """Add a record to an event log."""
        with self.lock:
            number = self.machine.next_event
            self.machine.next_event += 1
            self.machine.events.append(
                Event(number, log, source, code, kind, self.now().isoformat(), message, list(inserts))
            )
            self.change("event", f"{log} {source} {code}")

    def metadata(self, path: str) -> Metadata | None:
        """The lab's notes on a live file."""
        return self.machine.metadata.get(path.lower())

    # Files. Paths are Windows paths; a write is a new file in the old one's place, so that a shadow copy may link.

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        return self.files.resolve(path).read_bytes()

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        try:
            return self.files.resolve(path).exists()
        except FileNotFoundError:
            return False

    def write(self, path: str, data: bytes) -> None:
        """Write a whole file.

        Raises:
            DiskFull: the fault of that name is on.
            OSError: as of a real disk.

        """
        if path[1:2] == ":" and self.faults.take("disk_full", volume=path[:2]):
            raise DiskFull(28, "There is not enough space on the disk.", path)
        with self.io_lock:
            real = self.files.resolve(path)
            part = real.with_name(real.name + ".part~")
            part.write_bytes(data)
            part.replace(real)
            self.wrote(path, len(data))
        self.audit.write("change", self.name, kind="file", what=path, to=data)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        with self.io_lock:
            real = self.files.resolve(path)
            if not real.is_dir():
                real.mkdir(parents=True)
                self.audit.write("change", self.name, kind="folder", what=path, to="made")

    def delete_file(self, path: str) -> None:
        """Delete a file; none there is fine, as with File.Delete."""
        with self.io_lock:
            real = self.files.resolve(path)
            if os.path.lexists(real):
                real.unlink()
                self.audit.write("change", self.name, kind="file", what=path, to="deleted")

    def delete_folder(self, path: str) -> None:
        """Delete an empty folder, or the link of a reparse point.

        Raises:
            OSError: it is not empty.

        """
        with self.io_lock:
            real = self.files.resolve(path)
            if real.is_symlink():
                real.unlink()
            else:
                real.rmdir()
            self.machine.acls.pop(path.lower(), None)
            self.audit.write("change", self.name, kind="folder", what=path, to="deleted")

    def lock_file(self, path: str) -> bool:
        """Open (or make) a file that nobody else may open until ``unlock_file``; False when somebody has it."""
        with self.io_lock, self.lock:
            opened = os.open(self.files.resolve(path), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(
                    opened, fcntl.LOCK_EX | fcntl.LOCK_NB
                )  # what .NET does here, too, for a file that it shares with nobody
            except BlockingIOError:
                os.close(opened)
                return False
            self._locked[path.lower()] = opened
        return True

    def unlock_file(self, path: str) -> None:
        """Close such a file."""
        with self.lock:
            opened = self._locked.pop(path.lower(), None)
            if opened is not None:
                os.close(opened)

    def bytes_on(self, volume: Volume) -> int:
        """Bytes of the volume's files, counted anew at most every few seconds."""
        counted, total = self._counted.get(volume.id, (-1e9, 0))
        if self.clock.monotonic() - counted > _RECOUNT_SECONDS:
            total = sum(e.stat().st_size for e in _walk(self.folder / volume.folder))
            self._counted[volume.id] = (self.clock.monotonic(), total)
        return total

    def acl(self, path: str) -> str:
        """The SDDL (access part) of a folder."""
        return self._sddl(path)[self._sddl(path).index("D:") :]

    def owner(self, path: str) -> str:
        """The SDDL (owner part) of a folder: Administrators, who make what is there, unless it was given to another."""
        return self._sddl(path).partition("D:")[0] or "O:BA"

    def _sddl(self, path: str) -> str:
        return self.machine.acls.get(path.rstrip("\\").lower(), INHERITED)

    def set_acl(self, path: str, sddl: str) -> None:
        """Give a folder an access list, and an owner if the text has one."""
        with self.lock:
            before = self._sddl(path)
            self.machine.acls[path.rstrip("\\").lower()] = sddl
            self.change("acl", path, before, sddl)

    def wrote(self, path: str, count: int) -> None:
        """Count bytes written to a live path against the diff area of its volume, if it has shadow copies."""
        if not self.machine.shadows or path.startswith("\\\\"):
            return
        volume = self.files.volume_of(path)
        for copy in self.machine.shadows:
            if copy.volume_id == volume:
                copy.diff_bytes += count
        for watch in self.on_written:
            watch(volume)


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    entry.stat()
                    yield entry
            except FileNotFoundError:  # gone meanwhile
                continue
