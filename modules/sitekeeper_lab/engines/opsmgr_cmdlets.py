"""The cmdlets of Operations Manager, 2007 and 2012 on, as far as maintenance mode needs them.

Parameters as in Microsoft's references (gg132214, gg132242, hh918505 and the OperationsManager module). What the real ones
answer to a refusal is not known, so nothing here refuses anything but what cannot be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.engines.binding import Parameter, not_emulated, parameters
from sitekeeper_lab.engines.call import Call, Cmdlet
from sitekeeper_lab.opsmgr.group import CLASSES, ManagementGroup, Monitored, Window

_OBJECT = ("Microsoft.EnterpriseManagement.Monitoring.MonitoringObject", "System.Object")
_CLASS = ("Microsoft.EnterpriseManagement.Configuration.ManagementPackClass", "System.Object")
_WINDOW = ("Microsoft.EnterpriseManagement.Monitoring.MaintenanceWindow", "System.Object")
_CRITERIA = re.compile(r"(PrincipalName|HealthServiceName)='([^']*)'")


def group_of(call: Call) -> ManagementGroup:
    """The management group of this server: its cmdlets are there only where there is one."""
    if call.host.management is None:
        raise not_emulated(f"{call.name} on a host that is no management server")
    return call.host.management


def monitoring_object(group: ManagementGroup, one: Monitored) -> PsObject:
    """A monitored object as the SDK shows it."""
    inside = group.window(one) is not None
    values = {"Id": one.id, "DisplayName": one.computer, "FullName": f"{one.class_name}:{one.computer}"}
    return PsObject(_OBJECT, {}, {**values, "InMaintenanceMode": inside}, one.computer)


def maintenance_window(window: Window) -> PsObject:
    """A maintenance window as the SDK shows it; its times are UTC."""
    values: dict[str, Any] = {
        "MonitoringObjectId": window.object_id,
        "StartTime": datetime.fromisoformat(window.started),
        "ScheduledEndTime": datetime.fromisoformat(window.until),
        "Reason": window.reason,
        "Comments": window.comment,
        "User": window.user,
    }
    return PsObject(_WINDOW, {}, values)


def moment(value: Any) -> datetime:
    """A DateTime argument: UTC, or with a zone of its own."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def start(call: Call, group: ManagementGroup, one: Monitored, until: datetime, reason: str, comment: str) -> None:
    """Put an object into maintenance mode, with what goes along with it."""
    if not call.host.faults.take("maintenance_refused"):
        group.start(group.taken_along(one), until, reason, comment)


def _get_class(call: Call) -> Iterator[PsObject]:
    name = call.bound.text("Name")
    if name is None:
        raise not_emulated(f"{call.name} without -Name")
    for class_name in CLASSES:
        if class_name.lower() == name.lower():
            yield PsObject(_CLASS, {}, {"Name": class_name}, class_name)


def _get_instances(call: Call) -> Iterator[PsObject]:
    group = group_of(call)
    chosen = call.bound.values.get("Class") or call.bound.values.get("MonitoringClass") or next(iter(call.input), None)
    if not isinstance(chosen, PsObject):
        raise not_emulated(f"{call.name} without a class")
    criteria = call.bound.text("Criteria")
    wanted = None
    if criteria is not None:
        match = _CRITERIA.fullmatch(criteria)
        if match is None:
            raise not_emulated(f"the criteria {criteria}")
        wanted = match[2]
    for one in group.instances(chosen.extended["Name"]):
        if wanted is None or one.computer.lower() == wanted.lower():
            yield monitoring_object(group, one)


def _targets(call: Call, parameter: str) -> list[Monitored]:
    given = call.bound.values.get(parameter)
    objects = given if isinstance(given, list) else [given] if given is not None else list(call.input)
    if not all(isinstance(one, PsObject) and "Id" in one.extended for one in objects):
        raise not_emulated(f"-{parameter} of {call.name} that is no monitoring object")
    return [group_of(call).find(one.extended["Id"]) for one in objects]


def _get_window(call: Call) -> Iterator[PsObject]:
    for one in _targets(call, "Instance"):
        window = group_of(call).window(one)
        if window is not None:
            yield maintenance_window(window)


def _start(call: Call) -> Iterator[Any]:
    bound = call.bound
    for one in _targets(call, "Instance" if "Instance" in bound.values else "MonitoringObject"):
        until = moment(bound.values["EndTime"])
        start(call, group_of(call), one, until, bound.text("Reason") or "PlannedOther", bound.text("Comment") or "")
    yield from ()


def _set(call: Call) -> Iterator[Any]:
    group, bound = group_of(call), call.bound
    until, comment = moment(bound.values["EndTime"]), bound.text("Comment")
    given = bound.values.get("MaintenanceModeEntry")
    for entry in [given] if given is not None else call.input:
        if not isinstance(entry, PsObject) or "MonitoringObjectId" not in entry.extended:
            raise not_emulated(f"an entry of {call.name} that is no maintenance window")
        group.set_end(group.find(entry.extended["MonitoringObjectId"]), until, comment)
    yield from ()


def _set_2007(call: Call) -> Iterator[Any]:
    until, comment = moment(call.bound.values["EndTime"]), call.bound.text("Comment")
    for one in _targets(call, "MonitoringObject"):
        group_of(call).set_end(one, until, comment)
    yield from ()


def _connect(call: Call) -> Iterator[Any]:
    where = call.bound.text("ComputerName") or call.bound.text("ConnectionString") or ""
    if where.lower() not in {"localhost", call.host.name.lower()}:
        raise not_emulated(f"{call.name} to {where}")
    group_of(call)
    yield from ()


_NO = "unsupported"
_COMMANDS = "Microsoft.SystemCenter.OperationsManagerV10.Commands."
_PICK = ("Id", "DisplayName", "ManagementPack", "SCSession", "ComputerName", "Credential")
_DRY = dict.fromkeys(("PassThru", "WhatIf", "Confirm"), _NO)
SCOM: tuple[Cmdlet, ...] = (
    Cmdlet("New-SCOMManagementGroupConnection", _COMMANDS, parameters(ComputerName=Parameter("string", 0)), _connect),
    Cmdlet("Get-SCOMClass", _COMMANDS, parameters(Name="string", **dict.fromkeys(_PICK, _NO)), _get_class),
    Cmdlet(
        "Get-SCOMClassInstance",
        _COMMANDS,
        parameters(Class="object", Name=_NO, **dict.fromkeys(_PICK, _NO)),
        _get_instances,
    ),
    Cmdlet("Get-SCOMMaintenanceMode", _COMMANDS, parameters(Instance="object[]", History=_NO), _get_window),
    Cmdlet(
        "Start-SCOMMaintenanceMode",
        _COMMANDS,
        parameters(
            Instance=Parameter("object[]", 0),
            EndTime=Parameter("object", 1, mandatory=True),
            Comment=Parameter("string", 2),
            Reason=Parameter("string", 3),
            **_DRY,
        ),
        _start,
    ),
    Cmdlet(
        "Set-SCOMMaintenanceMode",
        _COMMANDS,
        parameters(
            MaintenanceModeEntry=Parameter("object", 0),
            EndTime=Parameter("object", 1, mandatory=True),
            Comment=Parameter("string", 2),
            Reason=_NO,
            **_DRY,
        ),
        _set,
    ),
)
_SNAPIN = "Microsoft.EnterpriseManagement.OperationsManager.ClientShell."
OPSMGR2007: tuple[Cmdlet, ...] = (
    Cmdlet("New-ManagementGroupConnection", _SNAPIN, parameters(ConnectionString=Parameter("string", 0)), _connect),
    Cmdlet("Get-MonitoringClass", _SNAPIN, parameters(Name="string", Id=_NO, ManagementPack=_NO), _get_class),
    Cmdlet(
        "Get-MonitoringObject",
        _SNAPIN,
        parameters(MonitoringClass=Parameter("object", 0), Criteria=Parameter("string", 1), Id=_NO, Path=_NO),
        _get_instances,
    ),
    Cmdlet(
        "New-MaintenanceWindow",
        _SNAPIN,
        parameters(
            StartTime=Parameter("object", mandatory=True),
            EndTime=Parameter("object", mandatory=True),
            Reason="string",
            Comment=Parameter("string", mandatory=True),
            MonitoringObject="object[]",
            Path=_NO,
        ),
        _start,
    ),
    Cmdlet(
        "Set-MaintenanceWindow",
        _SNAPIN,
        parameters(
            EndTime=Parameter("object", mandatory=True),
            Reason=_NO,
            Comment="string",
            MonitoringObject="object[]",
            Path=_NO,
        ),
        _set_2007,
    ),
)
BY_KIND = {"scom": SCOM, "opsmgr2007": OPSMGR2007}
