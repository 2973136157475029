"""What the lab knows of one Windows machine, as plain data: this is what stands in a host's ``state.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class OperatingSystem:
    """The edition of Windows and what came with it."""

    caption: str
    version: str
    """``5.2.3790``, ``6.1.7601``, ``6.3.9600``: what decides which classes, tools and cmdlets there are."""
    service_pack: str | None
    service_pack_major: int
    powershell: str
    """``2.0`` or ``4.0`` …"""
    clr: str
    winrm_stack: str
    install_date: str
    """ISO 8601."""
    language: int = 1033
    bias: int = 0
    """Minutes east of UTC."""
    date_format: str = ""
    """How a tool writes a moment (strftime); empty: as the United States do."""
    sku: int = 7
    memory: int = 4 * 2**30

    @property
    def build(self) -> str:
        """The build number, ``7601``."""
        return self.version.rsplit(".", 1)[1]

    @property
    def level(self) -> tuple[int, int]:
        """(major, minor), for "since Windows …" questions."""
        major, minor, _ = self.version.split(".")
        return int(major), int(minor)

    def written(self, moment: datetime) -> str:
        """A moment as this Windows' tools write it."""
        if self.date_format:
            return moment.strftime(self.date_format)
        return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p}"


@dataclass(slots=True)
class Service:
    """A Win32 service."""

    name: str
    display: str
    state: str = "Stopped"
    """As Win32_Service says it: Stopped, Start Pending, Stop Pending, Running."""
    start_mode: str = "Auto"
    pid: int = 0
    depends_on: list[str] = field(default_factory=list)
    path: str = r"C:\WINDOWS\system32\svchost.exe -k netsvcs"
    account: str = "LocalSystem"
    exit_code: int = 0
    """1077 when never started since boot."""
    stop_seconds: float = 0.05
    start_seconds: float = 0.05
    can_stop: bool = True
    shared: bool = False


@dataclass(slots=True)
class Volume:
    """A volume; its bytes stand in ``folder`` below the host's state folder."""

    id: str
    """The GUID in ``\\\\?\\Volume{…}\\``, lower case, without braces."""
    name: str
    """``D:\\`` or ``E:\\Mounts\\Log\\``."""
    folder: str
    capacity: int
    label: str = ""
    used: int = 0
    """Bytes taken by what the lab does not keep (Windows itself)."""
    serial: int = 0

    @property
    def letter(self) -> str | None:
        """``D:``, or None for a volume that is only mounted in a folder."""
        return self.name[:2] if len(self.name) == 3 else None


@dataclass(slots=True)
class ShadowCopy:
    """One shadow copy; its frozen tree stands in ``folder`` below the host's state folder."""

    id: str
    """GUID, lower case, without braces."""
    set_id: str
    volume_id: str
    number: int
    """N in ``HarddiskVolumeShadowCopyN``."""
    created: str
    """ISO 8601, UTC."""
    folder: str
    count: int
    """How many copies the set had when it was made."""
    client_accessible: bool
    writers: bool
    persistent: bool = True
    exposed: str | None = None
    diff_bytes: int = 0
    metadata: dict[str, Metadata] = field(default_factory=dict)
    """Attributes and times of the frozen files that the lab's own disk cannot hold."""


@dataclass(slots=True)
class ShadowStorage:
    """The diff area of one volume."""

    volume_id: str
    diff_volume_id: str
    maximum: int
    used: int = 0
    allocated: int = 0


@dataclass(slots=True)
class Metadata:
    """Windows' attributes and last-write time of a file, where the lab's disk cannot hold them."""

    attributes: int | None = None
    """Bits to add: 2 hidden, 4 system."""
    written: int | None = None
    """100 ns since 1601."""


@dataclass(slots=True)
class Event:
    """A record of an event log."""

    record: int
    log: str
    source: str
    code: int
    kind: int
    """1 error, 2 warning, 3 information, as Win32_NTLogEvent.EventType."""
    at: str
    message: str
    inserts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ScheduledTask:
    """A task of the Task Scheduler."""

    name: str
    command: str
    minutes: int | None
    """Every so many minutes, for ever."""
    boot: bool
    """After each start of the host."""
    account: str = "S-1-5-18"
    """What it runs as: SYSTEM, or a named account."""
    last_run: str | None = None
    last_result: int = 0
    runs: int = 0
    pid: int = 0
    """Of the cmd.exe that runs it now; 0 where none does."""


@dataclass(slots=True)
class Writer:
    """A VSS writer."""

    name: str
    id: str
    instance_id: str
    service: str
    """The service that hosts it; the writer is there while that runs."""
    state: int = 1
    """VSS_WRITER_STATE: 1 stable, 5 waiting for completion, 6..15 failed."""
    error: str = "No error"
    instance_name: str = ""


@dataclass(slots=True)
class DatabaseFile:
    """One file of a database, by its Windows path."""

    logical: str
    kind: str
    """ROWS or LOG."""
    physical: str


@dataclass(slots=True)
class DatabaseFacts:
    """A database on this machine, as the SQL writer sees it."""

    instance: str
    """``SERVER`` or ``SERVER\\INSTANCE``."""
    name: str
    files: list[DatabaseFile]


@dataclass(slots=True)
class Site:
    """The ConfigMgr site that is installed here."""

    code: str
    kind: str
    """central or primary."""
    generation: int
    """2007 or 2012."""
    install: str
    """``D:\\SMS``"""
    version: str
    parent: str | None
    database: str | None
    """The site database's name; None when it is on another host."""
    database_server: str = ""
    backup_to: str | None = None
    """Destination of its backup task, as its site control says."""
    reset_needed: bool = False
    """The Site Repair Wizard has been here, and no site reset after it."""


@dataclass(slots=True)
class Machine:
    """All of it."""

    name: str
    domain: str
    os: OperatingSystem
    boot_time: str
    boot_number: int = 1
    next_pid: int = 1200
    next_device: int = 1
    next_event: int = 1
    services: dict[str, Service] = field(default_factory=dict)
    volumes: list[Volume] = field(default_factory=list)
    shadows: list[ShadowCopy] = field(default_factory=list)
    storages: list[ShadowStorage] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    databases: list[DatabaseFacts] = field(default_factory=list)
    acls: dict[str, str] = field(default_factory=dict)
    """SDDL of folders that differ from what they would inherit; keys are lower-case paths."""
    metadata: dict[str, Metadata] = field(default_factory=dict)
    """Keys are lower-case paths, ``d:\\sms\\…``."""
    mutable: list[str] = field(default_factory=list)
    """Path prefixes (lower case) whose files something rewrites in place: a shadow copy copies them, links the rest."""
    site: Site | None = None
    tasks: list[ScheduledTask] = field(default_factory=list)
