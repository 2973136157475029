"""The twin of Read-SkSetup.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, text, thrown, twin

SHA256 = "3d3c09e98b37e55f6bcbd6e6682ff112f4835f6dcb3387dfc6fbaa0b43d33f68"


def run(call: Call) -> Iterator[PsObject]:
    """How far a step of setup is."""
    drive, step, host = text(call, "Drive"), text(call, "Step"), call.host
    if not re.fullmatch(r"(prerequisites|setup)", step):
        raise thrown("SkInvalidStep")
    folder = call.one("Get-SkFolder", Drive=drive, Run=text(call, "Run"), Name="setup")
    started, file = host.exists(f"{folder}\\{step}.started"), f"{folder}\\{step}.code"
    code = host.read(file).decode("utf-8").strip() if started and host.exists(file) else ""
    log = f"{drive}:\\{'ConfigMgrPrereq.log' if step == 'prerequisites' else 'ConfigMgrSetup.log'}"
    data = host.read(log) if host.exists(log) else b""
    command = f"{drive}:\\sitekeeper\\setup.cmd".lower()
    alive = any(task.pid and command in task.command.lower() for task in host.machine.tasks)
    yield custom(
        Started=started, Alive=alive, Code=code, Length=PSInt64(len(data)), Tail=data[-4096:].decode("utf-8", "replace")
    )


TWIN = twin("Read-SkSetup", SHA256, run, Drive="string", Run="string", Step="string")
