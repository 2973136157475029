"""The cmdlets for WMI: Get-WmiObject, Invoke-WmiMethod, Remove-WmiObject, and Get-CimInstance where there is one."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.configmgr.provider import SmsProvider
from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.engines.binding import Parameter, parameters
from sitekeeper_lab.engines.call import Call, Cmdlet, not_emulated
from sitekeeper_lab.windows.wmi import InvalidClass, NotEmulated, query_failure
from sitekeeper_lab.windows.wql import WqlError

_COMMANDS = "Microsoft.PowerShell.Commands."
_NO = "unsupported"


def get_wmi_object(call: Call) -> Iterator[PsObject]:
    """Get-WmiObject."""
    bound = call.bound
    space = (bound.text("Namespace") or r"root\cimv2").lower().replace("/", "\\")
    query, name = bound.text("Query"), bound.text("Class")
    provider = SmsProvider(call.host)
    if space not in {r"root\cimv2", provider.namespace}:
        raise not_emulated(f"WMI namespace {space}")
    if query is None and name is None:
        raise not_emulated("Get-WmiObject without -Class or -Query")
    try:
        if space == provider.namespace:
            found = provider.get(name or "", bound.text("Filter"))
        elif query is not None:
            found = call.wmi.query(query)
        else:
            columns = tuple(c for c in bound.texts("Property") or [] if c != "*")
            found = call.wmi.get(name or "", columns, bound.text("Filter"))
    except (InvalidClass, NotEmulated, WqlError) as error:
        call.write_error(query_failure(error, name or query or "", "GetWmiObject"))
        return
    yield from found


def get_cim_instance(call: Call) -> Iterator[PsObject]:
    """Get-CimInstance; an invalid class is MI's HRESULT 0x80041010."""
    bound = call.bound
    name, query = bound.text("ClassName"), bound.text("Query")
    try:
        if query is not None:
            found = call.wmi.query(query)
        else:
            found = call.wmi.get(name or "", tuple(bound.texts("Property") or []), bound.text("Filter"))
    except InvalidClass:
        call.write_error(
            ErrorRecord(
                "Invalid class ",
                f"HRESULT 0x80041010,{_COMMANDS.replace('PowerShell.Commands', 'Management.Infrastructure.CimCmdlets')}"
                "GetCimInstanceCommand",
                10,
                "Microsoft.Management.Infrastructure.CimException",
                name,
            )
        )
        return
    except (NotEmulated, WqlError) as error:
        call.write_error(query_failure(error, name or query or "", "GetCimInstance"))
        return
    for item in found:
        chosen = {key: value for key, value in item.adapted.items() if not key.startswith("__")}
        cim = item.adapted["__CLASS"]
        types = (
            f"Microsoft.Management.Infrastructure.CimInstance#root/cimv2/{cim}",
            *(f"Microsoft.Management.Infrastructure.CimInstance#root/cimv2/{b}" for b in item.adapted["__DERIVATION"]),
            f"Microsoft.Management.Infrastructure.CimInstance#{cim}",
            "Microsoft.Management.Infrastructure.CimInstance",
            "System.Object",
        )
        yield PsObject(types, chosen | {"PSComputerName": None}, {}, str(cim))


def invoke_wmi_method(call: Call) -> Iterator[PsObject]:
    """Invoke-WmiMethod."""
    bound = call.bound
    path = bound.text("Path") or bound.text("Class")
    arguments = bound.values.get("ArgumentList") or []
    if path is None:
        raise not_emulated("Invoke-WmiMethod without -Path or -Class")
    try:
        yield call.wmi.invoke(path, bound.text("Name") or "", arguments)
    except KeyError:
        call.write_error(_not_found("InvokeWMIManagementException", "InvokeWmiMethod", path))
    except NotEmulated as error:
        call.write_error(query_failure(error, path, "InvokeWmiMethod"))


def remove_wmi_object(call: Call) -> Iterator[PsObject]:
    """Remove-WmiObject."""
    path = call.bound.text("Path") or ""
    try:
        call.wmi.remove(path)
    except KeyError:
        call.write_error(_not_found("RemoveWMIManagementException", "RemoveWmiObject", path))
    except NotEmulated as error:
        call.write_error(query_failure(error, path, "RemoveWmiObject"))
    yield from ()


def _not_found(error_id: str, command: str, path: str) -> ErrorRecord:
    """WBEM_E_NOT_FOUND; its text is "Not found " (believed, from published transcripts)."""
    return ErrorRecord(
        "Not found ",
        f"{error_id},{_COMMANDS}{command}",
        7,
        "System.Management.ManagementException",
        path,
    )


WMI: tuple[Cmdlet, ...] = (
    Cmdlet(
        "Get-WmiObject",
        _COMMANDS + "GetWmiObjectCommand",
        parameters(
            Class=Parameter("string", 0),
            Property=Parameter("string[]", 1),
            Filter="string",
            Query="string",
            Namespace="string",
            **dict.fromkeys(("ComputerName", "Credential", "List", "Recurse", "Amended", "AsJob", "DirectRead"), _NO),
        ),
        get_wmi_object,
    ),
    Cmdlet(
        "Get-CimInstance",
        "Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand",
        parameters(
            ClassName=Parameter("string", 0),
            Property="string[]",
            Filter="string",
            Query="string",
            Namespace=_NO,
            ComputerName=_NO,
            CimSession=_NO,
            KeyOnly=_NO,
        ),
        get_cim_instance,
        since=(3, 0),
    ),
    Cmdlet(
        "Invoke-WmiMethod",
        _COMMANDS + "InvokeWmiMethod",
        parameters(
            Path="string",
            Class=Parameter("string", 0),
            Name=Parameter("string", 1, mandatory=True),
            ArgumentList=Parameter("object[]", aliases=("Args",)),
            **dict.fromkeys(("Namespace", "ComputerName", "Credential", "InputObject", "AsJob"), _NO),
        ),
        invoke_wmi_method,
    ),
    Cmdlet(
        "Remove-WmiObject",
        _COMMANDS + "RemoveWmiObject",
        parameters(
            Path=Parameter("string", mandatory=True), Class=_NO, InputObject=_NO, ComputerName=_NO, Namespace=_NO
        ),
        remove_wmi_object,
    ),
)
