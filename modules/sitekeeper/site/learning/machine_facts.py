"""Reads the facts of a Windows machine: the calls that are sent together, and how their answers are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from sitekeeper.engine.errors import RemoteError
from sitekeeper.engine.session import Answer, Call, Context
from sitekeeper.model.site import Machine, ServiceFacts, Volume

VIEWS = ("native", "wow")
LOCAL_DISK = 3
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KEYS = ("Setup", "Identification", "SQL Server")
MACHINE_CALLS = (
    Call("Get-WmiObject", {"Class": "Win32_OperatingSystem"}),
    Call("Get-WmiObject", {"Class": "Win32_ComputerSystem"}),
    Call("Get-WmiObject", {"Class": "Win32_Service"}),
    Call("Get-WmiObject", {"Class": "Win32_Volume"}),
    Call("Read-SkKey", {"Name": "Cryptography", "View": "native"}),
)


def values_of(answers: Sequence[Answer], view: int) -> dict[str, dict[str, Any]]:
    """The values of a view's three keys; a key that does not exist is empty."""
    found: dict[str, dict[str, Any]] = {}
    for number, key in enumerate(KEYS):
        answer = answers[view * len(KEYS) + number]
        for record in answer.errors:
            raise RemoteError(f"the registry key {key} cannot be read: {record.message}", record=record)
        found[key] = dict(answer.output[0]) if answer.output else {}
    return found


def one_of(answer: Answer, what: str) -> dict[str, Any]:
    """The single object of an answer.

    Raises:
        RemoteError: the answer has no object, or an error record.

    """
    if answer.errors:
        raise RemoteError(f"{what} cannot be read: {answer.errors[0].message}", record=answer.errors[0])
    if not answer.output:
        raise RemoteError(f"{what} cannot be read: the host returned nothing")
    return dict(answer.output[0])


def machine_of(ctx: Context, answers: Sequence[Answer]) -> Machine:
    """The machine, from the answers to ``MACHINE_CALLS`` in their order."""
    system = one_of(answers[0], "Win32_OperatingSystem")
    computer = one_of(answers[1], "Win32_ComputerSystem")
    cryptography = answers[4].output[0] if answers[4].output else {}
    local = parse_dmtf(str(system["LocalDateTime"]))
    return Machine(
        name=str(computer["Name"]),
        caption=str(system["Caption"]).strip(),
        version=str(system["Version"]),
        language=int(system.get("OSLanguage") or 0),
        installed=str(system["InstallDate"]),
        booted=str(system["LastBootUpTime"]),
        guid=str(cryptography.get("MachineGuid", "")),
        x64="64" in str(computer.get("SystemType", "")),
        clock_skew=round((local - ctx.clock.now()).total_seconds(), 1),
    )


def parse_dmtf(text: str) -> datetime:
    """A WMI date, ``20210929115907.020592-420``: local time and minutes from UTC (CIM DATETIME)."""
    stamp = datetime.strptime(text[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007 - its zone follows
    minutes = int(text[21:25])
    return stamp.replace(microsecond=int(text[15:21]), tzinfo=timezone(timedelta(minutes=minutes)))


def volumes_of_machine(answer: Answer) -> list[Volume]:
    """The volumes, from the rows of Win32_Volume.

    Raises:
        RemoteError: they could not be read.

    """
    if answer.errors:
        raise RemoteError(f"Win32_Volume cannot be read: {answer.errors[0].message}", record=answer.errors[0])
    found = []
    for row in answer.output:
        guid = _GUID.search(str(row.get("DeviceID", "")))
        name = str(row.get("Name") or "")
        if row.get("DriveType") == LOCAL_DISK and guid and not name.startswith("\\\\?\\"):
            found.append(
                Volume(
                    id=guid[0].lower(),
                    name=name,
                    capacity=int(row.get("Capacity") or 0),
                    free=int(row.get("FreeSpace") or 0),
                    file_system=str(row.get("FileSystem") or ""),
                )
            )
    return found


def services_of(answer: Answer) -> tuple[ServiceFacts, ...]:
    """The services, from the rows of Win32_Service.

    Raises:
        RemoteError: they could not be read.

    """
    if answer.errors:
        raise RemoteError(f"Win32_Service cannot be read: {answer.errors[0].message}", record=answer.errors[0])
    wanted = re.compile(r"SMS_|SMSEXEC|MSSQL|SQLWriter$|VSS$|swprv$|CcmExec$|W3SVC$", re.IGNORECASE)
    return tuple(
        ServiceFacts(
            name=str(row["Name"]),
            state=str(row["State"]),
            start_mode=str(row["StartMode"]),
            pid=int(row["ProcessId"] or 0),
            account=str(row.get("StartName") or ""),
        )
        for row in answer.output
        if wanted.match(str(row["Name"]))
    )
