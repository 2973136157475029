"""The twin of Register-SkGuard.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, number, run_tool, text, twin, written_error

SHA256 = "75d97ee02575ecbe07f1e2176143c6164b5ce85a48815819754db5877a052d8d"

_UNAVAILABLE = 21
_SYSTEM = '<Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal>'


def run(call: Call) -> Iterator[PsObject]:
    """Arms a guard: script, task, and one run at once."""
    drive, run_id, guard, host = text(call, "Drive"), text(call, "Run"), number(call, "Number"), call.host
    script = call.function("Get-SkGuardScript", **call.bound.values)
    call.function("Protect-SkFolder", Drive=drive)
    call.function("Unregister-SkGuard", Drive=drive, Run=run_id, Number=guard)
    folder = f"{call.one('Get-SkFolder', Drive=drive, Run=run_id, Name='guard')}\\{guard}"
    plain = f"{drive}:\\sitekeeper\\{run_id}\\guard\\{guard}"
    name = f"sitekeeper-{run_id}-{guard}"
    host.make_folder(folder)
    host.write(f"{folder}\\0.count", b"")
    host.write(f"{folder}\\beat.txt", b"beat")
    host.write(f"{folder}\\guard.cmd", "".join(f"{line}\r\n" for line in script).encode("ascii"))
    boot: int | None = 0
    if host.machine.os.level < (6, 0):
        command = ["/create", "/tn", name, "/tr", f"{plain}\\guard.cmd", "/sc", "minute", "/mo", "1", "/ru", "SYSTEM"]
        said, code = run_tool(call, "schtasks.exe", *command)
        command = ["/create", "/tn", f"{name}-start", "/tr", f"{plain}\\guard.cmd", "/sc", "onstart", "/ru", "SYSTEM"]
        more, boot = run_tool(call, "schtasks.exe", *command)
        said += more
    else:
        task = "".join(f"{line}\r\n" for line in _task(plain, f"sitekeeper: guard {guard} of run {run_id}"))
        host.write(f"{folder}\\task.xml", b"\xff\xfe" + task.encode("utf-16-le"))
        said, code = run_tool(call, "schtasks.exe", "/create", "/tn", name, "/xml", f"{plain}\\task.xml")
    if code != 0 or boot != 0:
        message = f"schtasks.exe /create ended with {code} and {boot}: {' '.join(said)}"
        written_error(call, message, "SkGuardNotCreated", _UNAVAILABLE, name)
        return
    _, ran = run_tool(call, "schtasks.exe", "/run", "/tn", name)
    yield custom(Name=name, ExitCode=code, BootExitCode=boot, RunExitCode=ran)


def _task(plain: str, description: str) -> list[str]:
    return [
        '<?xml version="1.0" encoding="UTF-16"?>',
        '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
        f"<RegistrationInfo><Description>{description}</Description></RegistrationInfo>",
        "<Triggers>",
        "<BootTrigger><Enabled>true</Enabled></BootTrigger>",
        "<TimeTrigger><Repetition><Interval>PT1M</Interval><StopAtDurationEnd>false</StopAtDurationEnd></Repetition>",
        "<StartBoundary>2000-01-01T00:00:00Z</StartBoundary><Enabled>true</Enabled></TimeTrigger>",
        "</Triggers>",
        f"<Principals>{_SYSTEM}</Principals>",
        "<Settings>",
        "<MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
        "<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
        "<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
        "<AllowHardTerminate>true</AllowHardTerminate>",
        "<StartWhenAvailable>true</StartWhenAvailable>",
        "<RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>",
        "<AllowStartOnDemand>true</AllowStartOnDemand>",
        "<Enabled>true</Enabled><Hidden>false</Hidden><RunOnlyIfIdle>false</RunOnlyIfIdle><WakeToRun>false</WakeToRun>",
        "<ExecutionTimeLimit>PT1H</ExecutionTimeLimit><Priority>5</Priority>",
        "</Settings>",
        f'<Actions Context="Author"><Exec><Command>{plain}\\guard.cmd</Command></Exec></Actions>',
        "</Task>",
    ]


TWIN = twin(
    "Register-SkGuard",
    SHA256,
    run,
    Drive="string",
    Run="string",
    Number="int",
    Minutes="int",
    Service="string[]",
    Kind="string",
)
