"""The twin of New-SkShadowCopy.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, text, thrown, twin, written_error

_UNAVAILABLE = 21

SHA256 = "720e07aae022cc2967eb4d6a62bec33e00266ca360c5d4135cbd82027bc4832e"


def run(call: Call) -> Iterator[PsObject]:
    """One crash-consistent copy of one volume through WMI, read through the volume's administrative share."""
    drive, run_id, volume, host = text(call, "Drive"), text(call, "Run"), text(call, "Volume"), call.host
    services = call.bound.texts("Service") or []
    call.function("Protect-SkFolder", Drive=drive)
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="shadow")
    if host.exists(folder):
        raise thrown("SkShadowSetExists")
    host.make_folder(folder)
    name = call.one("Get-SkVolume", Id=volume)
    if not re.search(r"^[A-Za-z]:\\$", name):
        raise thrown("SkVolumeWithoutLetter")
    call.function("Write-SkShadowList", Drive=drive, Run=run_id, Volume=[volume])
    before = call.function("Get-SkState", Service=services)
    made = call.wmi.invoke("Win32_ShadowCopy", "Create", ["ClientAccessible", name])
    after = call.function("Get-SkState", Service=services)
    code = int(made.adapted["ReturnValue"])
    if code != 0:
        message = f"Win32_ShadowCopy.Create answered {code}"
        written_error(call, message, f"SkShadowCopy{code}", _UNAVAILABLE, name)
        return
    shadow = str(made.adapted["ShadowID"])
    set_id = gmt = ""
    for copy in host.machine.shadows:
        if f"{{{copy.id}}}" == shadow.lower():
            set_id = f"{{{copy.set_id.upper()}}}"
            gmt = datetime.fromisoformat(copy.created).astimezone(UTC).strftime("%Y.%m.%d-%H.%M.%S")
    lines = [f"run {run_id}", f"set {set_id}", f"copy 0 {volume} {shadow}", f"share 0 {name[:1]} {gmt}"]
    mark = "".join(f"{line}\r\n" for line in lines)
    host.write(f"{folder}\\mark.txt", mark.encode("ascii"))
    yield custom(ExitCode=0, Transcript="", Mark=mark, Document="", Before=before, After=after)


TWIN = twin("New-SkShadowCopy", SHA256, run, Drive="string", Run="string", Volume="string", Service="string[]")
