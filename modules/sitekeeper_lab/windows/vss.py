"""The volume shadow copy service of a lab host: writers, and a set that is made with them.

What the SQL writer needs (every file of a database on a volume of the set; diskshadow leaves a component out that has files
elsewhere, and asks the writer for the rest: restic/restic issue 340) and what the SMS writer does (stops the site's services
and starts them again) happens here. Every database of an instance is a component of the SQL writer, master, model and msdb too
(Microsoft Support, KB 3098315). XML names are those of Microsoft's published VSS headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from sitekeeper_lab.host import Host, Rebooted
from sitekeeper_lab.windows.machine import SMS_WRITER, SQL_WRITER
from sitekeeper_lab.windows.model import DatabaseFacts, ShadowCopy, Writer
from sitekeeper_lab.windows.services import COMPONENT_MANAGER, EXECUTIVE, ServiceControl
from sitekeeper_lab.windows.shadows import ShadowCopies

IN_PROGRESS = 0x80042316
NAMES = {
    0x80042306: "VSS_E_PROVIDER_VETO",
    0x8004230F: "VSS_E_UNEXPECTED_PROVIDER_ERROR",
    0x80042313: "VSS_E_FLUSH_WRITES_TIMEOUT",
    0x80042314: "VSS_E_HOLD_WRITES_TIMEOUT",
    0x80042316: "VSS_E_SNAPSHOT_SET_IN_PROGRESS",
    0x80042317: "VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED",
    0x8004231F: "VSS_E_INSUFFICIENT_STORAGE",
    0x800423F2: "VSS_E_WRITERERROR_TIMEOUT",
    0x800423F3: "VSS_E_WRITERERROR_RETRYABLE",
    0x800423F4: "VSS_E_WRITERERROR_NONRETRYABLE",
}
_FAILED_AT_PREPARE_SNAPSHOT = 8
WAITING_FOR_COMPLETION = 5
PHASES = {
    "identify": 6,
    "prepare_backup": 7,
    "prepare_snapshot": 8,
    "freeze": 9,
    "thaw": 10,
    "post_snapshot": 11,
    "backup_complete": 12,
}
"""Where a writer can fail, and the state (VSS_WRITER_STATE) that it is in afterwards."""
_ERRORS = {
    0x800423F2: "Timed out",
    0x800423F3: "Retryable error",
    0x800423F4: "Non-retryable error",
}
"""Last error as vssadmin lists it."""


class VssError(Exception):
    """A call of VSS failed; ``code`` is its HRESULT."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code:#010x} {NAMES.get(code, '')}".rstrip())
        self.code = code

    @property
    def name(self) -> str:
        """``VSS_E_…``, or the code."""
        return NAMES.get(self.code, f"{self.code:#010x}")


@dataclass(frozen=True, slots=True)
class Made:
    """A set, and what is to be said of it."""

    copies: list[ShadowCopy]
    writers: list[Writer]
    document: str
    """BCDocument.xml."""
    manifests: list[str] = field(default_factory=list)
    """WM0.xml …, one for each writer."""
    left_out: list[str] = field(default_factory=list)
    """Components of the SQL writer, some of whose files are on no volume of the set."""


class Vss:
    """The service."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.shadows = ShadowCopies(host)

    def writers(self) -> list[Writer]:
        """The writers that are there: those whose service runs (VSS itself starts on demand)."""
        services = self.host.machine.services
        fault = self.host.faults.peek("writer_failed")
        found = []
        for writer in self.host.machine.writers:
            service = services.get(writer.service)
            if writer.service == "VSS" or (service is not None and service.state == "Running"):
                if fault is not None and str(fault.arguments.get("id", SQL_WRITER)).strip("{}").lower() == writer.id:
                    state = int(fault.arguments.get("state", _FAILED_AT_PREPARE_SNAPSHOT))
                    error = str(fault.arguments.get("error", "Non-retryable error"))
                    writer = Writer(writer.name, writer.id, writer.instance_id, writer.service, state, error)  # noqa: PLW2901  # the same writer, as it shows
                found.append(writer)
        return found

    def create(
        self, volume_ids: Sequence[str], *, excluded: frozenset[str], with_writers: bool, full: bool, persistent: bool
    ) -> Made:
        """Make one set over the given volumes.

        Args:
            volume_ids: the volumes.
            excluded: ids and lower-case names of writers to leave out.
            with_writers: False for a set without any writer.
            full: a backup session (BEGIN BACKUP); otherwise a copy.
            persistent: the copies outlive their requester.

        Raises:
            VssError: nothing was made. Rebooted: nor here; the program that asked is gone.

        """
        host = self.host
        if host.faults.take("snapshot_in_progress"):
            raise VssError(IN_PROGRESS)
        if fault := host.faults.take("snapshot_fails"):
            raise VssError(int(str(fault.arguments.get("code", "0x8004231F")), 0))
        control = ServiceControl(host)
        if host.faults.take("restart_between"):
            control.restart(EXECUTIVE, COMPONENT_MANAGER)
        if host.faults.take("reboot"):
            control.reboot()
            raise Rebooted(host.name)
        taking = [w for w in self.writers() if with_writers and not {w.id, w.name.lower()} & excluded]
        fault = host.faults.take("writer_fails") if any(w.id == SQL_WRITER for w in taking) else None
        phase = str(fault.arguments["phase"]) if fault else ""
        code = int(str(fault.arguments.get("code", "0x800423F4")), 0) if fault else 0
        if fault is not None:
            self._failed(PHASES[phase], code)
            if phase != "backup_complete":  # that comes when the copies are made, and the requester has what it wants
                raise VssError(code)
        sql = any(writer.id == SQL_WRITER for writer in taking)
        sms = any(writer.id == SMS_WRITER for writer in taking)
        whole, left_out = self._whole_databases(volume_ids) if sql else ([], [])
        if sms:
            control.put_down(EXECUTIVE, COMPONENT_MANAGER)
        held = [d for d in host.databases if any(d.name == facts.name for facts in whole)]
        for database in held:
            database.freeze()
        try:
            copies = self.shadows.freeze(
                volume_ids, client_accessible=False, writers=with_writers, persistent=persistent
            )
        finally:
            for database in held:
                database.thaw()
            if sms:
                control.restart(COMPONENT_MANAGER, EXECUTIVE)
        document = _document(taking, whole, full=full)
        if host.faults.take("vanish_after_create"):
            self.shadows.run_over()
        return Made(copies, taking, document, [_manifest(writer) for writer in taking], left_out)

    def _whole_databases(self, volume_ids: Sequence[str]) -> tuple[list[DatabaseFacts], list[str]]:
        files = self.host.files
        whole, left_out = [], []
        torn_on_purpose = self.host.faults.take("log_volume_missing") is not None
        for database in self.host.machine.databases:
            server = self.host.machine.services.get(service_of(database.instance))
            if server is not None and server.state != "Running":
                continue  # the writer asks the instance for its databases
            inside = [files.volume_of(file.physical) in volume_ids for file in database.files]
            if all(inside) and not torn_on_purpose:
                whole.append(database)
            else:
                left_out.append(f"\\{database.instance}\\{database.name}")
        on_system = files.volume_of("C:\\") in volume_ids
        for instance in dict.fromkeys(database.instance for database in self.host.machine.databases):
            for name in ("master", "model", "msdb"):  # they lie with the program, on C:
                if on_system:
                    whole.append(DatabaseFacts(instance, name, []))
                else:
                    left_out.append(f"\\{instance}\\{name}")
        return whole, left_out

    def _failed(self, state: int, code: int) -> None:
        writer = next(w for w in self.host.machine.writers if w.id == SQL_WRITER)
        with self.host.lock:
            writer.state, writer.error = state, _ERRORS[code]
            self.host.change("writer", writer.name, 1, state)
            for other in self.host.machine.writers:
                # After a failed set the others wait for its end (a published transcript of vssadmin on Server 2008 after
                # 0x800423f0: gilkirkpatrick.com).
                if other.id != SQL_WRITER:
                    other.state = WAITING_FOR_COMPLETION


def service_of(instance: str) -> str:
    """The service of an instance as the writer names it: the server, a backslash and the name of one that has a name."""
    _, named, name = instance.partition("\\")
    return f"MSSQL${name}" if named else "MSSQLSERVER"


def _document(writers: Sequence[Writer], databases: Sequence[DatabaseFacts], *, full: bool) -> str:
    chosen, kind = ("yes", "full") if full else ("no", "copy")
    head = '<BACKUP_COMPONENTS version="1.2" xmlns="x-schema:#VssComponentMetadata" bootableSystemStateBackup="no" '
    lines = [f'{head}selectComponents="{chosen}" backupType="{kind}">']
    for writer in writers:
        lines.append(
            f'<WRITER_COMPONENTS instanceId="{{{writer.instance_id}}}" writerId="{{{writer.id}}}" backupSchema="0">'
        )
        if writer.id == SQL_WRITER:
            for database in databases:
                name, instance = quoteattr(database.name), quoteattr(database.instance)
                # VSS_CT_FILEGROUP (KB 3098315); backupSucceeded is set by the requester, which has not done so yet.
                lines.append(f'<COMPONENT componentName={name} logicalPath={instance} componentType="filegroup"/>')
        lines.append("</WRITER_COMPONENTS>")
    return "\r\n".join([*lines, "</BACKUP_COMPONENTS>"]) + "\r\n"


def _manifest(writer: Writer) -> str:
    return (
        '<WRITER_METADATA version="1.1" xmlns="x-schema:#VssWriterMetadataInfo"><IDENTIFICATION '
        f'writerId="{{{writer.id}}}" instanceId="{{{writer.instance_id}}}" friendlyName={quoteattr(writer.name)} '
        'usage="USER_DATA" dataSource="OTHER"/></WRITER_METADATA>\r\n'
    )
