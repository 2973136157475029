"""ConfigMgr's own backup task: what SMS_SITE_BACKUP does when somebody starts it.

Steps in their order: the project's domain notes, section 1.6 (TechNet wiki 8524): 5055, the previous backup is deleted, the SMS
Writer stops the site's services, one shadow copy set, 5056, the copying, the metadata file, 5035, AfterBackup.bat (5040). Which of the
numbers that mean a failure comes for which cause is written down nowhere: the lab takes one of them (5043) for all. Lines of the log
are the known ones (``STATMSG: ID=``, ``Win32 Error =``, "Deleting the existing files in the backup location failed"); others are made up.
"""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

from sitekeeper_lab.configmgr import backup_copy
from sitekeeper_lab.configmgr.site import sender
from sitekeeper_lab.configmgr.tracelog import trace_line
from sitekeeper_lab.failing import loud
from sitekeeper_lab.host import Host
from sitekeeper_lab.sql.database import Database
from sitekeeper_lab.sql.files import DatabaseClosed
from sitekeeper_lab.sql.site_schema import status_message
from sitekeeper_lab.windows.machine import SMS_WRITER
from sitekeeper_lab.windows.model import ShadowCopy, Site
from sitekeeper_lab.windows.native.cmd import run_cmd
from sitekeeper_lab.windows.services import COMPONENT_MANAGER, EXECUTIVE, ServiceControl
from sitekeeper_lab.windows.shadows import ShadowCopies
from sitekeeper_lab.windows.vss import Vss, VssError

SERVICE = "SMS_SITE_BACKUP"
STARTED, SNAPSHOT, COMPLETED, AFTER_BACKUP, FAILED = 5055, 5056, 5035, 5040, 5043
STEPS = {"destination": 3, "rights": 5, "delete": 145, "database": 1117, "disk": 112}
"""Where the task can fail, and the Win32 error: path not found, access denied, folder not empty, I/O device error, disk full."""
_LOOK = 0.02
_DOWN = 0.15
"""Seconds that the writer holds the services down beside the freeze itself."""


class _Stopped(Exception):  # noqa: N818  # what happened
    """Somebody stopped the service, or the host rebooted."""


class _Failed(Exception):  # noqa: N818  # what happened
    """A critical error: the run ends as failed."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class BackupTask:
    """Waits beside a site until its backup service is started, and carries the task out."""

    def __init__(self, host: Host, database: Database) -> None:
        self.host = host
        self.database = database
        self.control = ServiceControl(host)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._waiting: list[tuple[int, str]] = []
        """Status messages that the Executive has not taken into the database yet."""
        self._mirror: Path | None = None
        self._down = False
        self._process = 0
        host.on_service.append(self._seen)

    @property
    def site(self) -> Site:
        """The site."""
        site = self.host.machine.site
        if site is None:
            raise ValueError(f"{self.host.name} has no site")
        return site

    def start(self) -> None:
        """Wait from now on. A run that an earlier lab was in the middle of is over."""
        self.control.put_down(SERVICE)
        self._ending.clear()
        self._thread = threading.Thread(
            target=loud(self._serve, self.host.failed), name=f"lab-{self.host.name}-backup", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def forget(self) -> None:
        """The site is gone: its service starts no task any more."""
        self.host.on_service.remove(self._seen)

    def _seen(self, name: str, state: str) -> None:
        if name == SERVICE and state == "Running":
            self._begun.put(True)

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                self._begun.get(timeout=_LOOK)
            except queue.Empty:
                self._flush()
                continue
            self._run()

    def _run(self) -> None:
        self._mirror, self._process = None, self.host.machine.services[SERVICE].pid
        try:
            self._task()
        except _Stopped:
            pass
        except _Failed as failed:
            self._line(f"{failed} Win32 Error = {failed.code}", kind=3)
            self._status(FAILED)
        except VssError as error:
            self._line(f"Error: the snapshot set could not be created, error = {error.code:#010x}", kind=3)
            self._status(FAILED)
        finally:
            self._up()
            self._line("SMS site backup service is stopping.")
            if self._is_running():
                self.control.put_down(SERVICE)

    def _task(self) -> None:
        site, host = self.site, self.host
        self._line("SMS site backup service is starting.")
        self._status(500)
        target = self._destination(site)
        if host.files.volume_of(site.backup_to or "") in {host.files.volume_of(one) for one in self._places()}:
            self._line("Warning: Backup location and the sms data are on the same volume.", kind=2)
        self._status(STARTED)
        if site.generation == 2007 and " " in (site.backup_to or ""):
            self._line("Successfully ran command line 'ECHO' (exit status 0)")
            self._for_ever()
        self._clean(target)
        copies = self._snapshot(site)
        try:
            self._status(SNAPSHOT)
            self._copy(site, copies, target)
        finally:
            self._drop(copies)
        text = f"[{site.code}]\r\nSiteServer={host.name}\r\nSiteDBServer={site.database_server}\r\nVersion={site.version}\r\n"
        (target / "ConfigMgrBackup.ini").write_bytes(text.encode("utf-16"))
        if host.faults.take("backup_ends_silently"):
            return
        self._line("Backup completed")
        self._status(COMPLETED)
        after = f"{site.install}\\inboxes\\smsbkup.box\\AfterBackup.bat"
        if host.exists(after):
            self._status(AFTER_BACKUP)
            run_cmd(after, host)

    def _places(self) -> list[str]:
        return [self.site.install, *(file.physical for file in self.database.files)]

    def _destination(self, site: Site) -> Path:
        fault = self.host.faults.peek("backup_fails", step="destination")
        if not site.backup_to or fault or not self.host.exists(site.backup_to):
            self.host.faults.take("backup_fails", step="destination")
            self._status(STARTED)
            raise _Failed("Error: the backup location does not exist.", STEPS["destination"])
        return self.host.files.resolve(site.backup_to) / f"{site.code}Backup"

    def _fails(self, step: str, text: str) -> None:
        if self.host.faults.take("backup_fails", step=step):
            raise _Failed(text, STEPS[step])
        self._go_on()

    def _clean(self, target: Path) -> None:
        self._fails("rights", "Error: cannot write to the backup location.")
        if self.host.faults.take("backup_fails", step="delete"):
            for name in ("SiteServer", "ConfigMgrBackup.ini"):  # it had begun to delete before it met what is open
                if (target / name).is_dir():
                    backup_copy.wipe(target / name)
            (target / "SiteDBServer").mkdir(parents=True, exist_ok=True)
            self._line(f"Deleting {target.name}\\SiteDBServer, FAILED, Win32 Error = 145", kind=3)
            raise _Failed("Error: Deleting the existing files in the backup location failed.", STEPS["delete"])
        with self.host.io_lock:
            backup_copy.wipe(target)
            target.mkdir()
        self.host.audit.write("change", self.host.name, kind="backup", what=target.name, to="emptied")
        self._mirror = target / "smsbkup.log"

    def _snapshot(self, site: Site) -> list[ShadowCopy]:
        """The SMS Writer's part: services down, registry dumped, one instant, services up."""
        host = self.host
        volumes = list(dict.fromkeys(host.files.volume_of(path) for path in self._places()))
        try:
            self.control.put_down(COMPONENT_MANAGER, EXECUTIVE)
            self._down = True
            self._wait(_DOWN)
            host.make_folder(f"{site.install}\\BackupTemp")
            for name in ("SMS", "NAL"):
                dump = backup_copy.registry_dump(host, site, name)
                host.write(f"{site.install}\\BackupTemp\\SMSbkSiteReg{name}.dat", dump)
            made = Vss(host).create(
                volumes, excluded=frozenset({SMS_WRITER}), with_writers=True, full=False, persistent=False
            )
            try:
                self._wait(_DOWN)
            except _Stopped:
                self._drop(made.copies)  # they are the requester's, and end with it
                raise
        finally:
            self._up()
        return made.copies

    def _drop(self, copies: list[ShadowCopy]) -> None:
        for copy in copies:
            ShadowCopies(self.host).delete(copy.id)

    def _up(self) -> None:
        if not self._down:
            return
        self._down = False
        if self.host.faults.take("backup_leaves_stopped"):
            return
        for name in (COMPONENT_MANAGER, EXECUTIVE):
            service = self.control.find(name)
            if service is not None:
                self.control.start(service)

    def _copy(self, site: Site, copies: list[ShadowCopy], target: Path) -> None:
        host = self.host
        if site.backup_to and host.faults.take("disk_full", volume=site.backup_to[:2]):
            raise _Failed("Error: copying failed.", STEPS["disk"])
        backup_copy.copy_site(host, site, copies, target)
        if slow := host.faults.take("backup_slow"):
            self._wait(float(slow.arguments.get("seconds", 1)))
        if host.faults.take("backup_hangs"):
            self._for_ever()
        self._fails("database", "Error: copying the site database failed.")
        backup_copy.copy_database(host, self.database, copies, target)
        self._fails("disk", "Error: copying failed.")
        host.wrote(site.backup_to or "", 1)

    def _is_running(self) -> bool:
        """Whether the service runs in the process that this run is: somebody may have stopped it, and started it anew."""
        service = self.host.machine.services[SERVICE]
        return not self._ending.is_set() and (service.state, service.pid) == ("Running", self._process)

    def _go_on(self) -> None:
        if not self._is_running():
            raise _Stopped

    def _wait(self, seconds: float) -> None:
        until = self.host.clock.monotonic() + seconds
        while self.host.clock.monotonic() < until:
            self._go_on()
            self._flush()
            time.sleep(_LOOK)

    def _for_ever(self) -> None:
        while True:
            self._wait(60)

    def _status(self, number: int) -> None:
        """A status message: into the log at once, into the database when the Executive runs and takes it."""
        now, name = self.host.now(), sender(self.host.machine, self.site.generation)
        self._line(
            f'STATMSG: ID={number} SEV={"E" if number == FAILED else "I"} LEV=M SOURCE="SMS Server" COMP="{SERVICE}" '
            f"SYS={name} SITE={self.site.code} PID={self.host.machine.services[SERVICE].pid} TID=4711 "
            f'GMTDATE={now:%a %b %d %H:%M:%S}.{now.microsecond // 1000:03} {now:%Y} ISTR0="" NUMATTRS=0'
        )
        at = now.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        self._waiting.append((number, at))
        self._flush()

    def _flush(self) -> None:
        if not self._waiting or self.host.machine.services[EXECUTIVE].state != "Running":
            return
        try:
            with self.database.change("INSERT StatusMessages", self._give_up) as data:
                for number, at in self._waiting:
                    name = sender(self.host.machine, self.site.generation)
                    status_message(data, at, number, self.site.code, name)
        except (DatabaseClosed, _Stopped):
            return
        self._waiting.clear()

    def _give_up(self) -> None:
        if self._ending.is_set():
            raise _Stopped

    def _line(self, text: str, kind: int = 1) -> None:
        line = trace_line(text, SERVICE, self.host.now(), 4711, kind).encode()
        with self.host.io_lock:
            for file in (self.host.files.resolve(f"{self.site.install}\\logs\\smsbkup.log"), self._mirror):
                if file is not None and file.parent.is_dir():
                    with file.open("ab") as log:
                        log.write(line)
