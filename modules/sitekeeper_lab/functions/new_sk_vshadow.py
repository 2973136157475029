"""The twin of New-SkVshadow.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, run_tool, text, thrown, twin

SHA256 = "8dd6dd69184a11da4f002684c27edc16cc1d624a36bdbe71a8981d6fc8e6b234"

_SMS_WRITER = "{03ba67dd-dc6d-4729-a038-251f7018463b}"
_SQL_WRITER = "{a65faa63-5ea8-4ebc-9dbd-a0c4db26912a}"
_SET = re.compile(r"^SET V?SHADOW_SET_ID=(\{[0-9a-f-]{36}\})\s*$", re.IGNORECASE)
_ID = re.compile(r"^SET V?SHADOW_ID_([0-9]+)=(\{[0-9a-f-]{36}\})\s*$", re.IGNORECASE)


def run(call: Call) -> Iterator[PsObject]:
    """One set over all given volumes by the operator's vshadow.exe."""
    drive, run_id, host = text(call, "Drive"), text(call, "Run"), call.host
    volumes, services = call.bound.texts("Volume") or [], call.bound.texts("Service") or []
    call.function("Protect-SkFolder", Drive=drive)
    tool = f"{call.one('Get-SkFolder', Drive=drive)}\\vshadow.exe"
    if not host.exists(tool):
        raise thrown("SkVshadowMissing")
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="shadow")
    if host.exists(folder):
        raise thrown("SkShadowSetExists")
    host.make_folder(folder)
    plain = f"{drive}:\\sitekeeper\\{run_id}\\shadow"
    arguments = ["-p", f"-wx={_SMS_WRITER}"]
    arguments += [] if call.bound.switch("SqlWriter") else [f"-wx={_SQL_WRITER}"]
    arguments.append(f"-script={plain}\\setvar.cmd")
    for number, volume in enumerate(volumes):
        arguments.append(call.one("Get-SkVolume", Id=volume).rstrip("\\"))
        host.make_folder(f"{folder}\\{number}")

    call.function("Write-SkShadowList", Drive=drive, Run=run_id, Volume=volumes)
    before = call.function("Get-SkState", Service=services)
    said, code = run_tool(call, tool, *arguments)
    after = call.function("Get-SkState", Service=services)
    set_id, ids = _written_down(host.read(f"{folder}\\setvar.cmd") if host.exists(f"{folder}\\setvar.cmd") else b"")
    mark = ""
    if set_id:
        lines = [f"run {run_id}", f"set {set_id}"]
        lines += [f"copy {n} {volume} {ids[n + 1]}" for n, volume in enumerate(volumes) if n + 1 in ids]
        mark = "".join(f"{line}\r\n" for line in lines)
        host.write(f"{folder}\\mark.txt", mark.encode("ascii"))
        for number in range(len(volumes)):
            if number + 1 in ids:
                more, exposed = run_tool(call, tool, f"-el={ids[number + 1]},{plain}\\{number}")
                said += more
                code = exposed or code
    yield custom(ExitCode=code, Transcript="\n".join(said), Mark=mark, Document="", Before=before, After=after)


def _written_down(script: bytes) -> tuple[str, dict[int, str]]:
    set_id, ids = "", {}
    for line in script.decode("utf-8").replace("\r", "").split("\n"):
        if match := _SET.match(line):
            set_id = match[1]
        if match := _ID.match(line):
            ids[int(match[1])] = match[2]
    return set_id, ids


TWIN = twin(
    "New-SkVshadow",
    SHA256,
    run,
    Drive="string",
    Run="string",
    Volume="string[]",
    Service="string[]",
    SqlWriter="bool",
)
