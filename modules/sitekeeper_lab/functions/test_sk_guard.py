"""The twin of Test-SkGuard.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, number, run_tool, text, thrown, twin

SHA256 = "4115da50e145469063bf058c69e41730ed615d3f9dca15c2a36a864faed5815f"

_FILES = ("guard.cmd", "seen.txt", "beat.txt", "acting.txt", "done.txt", "acted.txt")


def run(call: Call) -> Iterator[PsObject]:
    """What became of a guard."""
    run_id, host = text(call, "Run"), call.host
    if not run_id:
        raise thrown("SkInvalidRun")
    parent = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=run_id, Name="guard")
    folder = f"{parent}\\{number(call, 'Number')}"
    name = f"sitekeeper-{run_id}-{number(call, 'Number')}"
    if host.machine.os.level < (6, 0):
        said, _ = run_tool(call, "schtasks.exe", "/query", "/fo", "csv", "/nh")
        registered = any(line.lower().startswith(f'"{name}",'.lower()) for line in said)
    else:
        _, code = run_tool(call, "schtasks.exe", "/query", "/tn", name)
        registered = code == 0
    there = {file: host.exists(f"{folder}\\{file}") for file in _FILES}
    count = -1
    if there["guard.cmd"]:
        for file in host.files.resolve(folder).glob("*.count"):
            count = int(file.stem)
    written = host.read(f"{folder}\\acted.txt").decode("utf-8") if there["acted.txt"] else ""
    yield custom(
        Registered=registered,
        Seen=there["seen.txt"],
        Count=count,
        Beat=there["beat.txt"],
        Acting=there["acting.txt"],
        Done=there["done.txt"],
        Written=written,
    )


TWIN = twin("Test-SkGuard", SHA256, run, Drive="string", Run="string", Number="int")
