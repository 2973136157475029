"""What is known about a site: the records that the areas exchange."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.plan import Check, Known, Record, Result

STOPPED_FOR_BACKUP = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
"""In this order: the component manager would restart the executive (KB Q302674)."""


class Machine(Record):
    """The identity of a Windows machine, for comparison when a site is restored on other hardware."""

    name: str
    caption: str
    version: str
    """For example 6.3.9600."""
    language: int
    """OSLanguage, a Windows LCID."""
    installed: str
    """When Windows was installed, as WMI writes it (DMTF)."""
    booted: str
    """Last boot, as WMI writes it: compared, never parsed."""
    guid: str
    """MachineGuid of the registry."""
    x64: bool
    powershell: str = ""
    clock_skew: float = 0.0
    """Seconds that its clock is ahead of the control host's."""

    @property
    def old(self) -> bool:
        """Server 2003 (NT 5.2): no diskshadow, no mklink."""
        return self.version.startswith("5.")


class Volume(Record):
    """A volume by its id; ``name`` is where it is mounted."""

    id: str
    """GUID in lower case, without braces."""
    name: str
    """``D:\\`` or ``E:\\Mounts\\Log\\``."""
    capacity: int
    free: int
    file_system: str = "NTFS"

    def __str__(self) -> str:
        return self.name


class ServiceFacts(Record):
    """A Windows service, as it was read."""

    name: str
    state: str
    """Win32_Service.State: Running, Stopped, Stop Pending ... (not localised)."""
    start_mode: str
    pid: int
    account: str = ""


class DatabaseFile(Record):
    """A file of a database."""

    logical: str
    path: str
    kind: Literal["data", "log"]
    bytes: int


class OtherDatabase(Record):
    """Another database on the same instance."""

    name: str
    files: tuple[str, ...]


class SiteDatabase(Record):
    """The site database and its server."""

    host: str
    """Inventory name of its host (the site server's own when it is local)."""
    server: str
    """Windows name of its machine."""
    instance: str
    """MSSQLSERVER for the default one."""
    name: str
    version: str
    edition: str
    collation: str
    recovery_model: str
    owner: str
    trustworthy: bool
    broker: bool
    clr: bool
    compatibility: int
    change_tracking: str = ""
    """Retention as the server returns it, e.g. ``5 DAYS``; empty without change tracking (2005)."""
    files: tuple[DatabaseFile, ...]
    logins: tuple[str, ...] = ()
    """Server principals that own or map to something in the site database."""
    others: tuple[OtherDatabase, ...] = ()
    mounts: tuple[str, ...] = ()
    """Where every volume of its machine is mounted."""

    @property
    def component(self) -> str:
        """The instance's name for the SQL writer: the server, and after a backslash the instance, if it has a name."""
        return self.server if self.instance.upper() == "MSSQLSERVER" else f"{self.server}\\{self.instance}"

    def __str__(self) -> str:
        return f"{self.name} on {self.component}"


class RegistryKey(Record):
    """One of Microsoft's keys below HKLM, in one view."""

    name: Literal["SMS", "NAL"]
    view: Literal["native", "wow"]

    def __str__(self) -> str:
        branch = "Wow6432Node\\Microsoft" if self.view == "wow" else "Microsoft"
        return f"HKLM\\SOFTWARE\\{branch}\\{self.name}"


class Part(Record):
    """One part of a set: a folder or file of a volume, and its place in the set."""

    kind: Literal["files", "registry", "database"]
    host: str
    """Inventory name of the machine that holds it."""
    volume: str
    """Id of the volume."""
    path: str
    """Relative to the volume's root; empty for all of it."""
    to: str
    """Folder in the set, with slashes."""


class SiteFacts(Result):
    """A site, as its registry, WMI and SQL Server describe it."""

    code: str
    name: str = ""
    type: str
    """central, cas, primary or secondary."""
    product: Literal["2007", "2012"]
    """2012 stands for 2012 and current branch."""
    version: str
    install_dir: str
    parent: str | None = None
    machine: Machine
    database_machine: Machine | None = None
    """The database host, if the database is on another machine."""
    services: tuple[ServiceFacts, ...]
    services_to_stop: tuple[str, ...]
    """In the order in which they are stopped, and started again."""
    volumes: tuple[Volume, ...]
    """Volumes of the site server: all that hold a file of the set."""
    database_volumes: tuple[Volume, ...] = ()
    """Volumes of the database host, if it is another machine."""
    database: SiteDatabase | None = None
    registry_keys: tuple[RegistryKey, ...]
    what: tuple[Part, ...]

    @property
    def drive(self) -> str:
        """Letter of the drive of the install folder; the work folder is there too."""
        return self.install_dir[0].upper()

    @property
    def install_path(self) -> str:
        """The install folder, relative to its drive."""
        return self.install_dir[3:].rstrip("\\")


class TaskProof(Record):
    """The proof of a run of ConfigMgr's own backup task; times as ISO 8601, by the site's clock (UTC)."""

    started: int = 0
    """RecordID of its status message 5055 in the site database: the run's identity."""
    completed: int = 0
    """RecordID of its 5035."""
    started_at: str = ""
    snapshot_at: str = ""
    """Of 5056; empty without this message."""
    completed_at: str = ""
    down_from: str = ""
    """When the site's services were first seen down, by the control host's clock; empty if it was not observed."""
    up_at: str = ""
    down_seconds: float = 0.0
    log_from: int = 0
    """Offset of its part of smsbkup.log."""
    control: str = ""
    """SHA-256 of smsbkup.ctl."""
    after: str = ""
    """SHA-256 of AfterBackup.bat; empty if it does not exist."""
    same_volume: bool = False
    """The destination is on a volume of the site or its database."""
    started_by_us: tuple[str, ...] = ()
    """Services that the task left stopped."""


class TaskRun(Result):
    """A run of ConfigMgr's own backup task, and where its backup is."""

    site: str = ""
    host: str = ""
    drive: str = ""
    """Letter of the drive whose work folder holds the mark."""
    destination: str = ""
    """The folder that holds ``<code>Backup``, on the host."""
    previous: bool = False
    """Whether an earlier backup existed, which is put aside."""
    listing: Known[str] = ""
    """SHA-256 over names, sizes and times of its files."""
    files: Known[int] = 0
    bytes: Known[int] = 0
    proof: TaskProof = TaskProof()

    @property
    def folder(self) -> str:
        """The backup's own folder."""
        return f"{self.destination}\\{self.site}Backup"


class TargetFacts(Result):
    """The machine, and the result of every rule."""

    checks: tuple[Check, ...] = ()
    machine: Machine
    same_windows: bool = False
    """Whether it is the same installation of Windows as in the set."""
    installed: str = ""
    """Install folder of the site on it (2007: installed again); empty without a site."""
    services: tuple[str, ...] = ()
    """Services of a 2007 site that was installed again: they must be stopped while its set is staged."""
    drive: str = ""
    """Letter of the system drive: work folders and setup's task are there."""
    volumes: tuple[Volume, ...] = ()
    sql_host: str = ""
    """Inventory name of the database's host."""
    sql_server: str = ""
    sql_instance: str = ""

    def free_of(self, path: str) -> int:
        """Bytes free on the volume of a path; 0 if it is on none."""
        holding = [one for one in self.volumes if f"{path}\\".lower().startswith(one.name.lower())]
        return max(holding, key=lambda one: len(one.name)).free if holding else 0


class SavedFiles(Result):
    """What was saved, and where."""

    folder: str = ""
    """Work folder on the host; it stays."""
    accounts: tuple[str, ...] = ()
    """Files of srvacct."""
    keys: tuple[str, ...] = ()
    """Registry keys that were exported."""
