"""What the guard is made of in the lab: the clock that stops at each moment, tasks, the shell that runs a script, its tools."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sitekeeper_lab.clock import LabClock, Scheduler
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native import find_tool
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.native.cmd import run_cmd
from sitekeeper_lab.windows.tasks import Tasks

Sessions = Callable[[str], Any]
CMD = "C:\\x.cmd"


@pytest.fixture(name="host")
def host_of_the_lab(lab_session: Sessions) -> Host:
    host: Host = lab_session("PR2").host
    return host


def tool(host: Host, name: str, *arguments: str) -> Answer:
    found = find_tool(name, host)
    assert found is not None
    return found(arguments, host)


def script(host: Host, *lines: str) -> int:
    host.write(CMD, "".join(f"{line}\r\n" for line in lines).encode("ascii"))
    return run_cmd(CMD, host)


@pytest.fixture(name="timers")
def running_scheduler(lab_clock: LabClock) -> Iterator[Scheduler]:
    scheduler = Scheduler(lab_clock)
    scheduler.start()
    yield scheduler
    scheduler.stop()


def test_the_clock_stops_where_something_falls_due(lab_clock: LabClock, timers: Scheduler) -> None:
    seen: list[tuple[str, int]] = []
    began = lab_clock.monotonic()

    def minute() -> None:
        seen.append(("minute", round(lab_clock.monotonic() - began)))
        timers.call_later(60, minute)

    def late() -> None:
        seen.append(("late", round(lab_clock.monotonic() - began)))
        timers.call_later(10, lambda: seen.append(("after", round(lab_clock.monotonic() - began))))

    timers.call_later(60, minute)
    timers.call_later(150, late)
    lab_clock.advance(200)
    assert seen == [("minute", 60), ("minute", 120), ("late", 150), ("after", 160), ("minute", 180)]


def test_the_clock_says_when_something_does_not_end(
    lab_clock: LabClock, timers: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitekeeper_lab.clock._SETTLE_SECONDS", 0.05)
    hanging = threading.Event()

    def hang() -> None:
        hanging.wait()

    timers.call_later(1, hang)
    with pytest.raises(TimeoutError, match="does not end"):
        lab_clock.advance(2)
    hanging.set()


def test_a_task_runs_every_minute_and_what_it_runs_into_is_loud(
    host: Host, lab_clock: LabClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda said: told.append(said.exc_value))
    host.write(CMD, b"@echo off\r\nformat C:\r\n")
    tasks = Tasks(host)
    tasks.start()
    tasks.add("bad", CMD, minutes=1, boot=False)
    lab_clock.advance(180)
    tasks.stop()
    lab_clock.advance(180)
    assert [type(error) for error in told] == [NotEmulated]  # and nothing falls due any more: a lab ends of it
    assert "'format'" in str(told[0])
    (task,) = host.machine.tasks
    assert task.runs == 1


def test_no_task_runs_while_its_service_is_stopped(host: Host, lab_clock: LabClock) -> None:
    tasks = Tasks(host)
    tasks.start()
    host.write(CMD, b"exit /b 0\r\n")
    tasks.add("good", CMD, minutes=1, boot=False)
    host.machine.services["Schedule"].state = "Stopped"
    lab_clock.advance(60)
    assert host.machine.tasks[0].runs == 0
    host.machine.services["Schedule"].state = "Running"
    lab_clock.advance(60)
    assert (host.machine.tasks[0].runs, host.machine.tasks[0].last_result) == (1, 0)
    tasks.stop()


def test_a_script_counts_loops_calls_and_jumps(host: Host) -> None:
    host.write("C:\\list.txt", b"set {a} b\r\n\r\ncopy 0 v {c}\r\ncopy 1 v {d}\r\n")
    host.make_folder("C:\\box\\one")
    host.make_folder("C:\\box\\two")
    host.write("C:\\box\\7.count", b"")
    code = script(
        host,
        "@echo off",
        "rem a remark",
        "setlocal",
        "set count=",
        "for %%f in (C:\\box\\*.count) do set count=%%~nf",
        "set /a next=count+1",
        "ren C:\\box\\%count%.count %next%.count",
        'for /f "tokens=1,4" %%a in (C:\\list.txt) do if "%%a"=="copy" call :note %%b',
        'for /f "tokens=2 delims={}" %%a in (C:\\list.txt) do >>C:\\out.txt echo brace %%a',
        "for /d %%d in (C:\\box\\*) do >>C:\\out.txt echo folder %%d",
        "if %next% lss 8 goto never",
        "if not exist C:\\nowhere.txt >>C:\\out.txt echo nothing there",
        "if defined gone goto never",
        'C:\\WINDOWS\\system32\\find.exe "nobody" C:\\list.txt >nul',
        "if errorlevel 1 >>C:\\out.txt echo not found, %errorlevel%",
        "rmdir /s /q C:\\box",
        "exit /b 5",
        ":note",
        ">>C:\\out.txt echo note %1",
        "exit /b 0",
        ":never",
        "exit /b 1",
    )
    assert code == 5
    assert host.read("C:\\out.txt").decode().splitlines() == [
        "note {c}",
        "note {d}",
        "brace a",
        "brace c",
        "brace d",
        "folder C:\\box\\one",
        "folder C:\\box\\two",
        "nothing there",
        "not found, 1",
    ]
    assert not host.exists("C:\\box")


def test_a_call_with_a_file_open_is_left_out_where_somebody_has_it(host: Host) -> None:
    lines = ["call :inside 9>C:\\lock", ">>C:\\out.txt echo code %errorlevel%", "exit /b 0", ":inside"]
    lines += [">>C:\\out.txt echo inside", "exit /b 0"]
    assert host.lock_file("C:\\lock")
    script(host, *lines)
    host.unlock_file("C:\\lock")
    script(host, *lines)
    assert host.read("C:\\out.txt").decode().splitlines() == ["code 1", "inside", "code 0"]


@pytest.mark.parametrize(
    "line",
    [
        "copy a b",
        "if 1 gtr 2 exit /b 0",
        "for /l %%i in (1,1,3) do set a=%%i",
        'for /f "skip=1" %%i in (C:\\x.cmd) do set a=%%i',
        "set /a x=1*2",
        "goto nowhere",
        "C:\\WINDOWS\\system32\\sc.exe stop Spooler",
        'C:\\WINDOWS\\system32\\find.exe /v "x" C:\\x.cmd',
        "C:\\WINDOWS\\system32\\schtasks.exe /change /tn x /disable",
        "C:\\WINDOWS\\system32\\eventcreate.exe /l SECURITY /so x /t ERROR /id 1 /d x",
        "taskkill /f /im smsexec.exe",
        "del C:\\x.cmd",
    ],
)
def test_what_is_not_known_is_refused_by_name(host: Host, line: str) -> None:
    with pytest.raises(NotEmulated):
        script(host, line)


def test_sc_answers_as_recorded(host: Host) -> None:
    assert tool(host, "sc.exe", "query", "SMS_SITE_BACKUP").lines == [
        "",
        "SERVICE_NAME: SMS_SITE_BACKUP",
        "        TYPE               : 10  WIN32_OWN_PROCESS",
        "        STATE              : 1  STOPPED",
        "        WIN32_EXIT_CODE    : 1077  (0x435)",
        "        SERVICE_EXIT_CODE  : 0  (0x0)",
        "        CHECKPOINT         : 0x0",
        "        WAIT_HINT          : 0x0",
    ]
    assert tool(host, "sc.exe", "start", "SMS_EXECUTIVE").code == 1056
    assert tool(host, "sc.exe", "query", "nobody").code == 1060
    host.machine.services["SMS_SITE_BACKUP"].start_mode = "Disabled"
    assert tool(host, "sc.exe", "start", "SMS_SITE_BACKUP").code == 1058


def test_schtasks_refuses_what_it_does_not_know(host: Host) -> None:
    task = (
        '<?xml version="1.0" encoding="UTF-16"?>'
        '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Triggers/></Task>'
    )
    host.write("C:\\t.xml", task.encode("utf-16"))
    with pytest.raises(NotEmulated, match="Triggers"):
        tool(host, "schtasks.exe", "/create", "/tn", "x", "/xml", "C:\\t.xml")
    assert tool(host, "schtasks.exe", "/run", "/tn", "x").code == 1
    create = ["/create", "/tn", "x", "/tr", CMD, "/sc", "minute", "/mo", "1", "/ru", "SYSTEM"]
    assert tool(host, "schtasks.exe", *create).code == 0
    with pytest.raises(NotEmulated, match="asks whether to replace"):
        tool(host, "schtasks.exe", *create)
    assert tool(host, "schtasks.exe", "/query", "/fo", "csv", "/nh").lines == ['"x","N/A",""']
    assert tool(host, "schtasks.exe", "/delete", "/tn", "X", "/f").code == 0


def test_server_2003_knows_neither_xml_nor_one_task(lab_session: Sessions) -> None:
    host = lab_session("PR1").host
    for arguments in (["/create", "/tn", "x", "/xml", "C:\\t.xml"], ["/query", "/tn", "x"]):
        with pytest.raises(NotEmulated):
            tool(host, "schtasks.exe", *arguments)


def test_vssadmin_deletes_only_what_everybody_may_see(lab_session: Sessions) -> None:
    host = lab_session("PR1").host
    host.make_folder("D:\\sitekeeper")
    host.write("D:\\sitekeeper\\vshadow.exe", b"MZ")
    assert tool(host, "D:\\sitekeeper\\vshadow.exe", "-p", "-nw", "D:").code == 0
    (copy,) = host.machine.shadows
    assert tool(host, "vssadmin.exe", "delete", "shadows", f"/shadow={{{copy.id}}}", "/quiet").code == 2
    assert tool(host, "D:\\sitekeeper\\vshadow.exe", f"-ds={{{copy.id}}}").code == 0
    assert host.machine.shadows == []
    assert tool(host, "D:\\sitekeeper\\vshadow.exe", f"-ds={{{copy.id}}}").code == 2
