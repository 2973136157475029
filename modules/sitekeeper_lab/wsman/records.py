"""The PSRP messages that the server sends, as CLIXML in the shape of the recorded ones (MS-PSRP 2.2.2).

Not sent, because the engine does not tell: ``InvocationInfo`` (a null here) and ``ErrorDetails_*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psrpcore.types import PSInt64, PSVersion

from sitekeeper_lab.engines.api import ErrorRecord

from .clixml import Writer, dumps, text

_RECORD_TYPES: Final = ("System.Management.Automation.ErrorRecord", "System.Object")
_DATA_TYPES: Final = ("System.Collections.ListDictionaryInternal", "System.Object")
_DICTIONARY_TYPES: Final = (
    "System.Management.Automation.PSPrimitiveDictionary",
    "System.Collections.Hashtable",
    "System.Object",
)
_SYSTEM_EXCEPTION: Final = ("System.SystemException", "System.Exception", "System.Object")
_RUNTIME_EXCEPTION: Final = ("System.Management.Automation.RuntimeException", *_SYSTEM_EXCEPTION)

# The bases that .NET documents for the exceptions met so far; any other is written as a plain System.Exception.
_BASES: Final[dict[str, tuple[str, ...]]] = {
    "System.Exception": ("System.Object",),
    "System.SystemException": _SYSTEM_EXCEPTION[1:],
    "System.ArgumentException": _SYSTEM_EXCEPTION,
    "System.ArgumentNullException": ("System.ArgumentException", *_SYSTEM_EXCEPTION),
    "System.ArgumentOutOfRangeException": ("System.ArgumentException", *_SYSTEM_EXCEPTION),
    "System.InvalidOperationException": _SYSTEM_EXCEPTION,
    "System.NotImplementedException": _SYSTEM_EXCEPTION,
    "System.NotSupportedException": _SYSTEM_EXCEPTION,
    "System.UnauthorizedAccessException": _SYSTEM_EXCEPTION,
    "System.TimeoutException": _SYSTEM_EXCEPTION,
    "System.IO.IOException": _SYSTEM_EXCEPTION,
    "System.IO.FileNotFoundException": ("System.IO.IOException", *_SYSTEM_EXCEPTION),
    "System.IO.DirectoryNotFoundException": ("System.IO.IOException", *_SYSTEM_EXCEPTION),
    "System.Security.SecurityException": _SYSTEM_EXCEPTION,
    "Microsoft.PowerShell.Commands.WriteErrorException": _SYSTEM_EXCEPTION,
    "Microsoft.PowerShell.Commands.ServiceCommandException": _SYSTEM_EXCEPTION,
    "Microsoft.PowerShell.Commands.ProcessCommandException": _SYSTEM_EXCEPTION,
    "System.Management.Automation.RuntimeException": _SYSTEM_EXCEPTION,
    "System.Management.Automation.CommandNotFoundException": _RUNTIME_EXCEPTION,
    "System.Management.Automation.ParameterBindingException": _RUNTIME_EXCEPTION,
    "System.Management.Automation.ParseException": _RUNTIME_EXCEPTION,
    "System.Management.Automation.ActionPreferenceStopException": _RUNTIME_EXCEPTION,
    "System.Management.Automation.PipelineStoppedException": _RUNTIME_EXCEPTION,
    "System.Management.Automation.SessionStateException": _RUNTIME_EXCEPTION,
    "System.Management.Automation.ProviderNotFoundException": (
        "System.Management.Automation.SessionStateException",
        *_RUNTIME_EXCEPTION,
    ),
    "System.Management.Automation.ItemNotFoundException": (
        "System.Management.Automation.SessionStateException",
        *_RUNTIME_EXCEPTION,
    ),
    "System.Management.Automation.DriveNotFoundException": (
        "System.Management.Automation.SessionStateException",
        *_RUNTIME_EXCEPTION,
    ),
}
_COR_E_EXCEPTION: Final = -2146233088
_COR_E_SYSTEM: Final = -2146233087  # in every recorded record of PowerShell 3 and newer

# System.Management.Automation.ErrorCategory
_CATEGORIES: Final = (
    *("NotSpecified", "OpenError", "CloseError", "DeviceError", "DeadlockDetected", "InvalidArgument"),
    *("InvalidData", "InvalidOperation", "InvalidResult", "InvalidType", "MetadataError", "NotImplemented"),
    *("NotInstalled", "ObjectNotFound", "OperationStopped", "OperationTimeout", "SyntaxError", "ParserError"),
    *("PermissionDenied", "ResourceBusy", "ResourceExists", "ResourceUnavailable", "ReadError", "WriteError"),
    *("FromStdErr", "SecurityError", "ProtocolError", "ConnectionError", "AuthenticationError", "LimitsExceeded"),
    *("QuotaExceeded", "NotEnabled"),
)


def _short(value: str) -> str:
    """As ErrorCategory_Message shows long texts: 15 characters of each end."""
    return value if len(value) <= 40 else f"{value[:15]}...{value[-15:]}"


def _write_record(writer: Writer, record: ErrorRecord, name: str | None, *, stream: bool, hresult: bool) -> None:
    kind = record.exception_type
    reason = kind.rpartition(".")[2]
    target = record.target or ""
    target_type = "String" if record.target is not None else ""
    about = f"({_short(target)}:{target_type}) [{_short(record.activity)}], {_short(reason)}"
    category = f"{_CATEGORIES[record.category]}: {about}"
    writer.open(_RECORD_TYPES, name, record.message)
    writer.raw("<MS>")
    if stream:
        writer.value(True, "writeErrorStream")
    bases = _BASES.get(kind, ("System.Exception", "System.Object"))
    writer.open((kind, *bases), "Exception", f"{kind}: {record.message}")
    writer.raw("<Props>")
    if "System.Management.Automation.RuntimeException" in (kind, *bases):
        writer.value(record.message, "ErrorRecord")
        # what `throw 'text'` makes has its text for an id
        writer.value(record.error_id == record.message, "WasThrownFromThrowStatement")
    writer.value(record.message, "Message")
    writer.open(_DATA_TYPES, "Data")
    writer.raw("<DCT /></Obj>")
    for absent in ("InnerException", "TargetSite", "StackTrace", "HelpLink", "Source"):
        writer.value(None, absent)
    if hresult:
        writer.value(_COR_E_EXCEPTION if kind == "System.Exception" else _COR_E_SYSTEM, "HResult")
    writer.raw("</Props>")
    writer.close()
    writer.value(record.target, "TargetObject")
    writer.value(record.error_id, "FullyQualifiedErrorId")
    writer.value(None, "InvocationInfo")
    writer.value(record.category, "ErrorCategory_Category")
    writer.value(record.activity, "ErrorCategory_Activity")
    writer.value(reason, "ErrorCategory_Reason")
    writer.value(target, "ErrorCategory_TargetName")
    writer.value(target_type, "ErrorCategory_TargetType")
    writer.value(category, "ErrorCategory_Message")
    writer.value(False, "SerializeExtendedInfo")
    if stream:
        writer.value(None, "PSMessageDetails")
    writer.raw("</MS>")
    writer.close()


def error_record(record: ErrorRecord, *, hresult: bool = True) -> str:
    """An ERROR_RECORD, or a record merged into the output; PowerShell 2.0 has no HResult in it."""
    writer = Writer()
    _write_record(writer, record, None, stream=True, hresult=hresult)
    return writer.result()


def pipeline_state(state: int, record: ErrorRecord | None = None, *, hresult: bool = True) -> str:
    """PIPELINE_STATE: 3 Stopped, 4 Completed, 5 Failed with the record that ended it."""
    writer = Writer()
    writer.open()
    writer.raw("<MS>")
    writer.value(state, "PipelineState")
    if record is not None:
        _write_record(writer, record, "ExceptionAsErrorRecord", stream=False, hresult=hresult)
    writer.raw("</MS>")
    writer.close()
    return writer.result()


def warning_record(message: str) -> str:
    """A WARNING_RECORD without invocation information."""
    return (
        '<Obj RefId="0"><TN RefId="0"><T>System.Management.Automation.WarningRecord</T>'
        "<T>System.Management.Automation.InformationalRecord</T><T>System.Object</T></TN>"
        f'<ToString>{text(message)}</ToString><MS><S N="InformationalRecord_Message">{text(message)}</S>'
        '<B N="InformationalRecord_SerializeInvocationInfo">false</B></MS></Obj>'
    )


def session_capability(protocol: str) -> str:
    """SESSION_CAPABILITY; PSVersion is 2.0 on every server, so it tells nothing."""
    return (
        f'<Obj RefId="0"><MS><Version N="protocolversion">{protocol}</Version>'
        '<Version N="PSVersion">2.0</Version><Version N="SerializationVersion">1.1.0.1</Version></MS></Obj>'
    )


def runspacepool_state(state: int) -> str:
    """RUNSPACEPOOL_STATE: 2 Opened, 3 Closed, 5 Broken."""
    return f'<Obj RefId="0"><MS><I32 N="RunspaceState">{state}</I32></MS></Obj>'


def runspacepool_init_data(minimum: int, maximum: int) -> str:
    """RUNSPACEPOOL_INIT_DATA, part of the answer to Connect."""
    return f'<Obj RefId="0"><MS><I32 N="MinRunspaces">{minimum}</I32><I32 N="MaxRunspaces">{maximum}</I32></MS></Obj>'


def runspace_availability(call: int, answer: bool | int) -> str:
    """RUNSPACE_AVAILABILITY: the answer to a call about the pool's size (recorded of 2016: a count is an I32)."""
    writer = Writer()
    writer.open()
    writer.members("MS", {"SetMinMaxRunspacesResponse": answer, "ci": PSInt64(call)})
    writer.close()
    return writer.result()


def _compatible_versions(versions: Mapping[str, str]) -> list[str]:
    listed = versions.get("PSCompatibleVersions")
    if listed is not None:
        return [each.strip() for each in listed.split(",")]
    own = versions.get("PSVersion", "2.0")
    return [f"{each}.0" for each in range(1, int(own.split(".")[0]) + 1) if f"{each}.0" != own] + [own]


def application_private_data(versions: Mapping[str, str]) -> str:
    """APPLICATION_PRIVATE_DATA with the PSVersionTable, in the order of ``versions``.

    ``PSCompatibleVersions`` is a comma-separated list there; without one it is derived from ``PSVersion``.
    """
    writer = Writer()
    writer.open()
    writer.raw("<MS>")
    writer.open(_DICTIONARY_TYPES, "ApplicationPrivateData")
    # PowerShell 4.0 says how its debugger stands (recorded of 2012 R2; neither 2.0 nor 5.1 does)
    debugs = versions.get("PSRemotingProtocolVersion") == "2.2"
    writer.raw("<DCT>")
    if debugs:
        writer.raw('<En><S N="Key">DebugMode</S><I32 N="Value">1</I32></En>')
        writer.raw('<En><S N="Key">DebugStop</S><B N="Value">false</B></En>')
    writer.raw('<En><S N="Key">PSVersionTable</S>')
    writer.open(_DICTIONARY_TYPES, "Value")
    writer.raw("<DCT>")
    for key, value in _table(versions):
        writer.raw(f'<En><S N="Key">{text(key)}</S>')
        if key == "PSCompatibleVersions":
            writer.open(("System.Version[]", "System.Array", "System.Object"), "Value")
            writer.raw("<LST>" + "".join(dumps(PSVersion(each)) for each in _compatible_versions(versions)) + "</LST>")
            writer.close()
        elif key == "PSEdition":
            writer.value(value, "Value")
        else:
            writer.raw(f'<Version N="Value">{text(value)}</Version>')
        writer.raw("</En>")
    writer.raw("</DCT></Obj></En>")
    if debugs:
        writer.raw('<En><S N="Key">DebugBreakpointCount</S><I32 N="Value">0</I32></En>')
    writer.raw("</DCT></Obj></MS></Obj>")
    return writer.result()


def _table(versions: Mapping[str, str]) -> list[tuple[str, str]]:
    entries = list(versions.items())
    if "PSCompatibleVersions" not in versions:
        entries.append(("PSCompatibleVersions", ""))
    return entries
