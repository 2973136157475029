"""The recorded files that are no dialogues: which test reads each, or why nothing of ours does."""

from __future__ import annotations

import lzma
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from . import recorded

READ = (
    "psrp/test-*.yml",  # test_recorded_dialogues
    "psrp/winrb-*.xml",  # test_recorded_faults
    "windows/clixml/*.xml",
    "windows/clixml/*.xml.xz",
    "mssql/*.clixml",
    "mssql/msg-backup-error-3201-3013.txt",
    "mssql/msg-errors-3266-by-version.txt",
    "mssql/msg-restore-error-33111-3013.txt",
    "windows/events/event-vss-8229-writer-rejected.txt",
    "windows/reg/*.reg",
    "windows/text/diskshadow-initializeforbackup-failed.txt",
    "windows/text/diskshadow-interactive-metadata-errors.txt",
    "windows/text/diskshadow-script-create-expose.txt",
    "windows/text/diskshadow-script-with-writers-verbose.txt",
    "windows/text/sc-query-stopped-never-started.txt",
    "windows/text/sc-stop-start-dns.txt",
    "windows/text/vssadmin-invalid-command-2016.txt",
    "windows/text/vssadmin-invalid-command-win10-19041.txt",
    "windows/text/vssadmin-list-shadows-*.txt",
    "windows/text/vssadmin-list-writers-*.txt",
)
"""What a test reads with code of ours; a new file of such a name is read, too."""

_PAPER = "no recording: what the folder holds, or its licence"
_BACKUP_MESSAGES = "messages of BACKUP, RESTORE and CHECKDB: no module sends those statements yet"
_WRITER_LOG = "SqlWriterLogger.txt exists since SQL Server 2019 only: what proves a copy is the writers' document"
_EVENTS = "preflight asks for events of volsnap alone, by number; others are left to the operator"
_HIVES = "registry hives: registry keys are exported as text; a reader of hives comes with restore, if at all"
_TRACE = "the text of ConfigMgr's logs is not read, only how long they are; the lab writes this form (test_lab_tools_like_recorded)"
NOT_READ = {
    "README.md": _PAPER,
    "*/README.md": _PAPER,
    "*/license-*.txt": _PAPER,
    "windows/*/license-*.txt": _PAPER,
    "mssql/dbcc-checkdb-ok-tail.txt": _BACKUP_MESSAGES,
    "mssql/msg-backup-log-ok.txt": _BACKUP_MESSAGES,
    "mssql/msg-backup-ok-2019-sqlcmd-stats.txt": _BACKUP_MESSAGES,
    "mssql/msg-backup-ok-filestream-two-logs.txt": _BACKUP_MESSAGES,
    "mssql/msg-backup-ok-three-files.txt": _BACKUP_MESSAGES,
    "mssql/msg-restore-errorlog-2017.txt": _BACKUP_MESSAGES,
    "mssql/msg-restore-ok-upgrade-steps.txt": _BACKUP_MESSAGES,
    "mssql/restore-headeronly-empty-log.json": "RESTORE HEADERONLY: comes with restore",
    "mssql/restore-headeronly-full-diff-log.json": "RESTORE HEADERONLY: comes with restore",
    "psrp/clixml-stderr-with-error.xml": "stderr of powershell.exe, which is never started: sessions are pools",
    "psrp/clixml-stderr-with-no-errors.xml": "stderr of powershell.exe, which is never started: sessions are pools",
    "windows/configmgr/configmgrautosave.ini": "the unattended file of setup: comes with restore",
    "windows/configmgr/smsbkup-ctl-tokens-excerpt.txt": "smsbkup.ctl of SMS 2.0: only its hash is recorded, nothing of it is read",
    "windows/events/event-sqlwriter-24579-torn-database.txt": _EVENTS,
    "windows/events/event-sqlwriter-24583-and-sqlvdi-1.txt": _EVENTS,
    "windows/events/event-vss-12292-and-11-provider.txt": _EVENTS,
    "windows/events/sqlwriterlogger-component-backup-ok.txt": _WRITER_LOG,
    "windows/events/sqlwriterlogger-service-start.txt": _WRITER_LOG,
    "windows/events/sqlwriterlogger-torn-database.txt": _WRITER_LOG,
    "windows/events/system-scm-7036-vss.xml": _EVENTS,
    "windows/hives/bcd-win10.hive": _HIVES,
    "windows/hives/ntuser-2016.hive": _HIVES,
    "windows/hives/reorganized-values.hive": _HIVES,
    "windows/hives/system-win7-x86.hive.xz": _HIVES,
    "windows/hives/timezoneinformation.hive": _HIVES,
    "windows/hives/unicode-names.hive": _HIVES,
    "windows/logs/sccm-various.log": _TRACE,
    "windows/logs/sms-2-despooler-trace.txt": "the trace form of SMS 1.x: no log's text is read",
    "windows/logs/smsts-first-40-lines.log": _TRACE,
    "windows/logs/wintask.job": "a binary task of Windows 2003: the guard is registered and looked at by schtasks",
    "windows/text/diskshadow-usage-2016.txt": "diskshadow's help: nothing asks for it",
    "windows/text/robocopy-b-ntds.txt": "files are pulled in frames of our own, never by robocopy",
    "windows/text/sc-qc-auto-start.txt": "sc qc: how a service starts is read from Win32_Service",
    "windows/text/systeminfo-2012r2.txt": "systeminfo: its labels are localised; WMI says the same",
    "windows/text/systeminfo-win10-hyperv.txt": "systeminfo: its labels are localised; WMI says the same",
    "windows/text/systeminfo-win7.txt": "systeminfo: its labels are localised; WMI says the same",
    "windows/text/vssadmin-create-shadow-2003.txt": "vssadmin create shadow: copies are made by diskshadow, vshadow or WMI",
    "windows/text/vssadmin-create-shadow-2012-and-later.txt": "the same; a client Windows cannot do it at all",
    "windows/text/wmic-shadowcopy-create.txt": "wmic: Win32_ShadowCopy.Create is called through Invoke-WmiMethod",
}
"""By name (or by what all papers are called): why nothing of ours reads it."""


def text_of(file: Path) -> str:
    """A recorded text, whatever its encoding."""
    data = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
    return data.decode("utf-16" if data.startswith(b"\xff\xfe") else "utf-8-sig")


def exported(file: Path) -> str:
    """What Export-Clixml wrote, as one message of PSRP that carries all its objects in a list."""
    root = ET.fromstring(re.sub(r' xmlns="[^"]*"', "", text_of(file), count=1))  # noqa: S314 - a recording
    whole = ET.Element("Obj", RefId="whole")
    ET.SubElement(whole, "LST").extend(root)
    return ET.tostring(whole, encoding="unicode")


def files(*patterns: str) -> list[Path]:
    """The recorded files of these names, in order; none where there are no recordings."""
    if recorded.FOLDER is None:
        return []
    return sorted({file for pattern in patterns for file in recorded.folder().glob(pattern)})


def named(*patterns: str) -> set[str]:
    """Their names, from the folder of the recordings on."""
    return {str(file.relative_to(recorded.folder())) for file in files(*patterns)}
