"""The twin of Start-SkBackupTask.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, text, thrown, twin, value_of

SHA256 = "030ca83543988145ae6fb136af3277d2cce26615bf7d6279e0e44a82e98f6056"
_RUNS = 10


def run(call: Call) -> Iterator[PsObject]:
    """Starts the site's own backup task, and writes down that this run did."""
    drive, run_id, host = text(call, "Drive"), text(call, "Run"), call.host
    mark = call.function("Get-SkTaskMark", Drive=drive, Run=run_id)
    if not mark:
        raise thrown("SkNoTaskMark")
    if value_of(mark[0], "Started") >= 0:
        raise thrown("SkTaskStarted")
    place = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="task")
    service = host.machine.services["SMS_SITE_BACKUP"]
    if service.state != "Stopped":
        yield custom(Code=_RUNS, Process=PSInt64(0))
        return
    host.write(f"{place}\\starting.txt", b"starting")
    made = call.wmi.invoke("Win32_Service.Name='SMS_SITE_BACKUP'", "StartService", [])
    code, process = int(made.adapted["ReturnValue"]), 0
    if code == 0:
        process = service.pid
        host.write(f"{place}\\started.txt", str(process).encode())
    else:
        host.delete_file(f"{place}\\starting.txt")
    yield custom(Code=code, Process=PSInt64(process))


TWIN = twin("Start-SkBackupTask", SHA256, run, Drive="string", Run="string")
