"""The native tools answer in the forms that real ones were recorded with."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitekeeper_lab.windows.native import find_tool
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.native.batch import run_batch

Sessions = Callable[[str], Any]
ROOT = Path(__file__).parents[2]
GUID = r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}"
WHEN = r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M"


def tool(session: Any, name: str, *arguments: str) -> Answer:
    found = find_tool(name, session.host)
    assert found is not None
    return found(arguments, session.host)


def shadow(session: Any, *lines: str) -> Answer:
    session.host.write("C:\\x.dsh", "".join(f"{line}\r\n" for line in lines).encode("ascii"))
    return tool(session, "diskshadow.exe", "/s", "C:\\x.dsh")


def test_diskshadow_prints_as_recorded_with_writers(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.host.make_folder("D:\\mnt")
    script = ["set verbose on", "set metadata C:\\WINDOWS\\Temp\\test.cab", "set context persistent"]
    answer = shadow(session, *script, "add volume D: alias drive", "create", "expose %drive% D:\\mnt")
    expected = [
        r"Microsoft DiskShadow version 1\.0",
        r"Copyright \(C\) 2013 Microsoft Corporation",
        rf"On computer:  PR2,  {WHEN}",
        "",
        *(re.escape(f"-> {line}") for line in script),
        "-> add volume D: alias drive",
        "-> create",
        *(
            line
            for name in ("CM_PR2", "master", "model", "msdb")
            for line in (
                rf'Component "\\PR2\\{name}" from writer "SqlServerWriter" is excluded from backup,',
                "because it requires a volume which is not in the shadow copy set\\.",
            )
        ),
        rf"Alias drive for shadow ID {GUID} set as environment variable\.",
        rf"Alias VSS_SHADOW_SET for shadow set ID {GUID} set as environment variable\.",
        r"Inserted file Manifest\.xml into \.cab file test\.cab",
        r"Inserted file BCDocument\.xml into \.cab file test\.cab",
        *(rf"Inserted file WM{number}\.xml into \.cab file test\.cab" for number in range(11)),
        "",
        rf"Querying all shadow copies with the shadow copy set ID {GUID}",
        "",
        rf"\t\* Shadow copy ID = {GUID}\t\t%drive%",
        rf"\t\t- Shadow copy set: {GUID}\t%VSS_SHADOW_SET%",
        r"\t\t- Original count of shadow copies = 1",
        rf"\t\t- Original volume name: \\\\\?\\Volume{GUID}\\ \[D:\\\]",
        rf"\t\t- Creation time: {WHEN}",
        r"\t\t- Shadow copy device name: \\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1",
        r"\t\t- Originating machine: PR2\.lab\.example",
        r"\t\t- Service machine: PR2\.lab\.example",
        r"\t\t- Not exposed",
        r"\t\t- Provider ID: \{b5946137-7b9f-4925-af80-51abd60b20d5\}",
        r"\t\t- Attributes:  No_Auto_Release Persistent Differential",
        "",
        r"Number of shadow copies listed: 1",
        r"-> expose %drive% D:\\mnt",
        rf"-> %drive% = {GUID}",
        r"The shadow copy was successfully exposed as D:\\mnt\\\.",
    ]
    assert answer.code == 0
    assert len(answer.lines) == len(expected)
    for line, pattern in zip(answer.lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_metadata_in_a_folder_that_is_not_there(lab_session: Sessions) -> None:
    answer = shadow(lab_session("PR2"), "set metadata C:\\nowhere\\test.cab")
    assert answer.lines[-1] == "The metadata file name path specifies a directory that is read-only."


def test_a_full_backup_session_is_told_from_a_copy(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    lines = [
        "set context persistent",
        "set metadata C:\\m.cab",
        "begin backup",
        "add volume D:",
        "create",
        "end backup",
    ]
    shadow(session, *lines, "delete shadows set %VSS_SHADOW_SET%")
    assert tool(session, "expand.exe", "-F:BCDocument.xml", "C:\\m.cab", "C:\\WINDOWS\\Temp").code == 0
    document = session.host.read("C:\\WINDOWS\\Temp\\BCDocument.xml").decode("utf-8")
    assert 'selectComponents="yes" backupType="full"' in document
    assert session.state.machine.shadows == []


def test_vssadmin_lists_as_recorded(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    nothing = tool(session, "vssadmin.exe", "list", "shadows")
    assert nothing.lines[-1] == "No items found that satisfy the query."
    shadow(session, "set context persistent nowriters", "add volume D:", "create")
    lines = tool(session, "vssadmin.exe", "list", "shadows").lines
    expected = [
        r"vssadmin 1\.1 - Volume Shadow Copy Service administrative command-line tool",
        r"\(C\) Copyright 2001-2013 Microsoft Corp\.",
        "",
        rf"Contents of shadow copy set ID: {GUID}",
        rf"   Contained 1 shadow copies at creation time: {WHEN}",
        rf"      Shadow Copy ID: {GUID}",
        rf"         Original Volume: \(D:\)\\\\\?\\Volume{GUID}\\",
        r"         Shadow Copy Volume: \\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1",
        r"         Originating Machine: PR2\.lab\.example",
        r"         Service Machine: PR2\.lab\.example",
        r"         Provider: 'Microsoft Software Shadow Copy provider 1\.0'",
        r"         Type: ApplicationRollback",
        r"         Attributes: Persistent, No auto release, No writers, Differential",
        "",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line
    storage = tool(session, "vssadmin.exe", "list", "shadowstorage").lines
    assert storage[3] == "Shadow Copy Storage association"
    assert storage[7].endswith("GB (0%)")


def test_reg_export_has_the_form_of_regedit(lab_session: Sessions) -> None:
    session = lab_session("CEN")
    key = r"HKLM\SOFTWARE\Wow6432Node\Microsoft\NAL"
    assert tool(session, "reg.exe", "export", key, "D:\\nal.reg").code == 0
    data = session.host.read("D:\\nal.reg")
    assert data[:2] == b"\xff\xfe"
    lines = data.decode("utf-16").split("\r\n")
    assert lines[:3] == [
        "Windows Registry Editor Version 5.00",
        "",
        r"[HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Microsoft\NAL]",
    ]
    assert '"Log To"=dword:00000002' in lines
    assert '"MSWNET"="mswnet.dll"' in lines
    at = next(number for number, line in enumerate(lines) if line.startswith('"Key"=hex:'))
    assert lines[at].endswith(",\\")
    assert lines[at + 1].startswith("  ")
    assert max(len(line) for line in lines) <= 80 + len("\\") or "Path" in "".join(lines)
    expand = next(line for line in lines if line.startswith('"Expand"'))
    assert expand.startswith('"Expand"=hex(2):25,00,53,00,79,00')


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("PR1", "Error:  The system was unable to find the specified registry key or value."),
        ("PR2", "ERROR: The system was unable to find the specified registry key or value."),
    ],
)
def test_a_missing_key_is_one_and_says_so(lab_session: Sessions, host: str, text: str) -> None:
    answer = tool(lab_session(host), "reg.exe", "export", r"HKLM\SOFTWARE\Nothing", "D:\\x.reg")
    assert (answer.code, answer.errors) == (1, [text])


def test_a_batch_file_of_literal_lines(lab_session: Sessions) -> None:
    host = lab_session("PR2").host
    host.write("C:\\a.cmd", b'@echo off\r\n>"C:\\o.txt" echo one %A%\r\n>>"C:\\o.txt" echo two %NO%.\r\n')
    run_batch("C:\\a.cmd", host, {"a": "{x}"})
    assert host.read("C:\\o.txt") == b"one {x}\r\ntwo .\r\n"
    host.write("C:\\b.cmd", b"del C:\\o.txt\r\n")
    with pytest.raises(NotEmulated, match="del"):
        run_batch("C:\\b.cmd", host, {})


def test_a_tool_runs_over_the_state_on_disk(lab_session: Sessions) -> None:
    session = lab_session("PR1")
    base = [sys.executable, "-m", "sitekeeper_lab.windows.native", str(session.host.folder)]
    environment = {"PYTHONPATH": str(ROOT / "modules")}
    key = r"HKLM\SOFTWARE\Wow6432Node\Microsoft\SMS\Identification"
    done = subprocess.run([*base, "reg.exe", "query", key], capture_output=True, text=True, check=True, env=environment)
    assert "    Site Code    REG_SZ    PR1\n" in done.stdout
    absent = subprocess.run([*base, "diskshadow.exe", "/s", "x"], capture_output=True, check=False, env=environment)
    assert absent.returncode == 9009 & 0xFF  # an exit code of Linux has eight bits
