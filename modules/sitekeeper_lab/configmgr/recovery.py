"""A site server in the hands of those who wreck, install and recover it: setup, the Site Repair Wizard, the site reset.

Stand-ins for Microsoft's programs, as far as their rules are documented (Microsoft Learn, "Recover a site"; ConfigMgr
2007's help on recovery and site reset; KB 2509330 for srvacct). They refuse what the real ones are known to refuse.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from sitekeeper_lab.configmgr.setup_script import Refused, Script, read_script
from sitekeeper_lab.configmgr.site import branch, other_branch
from sitekeeper_lab.configmgr.site_parts import Laboratory, SiteParts
from sitekeeper_lab.host import Killed, Rebooted
from sitekeeper_lab.sql.database import Database
from sitekeeper_lab.windows.file_version import file_version
from sitekeeper_lab.windows.model import ScheduledTask
from sitekeeper_lab.windows.native.answer import Answer

SETUP_TASK, SETUP_COMMAND = "sitekeeper-setup", r"C:\sitekeeper\setup.cmd"
"""The task that an administrator registers once, with the account that setup is to run as."""
LOG, PREREQUISITES_LOG = r"C:\ConfigMgrSetup.log", r"C:\ConfigMgrPrereq.log"
RESTART_WANTED = 3010
"""ERROR_SUCCESS_REBOOT_REQUIRED (Microsoft Learn, "System Error Codes"); that setup itself ends with it is not known."""
ACTIONS_LEFT = r"C:\ConfigMgrPostRecoveryActions.html"
_GUID_KEY = r"HKLM\SOFTWARE\Microsoft\Cryptography"


class SiteServer(SiteParts):
    """One site server of the lab."""

    def __init__(self, lab: Laboratory, name: str) -> None:
        super().__init__(lab, name)
        self.host.programs["setup.exe"] = self.setup
        self.host.programs["prereqchk.exe"] = self.prerequisites

    # What happens to a site server.

    def wreck(self, *, new_windows: bool = True) -> None:
        """The site is gone: files, keys, services, database. With ``new_windows`` on a freshly installed Windows."""
        self._stop_life()
        self._drop_database()
        with self.host.io_lock, self.host.lock:
            machine = self.host.machine
            for name in [one for one in machine.services if one.upper().startswith("SMS_")]:
                del machine.services[name]
                self.host.registry.delete(f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}")
            machine.writers = [one for one in machine.writers if not one.name.startswith("SMS ")]
            machine.site = None
            for top in (branch(self.spec.generation), other_branch(self.spec.generation)):
                self.host.registry.delete(f"{top}\\SMS")
                self.host.registry.delete(f"{top}\\NAL")
            self._forget_files(self.spec.install)
            if new_windows:
                machine.tasks.clear()
                machine.shadows.clear()
                for volume in machine.volumes:
                    self._forget_files(f"{volume.name}sitekeeper")
                for log in (LOG, PREREQUISITES_LOG):
                    self.host.delete_file(log)
                self.host.registry.set(_GUID_KEY, "MachineGuid", "REG_SZ", str(uuid.uuid4()))
                machine.os.install_date = self.host.now().isoformat()
            self.host.registry.save()
            self.host.change("site", self.spec.code, "installed", "wrecked")

    def install(self) -> None:
        """What an operator does before the Site Repair Wizard: a fresh site, configured as the lost one was."""
        if self.host.machine.site is not None:
            raise Refused(f"{self.host.name} has a site already")
        self._make_site(self._dice())
        self._open_database()
        self._start_life()

    def allow_setup(self, account: str = r"LAB\installer") -> None:
        """An administrator registers the task that runs setup as a named account; there is no other way to give its password."""
        with self.host.lock:
            tasks = self.host.machine.tasks
            tasks[:] = [one for one in tasks if one.name != SETUP_TASK]
            tasks.append(ScheduledTask(SETUP_TASK, SETUP_COMMAND, None, boot=False, account=account))
            self.host.change("task", SETUP_TASK, None, account)

    # Microsoft's programs.

    def prerequisites(self, program: str, arguments: Sequence[str]) -> Answer:
        """prereqchk.exe: the SQL Server answers, and no site is there."""
        del program
        quiet = [one.lower() for one in arguments[:1]] == ["/noui"]
        fault = self.host.faults.take("setup_fails", step="prerequisites")
        well = quiet and self.host.machine.site is None and fault is None
        self._log(
            "prerequisite check",
            "passed" if well else "failed: a site is installed here, or somebody would have to look",
            PREREQUISITES_LOG,
        )
        return Answer([], 0 if well else 1)

    def setup(self, program: str, arguments: Sequence[str]) -> Answer:
        """setup.exe /script FILE: the unattended recovery of a 2012 or current branch site."""
        self._take_time()
        try:
            script = read_script(self._script(arguments))
            self._refuse(program, script)
            self._recover(script, file_version(self.host.read(program)) or "")
        except Refused as refused:
            self._log("recovery", f"failed: {refused}")
            return Answer([], 1)
        self._log("recovery", f"completed for {self.spec.code}")
        self.host.write(ACTIONS_LEFT, b"<html><body>Set the passwords of all accounts again.</body></html>\r\n")
        return Answer([], RESTART_WANTED if self.host.faults.take("setup_wants_restart") else 0)

    def _take_time(self) -> None:
        """As long as the fault ``setup_hangs`` is there; all that falls due in the lab waits meanwhile, so not for ever.

        Raises:
            Killed, Rebooted: somebody ended it meanwhile.

        """
        if self.host.faults.take("setup_killed"):
            self._log("recovery", "began")
            raise Killed(self.host.name)
        if not self.host.faults.peek("setup_hangs"):
            return
        self._log("recovery", "began")
        until, boot = time.monotonic() + 60, self.host.machine.boot_number
        while self.host.faults.peek("setup_hangs") and time.monotonic() < until:
            time.sleep(0.02)
            if self.host.machine.boot_number != boot:
                raise Rebooted(self.host.name)

    def _script(self, arguments: Sequence[str]) -> str:
        if [one.lower() for one in arguments[:-1]] != ["/script"] or not self.host.exists(arguments[1]):
            raise Refused("setup wants /script and a file that exists")
        return self.host.read(arguments[1]).decode("utf-8-sig")

    def _refuse(self, program: str, script: Script) -> None:
        if self.host.faults.take("setup_fails", step="setup"):
            raise Refused("a fault was asked for")
        if self.host.machine.site is not None:
            raise Refused("a site is installed here")
        if program.lower().startswith(script.install.lower() + "\\"):
            raise Refused("setup cannot recover from inside the install folder: run it from a copy of CD.Latest")
        if script.site_code != self.spec.code or script.database.lower() != self.name.lower():
            raise Refused(f"code {script.site_code} and database {script.database} are not those that this site had")
        if not self.host.exists(script.prerequisites):
            raise Refused(f"no prerequisites in {script.prerequisites}")
        there = self.instance.database(self.name)
        if script.database_option == 10 and there is not None:
            raise Refused(f"the database {self.name} exists already")
        if script.database_option == 20 and there is None:
            raise Refused(f"there is no database {self.name} that was recovered by hand")
        if script.database_option == 10:
            self._refuse_backup(script)

    def _refuse_backup(self, script: Script) -> None:
        for file in (f"{self.name}.mdf", f"{self.name}_log.ldf"):
            if not self.host.exists(f"{script.backup}\\{file}"):
                raise Refused(f"the backup in {script.backup} has no {file}: not one of the backup task of this site")
        if script.site_server_backup and not self.host.exists(f"{script.site_server_backup}\\SiteServer"):
            raise Refused(f"{script.site_server_backup} is no backup of the backup task")

    def _recover(self, script: Script, program: str) -> None:
        if script.database_option == 10:
            for file, folder in ((f"{self.name}.mdf", self.spec.data), (f"{self.name}_log.ldf", self.spec.log)):
                self.holder.host.files.resolve(folder).mkdir(parents=True, exist_ok=True)
                self.holder.host.write(f"{folder}\\{file}", self.host.read(f"{script.backup}\\{file}"))
            self._attach()
        database = self._database()
        self._judge(database, program)
        self._make_site(self._dice())
        if script.site_server_backup:
            self._lay_back(script.site_server_backup)
        for option, value in (("trustworthy", "1"), ("broker", "1"), ("honor_broker_priority", "1")):
            database.set_option(option, value)
        self._forward(database)
        self._start_life()

    def _judge(self, database: Database, program: str) -> None:
        with database.read() as data:
            codes = [str(row[0]) for row in data.execute("SELECT SiteCode FROM Sites")]
            (version,) = data.execute("SELECT Version FROM Sites WHERE SiteCode = ?", (self.spec.code,)).fetchone() or (
                "",
            )
        options = database.options()
        if self.spec.code not in codes:
            raise Refused(f"the database is of site {', '.join(codes)}")
        if program and str(version).split(".")[2:3] != program.split(".")[2:3]:
            raise Refused(f"the database is of version {version}, this setup of {program}")
        if options.get("collation", self.instance.collation) != self.instance.collation:
            raise Refused(f"the database sorts by {options['collation']}, the server by {self.instance.collation}")
        edition = options.get("edition", self.instance.edition)
        if edition.split()[0] != self.instance.edition.split()[0]:
            raise Refused(f"the database comes from {edition}, the server is {self.instance.edition}")

    def repair(self, folder: str) -> None:
        """The Site Repair Wizard of 2007: on an installed site, from a backup of the task, and a site reset must follow.

        Raises:
            Refused: it does not take this.

        """
        site = self.host.machine.site
        if site is None or self.spec.generation != 2007:
            raise Refused("the wizard repairs a site of 2007 that is installed")
        files = self.host.files
        needed = (
            "SiteServer\\SMSbkSiteRegSMS.dat",
            "SiteServer\\SMSbkSiteRegNAL.dat",
            f"SiteDBServer\\{self.name}.mdf",
            f"SiteDBServer\\{self.name}_log.ldf",
            "SiteServer\\SMSServer",
        )
        missing = [name for name in needed if not self.host.exists(f"{folder}\\{name}")]
        if missing:
            raise Refused(f"{folder} is no backup of the backup task of this site: {missing[0]} is not there")
        self._stop_life()
        self._drop_database()
        for file, where in ((f"{self.name}.mdf", self.spec.data), (f"{self.name}_log.ldf", self.spec.log)):
            self.holder.host.write(f"{where}\\{file}", self.host.read(f"{folder}\\SiteDBServer\\{file}"))
        self._attach()
        self._judge(self._database(), self.spec.file_version)
        target = files.resolve(self.spec.install)
        _copied(files.resolve(f"{folder}\\SiteServer\\SMSServer"), target)
        self._forward(self._database())
        with self.host.lock:
            site.reset_needed = True
            self.host.change("site", self.spec.code, "installed", "repaired, not yet reset")
        self._start_life()

    def reset(self) -> None:
        """setup.exe, "site maintenance or reset": mandatory after the wizard."""
        site = self.host.machine.site
        if site is None:
            raise Refused(f"{self.host.name} has no site")
        with self.host.lock:
            site.reset_needed = False
            self.host.change("site", self.spec.code, "repaired, not yet reset", "reset")

    def _lay_back(self, backup: str) -> None:
        source, target = f"{backup}\\SiteServer\\SMSServer", self.host.files.resolve(self.spec.install)
        for name in ("inboxes", "data"):
            if self.host.exists(f"{source}\\{name}"):
                found = self.host.files.resolve(f"{source}\\{name}")
                _copied(found, target / name)

    def _log(self, step: str, said: str, log: str = LOG) -> None:
        line = f"{self.host.now():%m-%d-%Y %H:%M:%S}\t{step}: {said}\r\n".encode()
        before = self.host.read(log) if self.host.exists(log) else b""
        self.host.write(log, before + line)


def _copied(source: Path, target: Path) -> None:
    """Lay files over a tree; links stay as they are there."""
    shutil.copytree(
        source,
        target,
        dirs_exist_ok=True,
        copy_function=_replaced,
        ignore=lambda folder, names: [name for name in names if (Path(folder) / name).is_symlink()],
    )


def _replaced(source: str, target: str) -> None:
    """Copy a file into the place of another, which may be read-only, or linked to by a shadow copy."""
    part = f"{target}.part~"
    shutil.copy2(source, part)
    Path(part).replace(target)
