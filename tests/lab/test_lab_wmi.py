from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from psrpcore.types import PSUInt, PSUInt64

from sitekeeper_lab.windows.wql import WqlError, parse_filter, parse_query

Sessions = Callable[[str], Any]


def rows(session: Any, **parameters: Any) -> list[dict[str, Any]]:
    said = session("Get-WmiObject", **parameters)
    assert not said.errors, said.errors
    return [item.adapted for item in said.output]


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ("Name = 'abc'", True),
        ("Name <> 'ABC'", False),
        ("Name LIKE 'a%' AND Size > 4", True),
        ("NOT (Size >= 5 OR Name IS NULL)", False),
        ('Name = "x" OR Size = 5', True),
        ("Label IS NULL", True),
        ("Flag = TRUE", True),
        ("Name LIKE '[b-z]%'", False),
    ],
)
def test_filters(where: str, passes: bool) -> None:
    assert parse_filter(where)({"Name": "abc", "Size": 5, "Label": None, "Flag": True}) is passes


@pytest.mark.parametrize(
    "text", ["SELECT * FROM", "SELECT * FROM X WHERE a ISA 'b'", "SELECT * FROM X GROUP BY a", "DROP"]
)
def test_what_is_no_wql_is_refused(text: str) -> None:
    with pytest.raises(WqlError):
        parse_query(text)


def test_an_operating_system_says_what_it_is(lab_session: Sessions) -> None:
    old, new = (rows(lab_session(name), Class="Win32_OperatingSystem")[0] for name in ("PR1", "PR2"))
    assert (old["Version"], old["CSDVersion"]) == ("5.2.3790", "Service Pack 2")
    assert (new["Version"], new["CSDVersion"]) == ("6.3.9600", None)
    assert isinstance(new["OSLanguage"], PSUInt)
    assert new["LastBootUpTime"][-4:] == "+000"


def test_volumes_without_a_letter_and_their_space(lab_session: Sessions) -> None:
    found = rows(lab_session("PR2"), Class="Win32_Volume", Filter="DriveLetter IS NULL")
    assert [row["Name"] for row in found] == ["E:\\Mounts\\Log\\"]
    assert isinstance(found[0]["FreeSpace"], PSUInt64)
    assert len(rows(lab_session("PR2"), Class="Win32_LogicalDisk")) == 3


def test_chosen_properties_only(lab_session: Sessions) -> None:
    found = rows(lab_session("PR2"), Query="SELECT State FROM Win32_Service WHERE Name = 'VSS'")
    assert [(row["__PROPERTY_COUNT"], row["State"], row["__PATH"]) for row in found] == [(1, "Stopped", None)]


def test_the_version_of_the_sites_program(lab_session: Sessions) -> None:
    session = lab_session("CEN")
    path = session.host.machine.site.install + r"\bin\i386\sitecomp.exe"
    escaped = path.replace("\\", "\\\\")
    assert rows(session, Class="CIM_DataFile", Filter=f"Name='{escaped}'")[0]["Version"] == "4.0.6487.2000"
    assert rows(session, Class="CIM_DataFile", Filter="Name='C:\\\\nothing.exe'") == []


def test_an_unknown_class_is_loud(lab_session: Sessions) -> None:
    assert lab_session("PR2")("Get-WmiObject", Class="Win32_Fan").ids == ["EmulatorNotImplemented"]
    assert lab_session("PR2")("Get-WmiObject", Class="CIM_DataFile").ids == ["EmulatorNotImplemented"]


def test_creating_and_deleting_a_shadow_copy(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    create = {"Class": "Win32_ShadowCopy", "Name": "Create"}
    made = session("Invoke-WmiMethod", **create, ArgumentList=["ClientAccessible", "D:\\"]).output[0].adapted
    assert (made["ReturnValue"], made["ShadowID"][0]) == (0, "{")
    wrong = session("Invoke-WmiMethod", **create, ArgumentList=["ClientAccessible", "Z:\\"]).output[0].adapted
    assert (wrong["ReturnValue"], wrong["ShadowID"]) == (3, None)
    path = f"Win32_ShadowCopy.ID='{made['ShadowID']}'"
    assert not session("Remove-WmiObject", Path=path).errors
    assert session.state.machine.shadows == []
    assert session("Remove-WmiObject", Path=path).ids == [
        "RemoveWMIManagementException,Microsoft.PowerShell.Commands.RemoveWmiObject"
    ]


def test_events_by_code(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.host.log_event("System", "volsnap", 25, 1, "text", "a", "b")
    found = rows(session, Class="Win32_NTLogEvent", Filter="Logfile='System' AND SourceName='volsnap'")
    assert [(row["EventCode"], row["Type"], row["InsertionStrings"]) for row in found] == [(25, "Error", ["a", "b"])]
