"""The twin of Get-SkState.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, twin

SHA256 = "053d92cd5c972241b7b7f661371f1766119626581f9e0684a749e4806217bf45"


def run(call: Call) -> Iterator[PsObject]:
    """Which services run, in which process, since which boot."""
    wanted = {name.casefold() for name in call.bound.texts("Service") or []}
    with call.host.lock:
        boot = call.wmi.get("Win32_OperatingSystem", ("LastBootUpTime",), None)[0].adapted["LastBootUpTime"]
        found = [
            custom(Name=service.name, State=service.state, Pid=PSInt64(service.pid), Boot=boot)
            for service in call.host.machine.services.values()
            if service.name.casefold() in wanted
        ]
    yield from found


TWIN = twin("Get-SkState", SHA256, run, Service="string[]")
