"""What happens to a lab host at once, by name (``faults.AT_ONCE``), and stays so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sitekeeper_lab.machine import Machine
from sitekeeper_lab.windows.services import ServiceControl
from sitekeeper_lab.windows.shadows import ShadowCopies
from sitekeeper_lab.windows.vss import service_of

_POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\PowerShell"


def happen(machine: Machine, name: str, arguments: dict[str, Any]) -> None:
    """Let it happen."""
    _DEEDS[name](machine, **arguments)


def _winrm_restarts(machine: Machine) -> None:
    machine.wsman.reboot()


def _shadows_deleted(machine: Machine) -> None:
    shadows = ShadowCopies(machine.host)
    for copy in list(machine.host.machine.shadows):
        shadows.delete(copy.id)


def _sql_stops(machine: Machine) -> None:
    if machine.sql is None or machine.instance is None:
        raise ValueError(f"{machine.host.name} has no SQL Server")
    ServiceControl(machine.host).put_down(service_of(machine.instance.server_name))
    machine.sql.stop()


def _sql_starts(machine: Machine) -> None:
    if machine.sql is None or machine.instance is None:
        raise ValueError(f"{machine.host.name} has no SQL Server")
    ServiceControl(machine.host).restart(service_of(machine.instance.server_name))
    machine.sql.start()


def _clock_set(machine: Machine, seconds: float) -> None:
    machine.host.ahead = timedelta(seconds=seconds)


def _time_zone(machine: Machine, minutes: int) -> None:
    with machine.host.lock:
        before = machine.host.machine.os.bias
        machine.host.machine.os.bias += minutes
        machine.host.change("time zone", machine.host.name, before, machine.host.machine.os.bias)


def _date_format(machine: Machine, format: str) -> None:  # noqa: A002 - the fault's own word
    with machine.host.lock:
        before, machine.host.machine.os.date_format = machine.host.machine.os.date_format, format
        machine.host.change("date format", machine.host.name, before, format)


def _all_signed(machine: Machine) -> None:
    # What the policy "Turn on Script Execution" writes. It speaks of script files; the lab's PowerShell runs none at all.
    machine.host.registry.set(_POLICY, "EnableScripts", "REG_DWORD", 1)
    machine.host.registry.set(_POLICY, "ExecutionPolicy", "REG_SZ", "AllSigned")


_DEEDS: dict[str, Callable[..., None]] = {
    "winrm_restarts": _winrm_restarts,
    "shadows_deleted": _shadows_deleted,
    "sql_stops": _sql_stops,
    "sql_starts": _sql_starts,
    "clock_set": _clock_set,
    "time_zone": _time_zone,
    "date_format": _date_format,
    "all_signed": _all_signed,
}
