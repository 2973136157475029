"""What is asked of each function, twice: of its twin and of the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.contract.engines import Engines, started
from tests.contract.module_cases import CASES

Call = tuple[str, dict[str, Any], str | None]
"""A function's name and arguments; or a fault that is set before the next call."""


def call(name: str, **arguments: Any) -> Call:
    return name, arguments, None


def fault(name: str) -> Call:
    return "", {}, name


SERVICES = ["SMS_EXECUTIVE", "SMS_SITE_COMPONENT_MANAGER", "nobody"]
PR2 = {"Drive": "D", "Run": "run-1"}
INSTALL = "Program Files\\Microsoft Configuration Manager"


def guards() -> list[Call]:
    """Everything about guards, for the run that holds the lease in generation 41 and more."""
    window = {"Minutes": 2, "Service": ["SMS_SITE_COMPONENT_MANAGER", "MSSQL$A_1-x.y"], "Kind": "window"}
    beat = {**PR2, "Owner": "ci", "Generation": 42, "Seconds": 600}
    return [
        call("Open-SkLock", Drive="D"),
        call("Open-SkLock", Drive="D"),
        call("Clear-SkFence"),
        call("Clear-SkFence"),
        call("Get-SkGuardScript", **PR2, Number=1, **window),
        call("Get-SkGuardScript", **PR2, Number=17, Minutes=360, Service=[], Kind="leak"),
        call("Get-SkGuardScript", **PR2, Number=1, Minutes=2, Kind="Window"),
        call("Get-SkGuardScript", **PR2, Number=0, **window),
        call("Get-SkGuardScript", **PR2, Number=1, **{**window, "Minutes": 20_000}),
        call("Get-SkGuardScript", **PR2, Number=1, **{**window, "Service": ["a", "b&c"]}),
        call("Get-SkGuardScript", **PR2, Number=1, **{**window, "Service": ["%PATH%"]}),
        call("Get-SkGuardScript", **PR2, Number=1, **{**window, "Service": ["a\n"]}),
        call("Get-SkGuardScript", Drive="D", Run="a b", Number=1, **window),
        call("Get-SkGuardScript", Drive="D", Number=1, **window),
        call("Test-SkGuard", **PR2, Number=1),
        call("Test-SkGuard", Drive="D", Number=1),
        call("Unregister-SkGuard", **PR2, Number=1),
        call("Unregister-SkGuard", Drive="D", Number=1),
        call("Register-SkGuard", **PR2, Number=1, **window),
        call("Test-SkGuard", **PR2, Number=1),
        call("Send-SkBeat", **beat, Number=0),
        call("Send-SkBeat", **beat, Number=0),
        call("Send-SkBeat", **beat, Number=7),
        call("Send-SkBeat", **{**beat, "Generation": 41}, Number=0),
        call("Send-SkBeat", **{**beat, "Owner": "other"}, Number=0),
        call("Send-SkBeat", Drive="E", Run="run-1", Owner="ci", Generation=42, Seconds=600, Number=0),
        call("Send-SkBeat", Drive="D", Owner="ci", Generation=42, Seconds=600, Number=0),
        call("Read-SkLease", Drive="D"),
        call("Register-SkGuard", **PR2, Number=2, Minutes=1, Service=["SMS_EXECUTIVE"], Kind="leak"),
        call("Test-SkGuard", **PR2, Number=2),
        call("Read-SkLease", Drive="D"),
        call("Unregister-SkGuard", **PR2, Number=2),
        call("Unregister-SkGuard", **PR2, Number=2),
        fault("task_refused"),
        call("Register-SkGuard", **PR2, Number=1, **window),
        call("Test-SkGuard", **PR2, Number=1),
        call("Unregister-SkGuard", **PR2, Number=1),
        call("Register-SkGuard", **PR2, Number=3, Minutes=1, Service=["nobody"], Kind="window"),
        call("Read-SkLease", Drive="D"),
        call("Test-SkGuard", **PR2, Number=3),
        call("Unregister-SkGuard", **PR2, Number=3),
        call("Send-SkBeat", **beat, Number=0),
        call("Enter-SkLease", Drive="D", Run="guard", Owner="x", Seconds=-5, AtLeast=0),
        call("Enter-SkLease", **PR2, Owner="ci", Seconds=600, AtLeast=0),
    ]


def on_2012(volumes: dict[str, str]) -> list[Call]:
    """Everything, on a host with diskshadow. ``volumes``: mount name to id."""
    three = [volumes["D:\\"], volumes["E:\\"], volumes["E:\\Mounts\\Log\\"]]
    names = [f"{INSTALL}\\data\\{name}" for name in ("packageids.dat", "no such file", "no\\such folder", "old.dat")]
    shadow = {**PR2, "Volume": three, "Service": SERVICES, "Exclude": ["03ba67dd-dc6d-4729-a038-251f7018463b"]}
    return [
        call("Get-SkFolder", Drive="D"),
        call("Get-SkFolder", Drive="D", Run="run-1", Name="shadow"),
        call("Get-SkFolder", Drive="d"),
        call("Get-SkFolder", Drive="DD"),
        call("Get-SkFolder"),
        call("Get-SkFolder", Drive="Q"),
        call("Get-SkFolder", Drive="D", Run="Run"),
        call("Get-SkFolder", Drive="D", Run="-x"),
        call("Get-SkFolder", Drive="D", Run="a..b"),
        call("Get-SkFolder", Drive="D", Run="a\n"),
        call("Get-SkFolder", Drive="D", Run="a", Name="b."),
        call("Get-SkFolder", Drive="D", Run="run-1", Name="..\\x"),
        call("Get-SkFolder", Drive="D", Nobody="x"),
        call("Get-SkNative", Path="Q:\\x"),
        call("Read-SkLease", Drive="D"),
        call("Assert-SkLease", **PR2, Owner="ci", Generation=1),
        call("Enter-SkLease", **PR2, Owner="ci on host \u00e4", Seconds=600, AtLeast=0),
        call("Read-SkLease", Drive="D"),
        call("Enter-SkLease", Drive="D", Run="run-2", Owner="other", Seconds=600, AtLeast=0),
        call("Enter-SkLease", **PR2, Owner="ci", Seconds=600, AtLeast=0),
        call("Assert-SkLease", **PR2, Owner="ci", Generation=1),
        call("Assert-SkLease", **PR2, Owner="ci", Generation=1, ErrorAction="Stop"),
        call("Assert-SkLease", Drive="D", Run="RUN-1", Owner="ci", Generation=1),
        call("Assert-SkLease", **PR2, Owner="ci", Generation=2),
        call("Assert-SkLease", **PR2, Owner="ci", Generation=2, ErrorAction="Stop"),
        call("Assert-SkLease", Drive="D", Run="run-2", Owner="ci", Generation=1, ErrorAction="Stop"),
        call("Enter-SkLease", **PR2, Owner="ci", Seconds=-5, AtLeast=41),
        call("Assert-SkLease", **PR2, Owner="ci", Generation=41),
        call("Assert-SkLease", **PR2, Owner="another", Generation=1),
        call("Enter-SkLease", Drive="D", Run="run-2", Owner="other", Seconds=600, AtLeast=0),
        call("Exit-SkLease", **PR2, Owner="ci"),
        call("Read-SkLease", Drive="D"),
        call("Exit-SkLease", Drive="D", Run="run-2", Owner="other"),
        call("Exit-SkLease", Drive="D", Run="run-2"),
        call("Read-SkLease", Drive="D"),
        call("Enter-SkLease", **PR2, Owner="ci", Seconds=600, AtLeast=0),
        call("Protect-SkFolder", Drive="D"),
        call("Protect-SkFolder", Drive="C"),
        call("Protect-SkFolder", Drive="E"),
        *guards(),
        call("Read-SkKey", Name="Setup", View="native"),
        call("Read-SkKey", Name="SQL Server", View="wow"),
        call("Read-SkKey", Name="Cryptography", View="native"),
        call("Read-SkKey", Name="setup", View="native"),
        call("Read-SkKey", Name="Setup", View="both"),
        call("Test-SkRegistry", **PR2, Name="SMS", View="native"),
        call("Test-SkRegistry", **PR2, Name="SMS", View="wow"),
        call("Test-SkRegistry", **PR2, Name="..", View="native"),
        call("Test-SkRegistry", **PR2, Name="SMS", View="both"),
        call("Export-SkRegistry", **PR2, Name="SMS", View="native"),
        call("Test-SkRegistry", **PR2, Name="SMS", View="native"),
        call("Export-SkRegistry", **PR2, Name="SMS", View="native"),
        call("Export-SkRegistry", **PR2, Name="SMS", View="wow"),
        call("Export-SkRegistry", **PR2, Name="NAL", View="native"),
        call("Export-SkRegistry", **PR2, Name="sms", View="native"),
        call("Export-SkRegistry", **PR2, Name="SMS", View="both"),
        call("Get-SkState", Service=["sms_executive", "VSS", "nobody"]),
        call("Get-SkState", Service=[]),
        call("Get-SkVolume", Id=volumes["E:\\Mounts\\Log\\"]),
        call("Get-SkVolume", Id=volumes["D:\\"].upper()),
        call("Get-SkVolume", Id="00000000-0000-4000-8000-000000000000"),
        call("Get-SkVolume", Id="D:\\"),
        call("Get-SkVssWriter"),
        call("Measure-SkInbox", Drive="D", Path=INSTALL),
        call("Measure-SkInbox", Drive="D", Path="nowhere"),
        call("Measure-SkInbox", Drive="D", Path="..\\x"),
        call("Measure-SkTree", Drive="D", Path=INSTALL),
        call("Measure-SkTree", Drive="D", Path="nowhere"),
        call("Measure-SkTree", Drive="D", Path="\\x"),
        call("Measure-SkTree", Drive="E", Path=""),
        call("Get-SkShadowRoot", **PR2, Index=0),
        call("Test-SkShadowSet", **PR2),
        call("Remove-SkShadowSet", **PR2),
        call("New-SkShadowSet", **shadow),
        call("New-SkShadowSet", **shadow),
        call("Write-SkShadowList", **PR2, Volume=[*three, ""]),
        call("Get-SkShadowRoot", **PR2, Index=0),
        call("Get-SkShadowRoot", **PR2, Index=2),
        call("Get-SkShadowRoot", **PR2, Index=9),
        call("Test-SkShadowSet", **PR2),
        call("Get-SkTree", **PR2, Index=0, Path=""),
        call("Get-SkTree", **PR2, Index=1, Path=""),
        call("Get-SkTree", **PR2, Index=2, Path=""),
        call("Get-SkTree", **PR2, Index=0, Path=f"{INSTALL}\\data"),
        call("Get-SkTree", **PR2, Index=0, Path=f"{INSTALL}\\data\\packageids.dat"),
        call("Get-SkTree", **PR2, Index=0, Path=f"{INSTALL}\\data\\junction\\inside.txt"),
        call("Get-SkTree", **PR2, Index=0, Path=f"{INSTALL}\\data\\junction"),
        call("Get-SkTree", **PR2, Index=0, Path="nowhere"),
        call("Get-SkTree", **PR2, Index=0, Path="a\\..\\b"),
        call("Get-SkTree", **PR2, Index=0, Path="C:\\x"),
        call("Get-SkTree", **PR2, Index=7, Path=""),
        call("Read-SkFile", **PR2, Index=0, Path=names, Offset=0),
        call("Read-SkFile", **PR2, Index=0, Path=names, Offset=100),
        call("Read-SkFile", **PR2, Index=0, Path=["big.bin", names[0], "big.bin"], Offset=0),
        call("Read-SkFile", **PR2, Index=0, Path=["big.bin", names[0]], Offset=600_001),
        call("Read-SkFile", **PR2, Index=0, Path=["big.bin"], Offset=262_144),
        call("Read-SkFile", **PR2, Index=0, Path=["edge.bin", "empty.bin", "big.bin"], Offset=0),
        call("Read-SkFile", **PR2, Index=0, Path=["empty.bin"], Offset=0),
        call("Read-SkFile", **PR2, Index=0, Path=[f"{INSTALL}\\data\\junction\\inside.txt", "empty.bin"], Offset=0),
        call("Read-SkFile", **PR2, Index=0, Path=[f"{INSTALL}\\data\\junction"], Offset=0),
        call("Read-SkFile", **PR2, Index=0, Path=[names[0], "..\\x"], Offset=0),
        call("Read-SkFile", **PR2, Index=1, Path=["MSSQL\\Data\\nothing.mdf"], Offset=0),
        call("Read-SkFile", **PR2, Index=8, Path=["x"], Offset=0),
        call("Remove-SkShadowSet", **PR2),
        call("Remove-SkShadowSet", **PR2),
        call("Test-SkShadowSet", **PR2),
        call("Get-SkShadowRoot", **PR2, Index=0),
        call("Remove-SkFolder", **PR2, Name="registry"),
        call("Remove-SkFolder", **PR2, Name="registry"),
        call("Remove-SkFolder", Drive="D", Name="registry"),
        call("Remove-SkFolder", **PR2, Name="../x"),
        fault("snapshot_fails"),
        call("New-SkShadowSet", **shadow),
        call("Remove-SkShadowSet", **PR2),
        fault("snapshot_in_progress"),
        call("New-SkShadowSet", **shadow),
        call("Remove-SkShadowSet", **PR2),
        fault("log_volume_missing"),
        call("New-SkShadowSet", **shadow),
        call("Get-SkVssWriter"),
        call("Remove-SkShadowSet", **PR2),
        fault("restart_between"),
        call("New-SkShadowSet", **shadow),
        call("Remove-SkShadowSet", **PR2),
        call("New-SkShadowSet", **{**shadow, "Exclude": []}),
        call("Remove-SkShadowSet", **PR2),
        call("New-SkShadowCopy", **PR2, Volume=three[2], Service=SERVICES),
        call("Remove-SkShadowSet", **PR2),
        call("Test-SkVshadow", Drive="D", Try=True),
        call("Test-SkVshadow", Drive="Q"),
        call("New-SkVshadow", **PR2, Volume=three, Service=SERVICES, SqlWriter=False),
        call("New-SkShadowSet", **{**shadow, "Volume": ["not a volume"]}),
        call("Remove-SkShadowSet", **PR2),
        call("Exit-SkLease", **PR2, Owner="ci"),
        call("Exit-SkLease", **PR2, Owner="ci"),
        call("Get-SkMaintenance", Kind="scom", Computer=["PR2.lab.example"]),
        call("Start-SkAgentMaintenance", Minutes=45, Comment="x", Run="run-1"),
    ]


def the_task() -> list[Call]:
    """The site's own backup task: what it wrote before is put aside, it is started, and what was put aside comes back or goes."""
    run, site = {"Drive": "D", "Run": "r3"}, {"Site": "PR1"}
    log = {"Drive": "D", "Path": "SMS"}
    return [
        call("Get-SkBackupTask", **site),
        call("Get-SkBackupTask", Site="pr1"),
        call("Get-SkBackupTask", Site="PR1\n"),
        call("Read-SkTaskLog", **log, Offset=-1),
        call("Read-SkTaskLog", **log, Offset=0),
        call("Read-SkTaskLog", **log, Offset=65_536),
        call("Read-SkTaskLog", **log, Offset=80_000),
        call("Read-SkTaskLog", **log, Offset=90_000),
        call("Read-SkTaskLog", Drive="D", Path="nowhere", Offset=7),
        call("Read-SkTaskLog", Drive="D", Path="..\\x", Offset=0),
        call("Read-SkTaskControl", **log),
        call("Read-SkTaskControl", Drive="D", Path="nowhere"),
        call("Read-SkTaskControl", Drive="d", Path="SMS"),
        call("Get-SkTaskMark", **run),
        call("Get-SkTaskMark", Drive="D"),
        call("Complete-SkTaskBackup", **run, Keep="new"),
        call("Complete-SkTaskBackup", **run, Keep="both"),
        call("Start-SkBackupTask", **run),
        call("Save-SkTaskBackup", Drive="D", **site),
        call("Save-SkTaskBackup", **run, Site="../"),
        call("Save-SkTaskBackup", Drive="C", Run="r3", **site),
        call("Save-SkTaskBackup", **run, **site),
        call("Save-SkTaskBackup", **run, **site),
        call("Save-SkTaskBackup", **run, Site="PR2"),
        call("Get-SkShadowRoot", **run, Index=-1),
        call("Complete-SkTaskBackup", **run, Keep="new"),
        call("Complete-SkTaskBackup", **run, Keep="previous"),
        call("Complete-SkTaskBackup", **run, Keep="previous"),
        call("Save-SkTaskBackup", **run, **site),
        call("Start-SkBackupTask", **run),
        call("Start-SkBackupTask", **run),
        call("Save-SkTaskBackup", **run, **site),
        call("Get-SkTaskMark", **run),
        call("Complete-SkTaskBackup", **run, Keep="previous"),
        call("Get-SkShadowRoot", **run, Index=-1),
        call("Get-SkTree", **run, Index=-1, Path=""),
        call("Read-SkFile", **run, Index=-1, Path=["SiteServer\\SMSbkSiteRegSMS.dat", "no such file"], Offset=0),
        call("Complete-SkTaskBackup", **run, Keep="new"),
        call("Remove-SkFolder", **run, Name="task"),
        call("Get-SkTaskMark", **run),
    ]


def on_2003(volumes: dict[str, str]) -> list[Call]:
    """The WMI way, on a host without diskshadow; and vshadow, which the operator put there."""
    run = {"Drive": "D", "Run": "r3"}
    two = {"Volume": [volumes["D:\\"], volumes["C:\\"]], "Service": SERVICES}
    return [
        call("Enter-SkLease", **run, Owner="ci", Seconds=600, AtLeast=0),
        call("Get-SkGuardScript", **run, Number=1, Minutes=30, Service=["SMS_EXECUTIVE"], Kind="window"),
        call("Get-SkGuardScript", **run, Number=2, Minutes=30, Service=[], Kind="leak"),
        call("Register-SkGuard", **run, Number=2, Minutes=30, Service=[], Kind="leak"),
        call("Test-SkGuard", **run, Number=2),
        call("Test-SkGuard", **run, Number=22),
        call("Unregister-SkGuard", **run, Number=2),
        call("Test-SkGuard", **run, Number=2),
        call("Read-SkKey", Name="Identification", View="wow"),
        call("Test-SkRegistry", **run, Name="NAL", View="native"),
        call("Export-SkRegistry", **run, Name="SMS", View="wow"),
        call("Export-SkRegistry", **run, Name="NAL", View="native"),
        call(
            "New-SkShadowSet",
            **run,
            Volume=[volumes["D:\\"]],
            Service=SERVICES,
            Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"],
        ),
        call("Remove-SkShadowSet", **run),
        call("New-SkShadowCopy", **run, Volume=volumes["D:\\"], Service=SERVICES),
        call("New-SkShadowCopy", **run, Volume=volumes["D:\\"], Service=SERVICES),
        call("Get-SkShadowRoot", **run, Index=0),
        call("Get-SkTree", **run, Index=0, Path="SMS\\data"),
        call("Read-SkFile", **run, Index=0, Path=["SMS\\data\\packageids.dat", "no such file"], Offset=0),
        call("Test-SkShadowSet", **run),
        call("Remove-SkShadowSet", **run),
        fault("snapshot_in_progress"),
        call("New-SkShadowCopy", **run, Volume=volumes["D:\\"], Service=SERVICES),
        call("Remove-SkShadowSet", **run),
        call("Test-SkVshadow", Drive="C", Try=True),
        call("Test-SkVshadow", Drive="D"),
        call("Test-SkVshadow", Drive="D", Try=True),
        call("New-SkVshadow", **run, **two, SqlWriter=False),
        call("New-SkVshadow", **run, **two, SqlWriter=False),
        call("Get-SkShadowRoot", **run, Index=1),
        call("Test-SkShadowSet", **run),
        call("Get-SkTree", **run, Index=0, Path="SMS\\data"),
        call("Read-SkFile", **run, Index=0, Path=["SMS\\data\\packageids.dat", "no such file"], Offset=0),
        call("Remove-SkShadowSet", **run),
        call("Remove-SkShadowSet", **run),
        call("Test-SkShadowSet", **run),
        call("New-SkVshadow", **run, **two, SqlWriter=True),
        call("Remove-SkShadowSet", **run),
        fault("snapshot_fails"),
        call("New-SkVshadow", **run, **two, SqlWriter=False),
        call("Remove-SkShadowSet", **run),
        fault("snapshot_in_progress"),
        call("New-SkVshadow", **run, **two, SqlWriter=False),
        call("Remove-SkShadowSet", **run),
        fault("vanish_after_create"),
        call("New-SkVshadow", **run, **two, SqlWriter=False),
        call("Test-SkShadowSet", **run),
        call("Remove-SkShadowSet", **run),
        call("New-SkVshadow", **run, Volume=["not a volume"], Service=[], SqlWriter=False),
        call("Remove-SkShadowSet", **run),
        *the_task(),
        call("Exit-SkLease", **run, Owner="ci"),
    ]


def maintenance(kind: str) -> list[Call]:
    """Maintenance mode, asked of a management server of this generation."""
    soon, past = "2199-01-01T00:00:00.0000000Z", "2001-01-01T00:00:00.0000000Z"
    one, two = (
        {"Kind": kind, "Computer": ["PR2.lab.example"]},
        {"Kind": kind, "Computer": ["pr2.LAB.example", "CEN.lab.example"]},
    )
    begin = {"Minutes": 45, "Comment": "site backup \u00e4", "NotAfter": soon}
    end = {"Kind": kind, "Computer": "PR2.lab.example", "Comment": "", "Later": False}
    return [
        call("Get-SkMonitored", Kind=kind, Computer="pr2.lab.example"),
        call("Get-SkMonitored", Kind=kind, Computer="nobody.lab.example"),
        call("Get-SkMonitored", Kind=kind, Computer="a' OR 1=1"),
        call("Get-SkMonitored", Kind=kind, Computer="a\n"),
        call("Get-SkMonitored", Kind="Scom", Computer="a"),
        call("Get-SkMaintenance", **two),
        call("Get-SkMaintenance", Kind=kind, Computer=["nobody", "CEN.lab.example"]),
        call("Get-SkMaintenance", Kind="other", Computer=["CEN.lab.example"]),
        call("Get-SkMaintenance", Kind=kind, Computer=[]),
        call("Start-SkMaintenance", **one, **{**begin, "Minutes": 4}, Run="run-1"),
        call("Start-SkMaintenance", **one, **begin, Run="Run"),
        call("Start-SkMaintenance", **one, **{**begin, "NotAfter": past}, Run="run-1"),
        call("Start-SkMaintenance", **one, **{**begin, "NotAfter": "soon"}, Run="run-1"),
        call("Start-SkMaintenance", Kind=kind, Computer=["nobody"], **begin, Run="run-1"),
        call("Start-SkMaintenance", **one, **begin, Run="run-1"),
        call("Get-SkMonitored", Kind=kind, Computer="PR2.lab.example"),
        call("Start-SkMaintenance", **two, **begin, Run="run-2"),
        call("Get-SkMaintenance", **two),
        call("Start-SkMaintenance", **one, **{**begin, "Minutes": 90}, Run="run-1"),
        call("Stop-SkMaintenance", **two, Run="run-1", NotAfter=past),
        call("Stop-SkMaintenance", **two, Run="run 1", NotAfter=soon),
        call("Stop-SkMaintenance", **two, Run="run-1", NotAfter=soon),
        call("Stop-SkMaintenance", **two, Run="run-1", NotAfter=soon),
        call("Start-SkMaintenance", **one, **begin, Run="run-3"),
        call("Set-SkMaintenanceEnd", **end, Run="run-3", End="2198-01-01T00:00:00.0000000Z"),
        call("Set-SkMaintenanceEnd", **{**end, "Later": True}, Run="run-1", End="2198-01-01T00:00:00.0000000Z"),
        call("Set-SkMaintenanceEnd", **{**end, "Later": True}, Run="run-3", End="2198-01-01T00:00:00.0000000Z"),
        call("Set-SkMaintenanceEnd", **end, Run="run-3", End="never"),
        call("Set-SkMaintenanceEnd", **{**end, "Computer": "nobody"}, Run="run-3", End=soon),
        call("Get-SkMaintenance", **two),
        call("Stop-SkMaintenance", Kind=kind, Computer=["nobody"], Run="run-1", NotAfter=soon),
        call("Start-SkAgentMaintenance", Minutes=45, Comment="x", Run="run-1"),
        call("Start-SkAgentMaintenance", Minutes=1, Comment="x", Run="run-1"),
        call("Start-SkAgentMaintenance", Minutes=45, Comment="x", Run="../x"),
    ]


def on_scratch(_: dict[str, str]) -> list[Call]:
    """Everything about files in the work folder of SQL Server."""
    root, run = {"Root": "D:\\Drill"}, {"Root": "D:\\Drill", "Run": "run-1"}
    names = [
        "a b.mdf",
        "..",
        ".x",
        "x.",
        "x ",
        "a/b",
        "a\\b",
        "a:b",
        "NUL",
        "con.mdf",
        "com1.ldf",
        "x" * 129,
        "",
        "\u00e4.mdf",
        "a\n",
    ]
    return [
        *(call("Get-SkWorkFolder", **run, Name=name) for name in names),
        call("Get-SkWorkFolder", **root),
        call("Get-SkWorkFolder", **root, Name="x"),
        *(
            call("Get-SkWorkFolder", Root=one)
            for one in ("D:\\", "D:", "Drill", "D:\\Drill\\..", "D:\\Drill\\", "\\\\x\\y", "D:/Drill", "")
        ),
        call("Get-SkWorkFolder", Root="D:\\"),
        call("Get-SkWorkFolder", Root="C:\\Windows"),
        call("Get-SkWorkFolder", Root="Q:\\Drill"),
        *(call("Get-SkWorkFolder", **root, Run=one) for one in ("Run", "..", "a b", "-a", "x" * 65, "linked", "a\n")),
        call("Get-SkWorkFolder", **root, Run="run-8", Name="link.mdf"),
        call("Get-SkWorkFile", **run),
        call("Write-SkWorkFile", **run, Name="one.mdf", Offset=0, Data=bytes(range(256)) * 4000),
        call("Write-SkWorkFile", **run, Name="one.mdf", Offset=1_024_000, Data=b"and more"),
        call("Write-SkWorkFile", **run, Name="one.mdf", Offset=1_024_000, Data=b"and more"),
        call("Write-SkWorkFile", **run, Name="one.mdf", Offset=1_024_000, Data=b"less"),
        call("Write-SkWorkFile", **run, Name="one.mdf", Offset=2_000_000, Data=b"gap"),
        call("Write-SkWorkFile", **run, Name="one.mdf", Offset=-1, Data=b"x"),
        call("Write-SkWorkFile", **run, Name="empty.ldf", Offset=0, Data=b""),
        call("Write-SkWorkFile", **run, Name="..\\x", Offset=0, Data=b"x"),
        call("Write-SkWorkFile", **run, Name="", Offset=0, Data=b"x"),
        call("Write-SkWorkFile", **root, Name="x", Offset=0, Data=b"x"),
        call("Write-SkWorkFile", **root, Run="linked", Name="x", Offset=0, Data=b"x"),
        call("Write-SkWorkFile", **root, Run="run-8", Name="link.mdf", Offset=0, Data=b"x"),
        call("Get-SkWorkFile", **root, Run="run-9"),
        call("Measure-SkWorkFile", **run, Name=["one.mdf", "empty.ldf", "none.mdf"]),
        call("Measure-SkWorkFile", **run),
        call("Measure-SkWorkFile", **run, Name=["..\\run-9\\left.mdf"]),
        *(
            call("Read-SkWorkFile", **run, Name="one.mdf", Offset=at)
            for at in (0, 300_000, 1_024_004, 1_024_008, 1_024_009, -1)
        ),
        call("Read-SkWorkFile", **run, Name="empty.ldf", Offset=0),
        call("Read-SkWorkFile", **run, Name="none.mdf", Offset=0),
        call("Read-SkWorkFile", **run, Name="..\\run-9\\left.mdf", Offset=0),
        call("Read-SkWorkFile", **run, Name="", Offset=0),
        call("Read-SkWorkFile", **root, Name="x", Offset=0),
        call("Read-SkWorkFile", **root, Run="run-8", Name="link.mdf", Offset=0),
        call("Measure-SkWorkFile", **root, Name=["x"]),
        call("Remove-SkWorkFile", **run, Name=["one.mdf", "never.mdf"]),
        call("Remove-SkWorkFile", **run, Name=["../x"]),
        call("Get-SkWorkFile", **run),
        call("Remove-SkWorkFile", **run, Name=["empty.ldf"]),
        call("Remove-SkWorkFile", **run, Name=["empty.ldf"]),
        call("Get-SkWorkFile", **run),
        call("Remove-SkWorkFile", **root),
        call("Remove-SkWorkFile", **root, Run="linked"),
        call("Remove-SkWorkFile", **root, Run="dir-1"),
        call("Remove-SkWorkFile", **root, Run="run-8"),
        call("Get-SkWorkFile", **root, Run="run-9"),
        call("Remove-SkWorkFile", **root, Run="run-9"),
        call("Get-SkWorkFile", **root, Run="run-9"),
    ]


def recoveries() -> list[Call]:
    """What is laid beside a site, and setup; on the host that the lease's drive D is of."""
    stage = {"Root": "E:\\Restore", "Run": "run-1-stage"}
    setup = {"Drive": "C", "Run": "run-1", "Root": "E:\\Restore"}
    programs = "CD.Latest\\SMSSETUP\\BIN\\X64\\"
    words = [
        "a.txt",
        "Bericht \u00dc\\\u5831.dat",
        "100% sure & (ok).txt",
        "..",
        "a\\..\\b",
        "",
        "a\\",
        "\\a",
        "a:b",
        "a*",
        "nul",
        "a\\con.txt",
        "x.",
        "x ",
        "a\t",
        "C:\\x",
    ]
    names = ["PRI", "PR2.lab.example", "PR2.lab.example"]
    return [
        *(call("Get-SkStagePath", **stage, Path=word) for word in words),
        call("Get-SkStagePath", Root="E:\\Restore", Path="a"),
        call("Get-SkStagePath", Root="E:\\", Run="run-1", Path="a"),
        call("Measure-SkStage", **stage),
        call(
            "Write-SkStage",
            **stage,
            Entry=["-1\tCD.Latest\\empty", "3\tCD.Latest\\a.txt", "0\tb.txt"],
            Offset=0,
            Data=b"abc",
        ),
        call("Write-SkStage", **stage, Entry=["3\tCD.Latest\\a.txt"], Offset=3, Data=b"def"),
        call("Write-SkStage", **stage, Entry=["3\tCD.Latest\\a.txt"], Offset=3, Data=b"def"),
        call("Write-SkStage", **stage, Entry=["1\tCD.Latest\\a.txt"], Offset=99, Data=b"d"),
        call("Write-SkStage", **stage, Entry=["4\tc.txt"], Offset=0, Data=b"abc"),
        call("Write-SkStage", **stage, Entry=["2\tc.txt"], Offset=0, Data=b"abc"),
        call("Write-SkStage", **stage, Entry=["c.txt"], Offset=0, Data=b"abc"),
        call("Write-SkStage", **stage, Entry=["3\t..\\c.txt"], Offset=0, Data=b"abc"),
        call("Write-SkStage", Root="E:\\Restore", Entry=["3\tc.txt"], Offset=0, Data=b"abc"),
        call("Measure-SkStage", Root="E:\\Restore"),
        call("Remove-SkStage", Root="E:\\Restore"),
        call("Read-SkSetup", Drive="C", Run="run-1", Step="setup"),
        call("Read-SkSetup", Drive="C", Run="run-1", Step="Setup"),
        call("Start-SkSetup", **setup, Step="install", Name=[]),
        call("Start-SkSetup", **setup, Step="setup", Name=["a b"]),
        call("Start-SkSetup", **setup, Step="setup", Name=[]),
        call(
            "Write-SkStage",
            **stage,
            Entry=[f"2\t{programs}setup.exe", f"2\t{programs}prereqchk.exe"],
            Offset=0,
            Data=b"MZMZ",
        ),
        call("Start-SkSetup", Drive="C", Run="run-1", Root="E:\\a%b", Step="setup", Name=[]),
        call("Start-SkSetup", **setup, Step="prerequisites", Name=names, Expected="LAB\\nobody"),
        call("Start-SkSetup", **setup, Step="prerequisites", Name=names),
        call("Start-SkSetup", **setup, Step="prerequisites", Name=names),
        call("Read-SkSetup", Drive="C", Run="run-1", Step="prerequisites"),
        call("Start-SkSetup", **setup, Step="setup", Name=[]),
        call("Read-SkSetup", Drive="C", Run="run-1", Step="setup"),
        call("Remove-SkStage", **stage),
        call("Remove-SkStage", **stage),
        call("Measure-SkStage", **stage),
        call("Save-SkAccount", Drive="C", Run="run-1"),
        call("Save-SkAccount", Drive="C", Run="run-1"),
        call("Save-SkAccount", Drive="C"),
        call("Remove-SkFolder", Drive="C", Run="run-1", Name="srvacct"),
        call("Remove-SkFolder", Drive="C", Run="run-1", Name="setup"),
    ]


@pytest.fixture
def scenarios() -> dict[str, Callable[[dict[str, str]], list[Call]]]:
    """Host name to what is asked there."""
    return {
        "PR2": lambda volumes: [*on_2012(volumes), *recoveries()],
        "PR1": on_2003,
        "OPS1": lambda _: maintenance("scom"),
        "RMS1": lambda _: maintenance("opsmgr2007"),
        "DRILL1": on_scratch,
    }


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """The labs of both engines, each started when it is first asked for."""
    yield from started(tmp_path_factory.mktemp("engines"), CASES)
