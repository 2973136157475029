"""The twin of New-SkShadowSet.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, run_tool, text, thrown, twin

SHA256 = "5065bbdef861c171a700b7fd22628917277498d44078312ea489da21d0ca5904"

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def run(call: Call) -> Iterator[PsObject]:
    """One diskshadow set over all given volumes."""
    drive, run_id, host = text(call, "Drive"), text(call, "Run"), call.host
    volumes, services = call.bound.texts("Volume") or [], call.bound.texts("Service") or []
    excluded = call.bound.texts("Exclude") or []
    if not all(_GUID.fullmatch(writer) for writer in excluded):
        raise thrown("SkInvalidWriter")
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="shadow")
    call.function("Protect-SkFolder", Drive=drive)
    if host.exists(folder):
        raise thrown("SkShadowSetExists")
    host.make_folder(folder)
    plain = f"{drive}:\\sitekeeper\\{run_id}\\shadow"
    names = [call.one("Get-SkVolume", Id=volume) for volume in volumes]

    script = [
        "set verbose on",
        "set context persistent",
        "set option noautorecover",
        f"set metadata {plain}\\metadata.cab",
    ]
    script += [f"writer exclude {{{writer}}}" for writer in excluded]
    mark = ["@echo off", f'>"{plain}\\mark.txt" echo run {run_id}']
    mark.append(f'>>"{plain}\\mark.txt" echo set %VSS_SHADOW_SET%')
    for number, (name, volume) in enumerate(zip(names, volumes, strict=True)):
        script.append(f"add volume {name} alias sk{number}")
        mark.append(f'>>"{plain}\\mark.txt" echo copy {number} {volume} %sk{number}%')
        host.make_folder(f"{folder}\\{number}")
    script += ["create", f"exec {plain}\\mark.cmd"]
    script += [f"expose %sk{number}% {plain}\\{number}" for number in range(len(names))]
    script.append("exit")
    host.write(f"{folder}\\mark.cmd", "".join(f"{line}\r\n" for line in mark).encode("ascii"))
    host.write(f"{folder}\\set.dsh", "".join(f"{line}\r\n" for line in script).encode("ascii"))

    call.function("Write-SkShadowList", Drive=drive, Run=run_id, Volume=volumes)
    before = call.function("Get-SkState", Service=services)
    said, code = run_tool(call, "diskshadow.exe", "/s", f"{plain}\\set.dsh")
    after = call.function("Get-SkState", Service=services)
    file = f"{folder}\\mark.txt"
    written = host.read(file).decode("utf-8") if host.exists(file) else ""
    document = ""
    if host.exists(f"{folder}\\metadata.cab"):
        host.make_folder(f"{folder}\\metadata")
        run_tool(call, "expand.exe", f"{plain}\\metadata.cab", "-F:BCDocument.xml", f"{plain}\\metadata")
        xml = f"{folder}\\metadata\\BCDocument.xml"
        document = host.read(xml).decode("utf-8") if host.exists(xml) else ""
    yield custom(ExitCode=code, Transcript="\n".join(said), Mark=written, Document=document, Before=before, After=after)


TWIN = twin(
    "New-SkShadowSet",
    SHA256,
    run,
    Drive="string",
    Run="string",
    Volume="string[]",
    Service="string[]",
    Exclude="string[]",
)
