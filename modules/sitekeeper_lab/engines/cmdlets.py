"""The cmdlets of the Python engine: services and small helpers. WMI is in ``wmi_cmdlets``, items of providers in ``items``.

A parameter that the real cmdlet has and the lab does not is declared ``unsupported``: using it is a loud error, not a
"no such parameter" that would be untrue.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.engines.binding import Parameter, parameters
from sitekeeper_lab.engines.call import Call, Cmdlet
from sitekeeper_lab.engines.objects import CUSTOM, property_of, service_object

_COMMANDS = "Microsoft.PowerShell.Commands."
CATEGORIES = (
    "NotSpecified",
    "OpenError",
    "CloseError",
    "DeviceError",
    "DeadlockDetected",
    "InvalidArgument",
    "InvalidData",
    "InvalidOperation",
    "InvalidResult",
    "InvalidType",
    "MetadataError",
    "NotImplemented",
    "NotInstalled",
    "ObjectNotFound",
    "OperationStopped",
    "OperationTimeout",
    "SyntaxError",
    "ParserError",
    "PermissionDenied",
    "ResourceBusy",
    "ResourceExists",
    "ResourceUnavailable",
    "ReadError",
    "WriteError",
    "FromStdErr",
    "SecurityError",
)
"""System.Management.Automation.ErrorCategory, by number."""


def get_service(call: Call) -> Iterator[PsObject]:
    """Get-Service."""
    control = call.wmi.services
    names, display = call.bound.texts("Name"), call.bound.texts("DisplayName")
    with call.host.lock:
        services = sorted(call.host.machine.services.values(), key=lambda service: service.name.lower())
        answer: list[PsObject | ErrorRecord] = []
        wanted = names if names is not None else display if display is not None else ["*"]
        for pattern in wanted:
            found = [
                service
                for service in services
                if fnmatch.fnmatchcase((service.name if display is None else service.display).lower(), pattern.lower())
            ]
            if not found and not any(c in pattern for c in "*?["):
                word = "service name" if display is None else "display name"
                error_id = "NoServiceFoundForGivenName" if display is None else "NoServiceFoundForGivenDisplayName"
                answer.append(
                    ErrorRecord(
                        f"Cannot find any service with {word} '{pattern}'.",
                        f"{error_id},{_COMMANDS}GetServiceCommand",
                        13,
                        f"{_COMMANDS}ServiceCommandException",
                        pattern,
                    )
                )
            answer += [service_object(control, service) for service in found]
    for item in answer:
        if isinstance(item, ErrorRecord):
            call.write_error(item)
        else:
            yield item


def get_date(call: Call) -> Iterator[Any]:
    """Get-Date without parameters: the host's local time."""
    yield call.host.now().astimezone(timezone(timedelta(minutes=call.host.machine.os.bias)))


def write_output(call: Call) -> Iterator[Any]:
    """Write-Output."""
    if "InputObject" in call.bound.values:
        yield from call.bound.values["InputObject"]
    else:
        yield from call.input


def write_error(call: Call) -> Iterator[Any]:
    """Write-Error as a command of its own; inside a function the record names the function."""
    bound = call.bound
    category = bound.text("Category") or "NotSpecified"
    error_id = bound.text("ErrorId") or "Microsoft.PowerShell.Commands.WriteErrorException"
    call.write_error(
        ErrorRecord(
            bound.text("Message") or "",
            f"{error_id},{_COMMANDS}WriteErrorCommand" if bound.text("ErrorId") else error_id,
            CATEGORIES.index(category) if category in CATEGORIES else int(category),
            f"{_COMMANDS}WriteErrorException",
            bound.text("TargetObject"),
            "Write-Error",
        )
    )
    yield from ()


def out_null(call: Call) -> Iterator[Any]:
    """Out-Null."""
    for _ in call.input:
        pass
    yield from ()


def select_object(call: Call) -> Iterator[Any]:
    """Select-Object with -ExpandProperty, -Property and -First."""
    bound = call.bound
    first, expand, names = bound.values.get("First"), bound.text("ExpandProperty"), bound.texts("Property")
    for number, item in enumerate(call.input):
        if first is not None and number >= first:
            break
        if expand is not None:
            try:
                value = property_of(item, expand)
            except KeyError:
                call.write_error(
                    ErrorRecord(
                        f'Property "{expand}" cannot be found.',
                        f"ExpandPropertyNotFound,{_COMMANDS}SelectObjectCommand",
                        5,
                        "System.Management.Automation.PSArgumentException",
                        None,
                    )
                )
                continue
            if isinstance(value, list):
                yield from value
            else:
                yield value
        elif names:
            values: dict[str, Any] = {}
            for name in names:
                try:
                    values[name] = property_of(item, name)
                except KeyError:
                    values[name] = None
            kind = item.type_names[0] if isinstance(item, PsObject) else type(item).__name__
            yield PsObject((f"Selected.{kind}", *CUSTOM), {}, values)
        else:
            yield item


_NO = "unsupported"
BASIC: tuple[Cmdlet, ...] = (
    Cmdlet(
        "Get-Service",
        _COMMANDS + "GetServiceCommand",
        parameters(
            Name=Parameter("string[]", 0, aliases=("ServiceName",)),
            DisplayName="string[]",
            ComputerName=_NO,
            DependentServices=_NO,
            RequiredServices=_NO,
            Include=_NO,
            Exclude=_NO,
            InputObject=_NO,
        ),
        get_service,
    ),
    Cmdlet("Get-Date", _COMMANDS + "GetDateCommand", parameters(Date=_NO, Format=_NO, UFormat=_NO), get_date),
    Cmdlet(
        "Write-Output",
        _COMMANDS + "WriteOutputCommand",
        parameters(InputObject=Parameter("object[]", 0)),
        write_output,
    ),
    Cmdlet(
        "Write-Error",
        _COMMANDS + "WriteErrorCommand",
        parameters(
            Message=Parameter("string", 0, mandatory=True),
            ErrorId="string",
            Category="string",
            TargetObject="object",
            Exception=_NO,
            ErrorRecord=_NO,
            RecommendedAction=_NO,
        ),
        write_error,
    ),
    Cmdlet("Out-Null", _COMMANDS + "OutNullCommand", parameters(InputObject=_NO), out_null),
    Cmdlet(
        "Select-Object",
        _COMMANDS + "SelectObjectCommand",
        parameters(
            Property=Parameter("string[]", 0),
            ExpandProperty="string",
            First="int",
            **dict.fromkeys(("Last", "Skip", "Unique", "Index", "ExcludeProperty", "InputObject"), _NO),
        ),
        select_object,
    ),
)
