"""WS-Management faults with the codes and texts of Windows.

Recorded from real servers: 2150858793, 2150858843 (both texts), 2150858767 and the quota fault. The text of 2150858811
is from pywinrm issue 273. Of the others the code is known and the text is only believed; each says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

_F = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"


@dataclass(eq=False, slots=True)
class WsmanFault(Exception):  # noqa: N818  SOAP's own word
    """A fault to be sent to the client; an HTTP 500 with this body."""

    subcode: str
    reason: str
    code: int | None = None
    """``f:WSManFault/@Code``; without one there is no such element."""
    message: str = ""
    """What ``f:Message`` says, if not the reason."""
    sender: bool = True
    detail: str = ""
    provider: str = ""
    """The name of a provider that wraps the message."""
    library: str = "WsmSvc.dll"
    """The provider's file."""
    nested: bool = True
    """The provider's message is a WSManFault, too."""
    detail_xml: str = ""
    """The whole detail, instead of ``f:WSManFault``."""
    anonymous: bool = False
    """Sent without RelatesTo, as the recorded quota fault."""

    def body(self, machine: str) -> str:
        """The ``s:Fault``; ``machine`` is the address that the client used."""
        return (
            f"<s:Fault><s:Code><s:Value>s:{'Sender' if self.sender else 'Receiver'}</s:Value><s:Subcode>"
            f"<s:Value>{self.subcode}</s:Value></s:Subcode></s:Code>"
            f'<s:Reason><s:Text xml:lang="en-US">{escape(self.reason)}</s:Text></s:Reason>'
            f"<s:Detail>{self.detail_xml or self._detail(machine)}</s:Detail></s:Fault>"
        )

    def _detail(self, machine: str) -> str:
        uri = f"<w:FaultDetail>{_DETAIL}{self.detail}</w:FaultDetail>" if self.detail else ""
        if self.code is None:
            return uri
        open_fault = f'<f:WSManFault xmlns:f="{_F}" Code="{self.code}" Machine="{escape(machine)}"><f:Message>'
        message = escape(self.message or self.reason)
        if self.provider:
            inner = f"{open_fault}{message}</f:Message></f:WSManFault>" if self.nested else message
            message = (
                f'<f:ProviderFault provider="{self.provider}" path="%systemroot%\\system32\\{self.library}">'
                f"{inner}</f:ProviderFault>"
            )
        return f"{uri}{open_fault}{message}</f:Message></f:WSManFault>"


def timed_out() -> WsmanFault:
    """Nothing to report within OperationTimeout: clients just ask again."""
    text = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  "
    return WsmanFault("w:TimedOut", text, 2150858793, sender=False)


_SELECTORS = (
    "The WS-Management service cannot process the request because the request contained invalid selectors for the "
    "resource. "
)


def unknown_shell() -> WsmanFault:
    """No shell with this ShellId."""
    return WsmanFault(
        "w:InvalidSelectors", _SELECTORS, 2150858843, detail="UnexpectedSelectors", provider="Shell provider"
    )


def unknown_command() -> WsmanFault:
    """No command with this CommandId in the shell."""
    text = (
        "The Windows Remote Shell received a request to perform an operation on a command identifier that does not "
        "exist. Either the command has completed execution or the client specified an invalid command identifier. "
    )
    return WsmanFault("w:InvalidSelectors", _SELECTORS, 2150858843, text, detail="UnexpectedSelectors")


def incorrect_parameter() -> WsmanFault:
    """Receive from a shell of command lines, not from one of its commands (recorded)."""
    return WsmanFault(
        "w:InvalidParameter",
        "The parameter is incorrect. ",
        87,
        detail="InvalidValue",
        provider="Shell cmd plugin",
        library="winrscmd.dll",
        nested=False,
    )


def unknown_resource(uri: str) -> WsmanFault:
    """No such session configuration. The subcode is believed (DSP0226: wsa:DestinationUnreachable)."""
    text = (
        f"The WS-Management service cannot process the request. The resource URI ({uri}) was not found in the "
        "WS-Management catalog. The catalog contains the metadata that describes resources, or logical endpoints. "
    )
    return WsmanFault("a:DestinationUnreachable", text, 2150858811, detail="InvalidResourceURI")


def invalid_timeout(written: str) -> WsmanFault:
    """The OperationTimeout is no duration."""
    start = "The WS-Management service cannot process the request. "
    return WsmanFault(
        "a:InvalidMessageInformationHeader",
        start + "The request contains one or more invalid SOAP headers. ",
        2150858767,
        f"{start}The XML contains an invalid timeout field in the SOAP header: {written}. ",
    )


def schema_violation(what: str) -> WsmanFault:
    """The request is no WS-Management envelope. Code from the field, text believed."""
    return WsmanFault(
        "w:SchemaValidationError",
        f"The SOAP XML in the message does not match the corresponding XML schema definition. {what} ",
        2150858817,
    )


def aborted() -> WsmanFault:
    """The shell or command was closed while the client waited: ERROR_OPERATION_ABORTED. The subcode is believed."""
    text = "The I/O operation has been aborted because of either a thread exit or an application request. "
    return WsmanFault("w:InternalError", text, 995, sender=False)


def disconnected() -> WsmanFault:
    """The shell is disconnected: 0x803381C4. Text and subcode are believed."""
    text = "The WinRM Shell client cannot process the request. The shell is disconnected. "
    return WsmanFault("w:InternalError", text, 2150859204)


def access_denied() -> WsmanFault:
    """ERROR_ACCESS_DENIED: the shell is another user's, or the user may not open one."""
    return WsmanFault("w:AccessDenied", "Access is denied. ", 5)


def too_many_commands() -> WsmanFault:
    """MaxConcurrentCommandsPerShell: w:InternalError without a WSManFault code (pypsrp issue 148). Text believed."""
    text = (
        "The WS-Management service cannot process the request. The maximum number of concurrent commands for this "
        "shell has been exceeded. "
    )
    return WsmanFault("w:InternalError", text, sender=False)


def unknown_action(action: str) -> WsmanFault:
    """No such operation, or not in this version of the stack. Subcode and text of DSP0226, no code is known."""
    return WsmanFault("a:ActionNotSupported", f"The action is not supported by the service. {action} ")


def not_emulated(what: str) -> WsmanFault:
    """Something that a Windows server would do and the lab does not: said aloud, with a code of no Windows server."""
    return WsmanFault("w:InternalError", f"emulator: {what} is not emulated. ", sender=False)


def broken(error: Exception) -> WsmanFault:
    """A mistake of the emulator or of its engine."""
    return WsmanFault("w:InternalError", f"emulator: {type(error).__name__}: {error} ", sender=False)


def too_many_shells(allowed: int) -> WsmanFault:
    """MaxShellsPerUser, as recorded: an MSFT_WmiError and no WSManFault."""
    start = "The WS-Management service cannot process the request. "
    end = "Close existing shells or raise the quota for this user. "
    text = (
        f"{start}This user is allowed a maximum number of {allowed} concurrent shells, which has been exceeded. {end}"
    )
    kinds = {"I": "cim:cimUnsignedInt", "H": "cim:cimUnsignedShort", "S": "cim:cimString"}
    members = (
        ("CIMStatusCode", "I", "27"),
        ("CIMStatusCodeDescription", "S", None),
        ("ErrorSource", "S", None),
        ("ErrorSourceFormat", "H", "0"),
        ("ErrorType", "H", "0"),
        ("Message", "S", text),
        ("MessageID", "S", "HRESULT 0x803381a5"),
        ("OtherErrorSourceFormat", "S", None),
        ("OtherErrorType", "S", None),
        ("OwningEntity", "S", None),
        ("PerceivedSeverity", "H", "0"),
        ("ProbableCause", "H", "0"),
        ("ProbableCauseDescription", "S", None),
        ("error_Category", "I", "30"),
        ("error_Code", "I", "2150859173"),
        ("error_Type", "S", "HRESULT"),
        ("error_WindowsErrorMessage", "S", text),
    )
    inner = "".join(
        f'<p:{name} xsi:nil="true" xsi:type="{kinds[kind]}"/>'
        if value is None
        else f'<p:{name} xsi:type="{kinds[kind]}">{value}</p:{name}>'
        for name, kind, value in members
    )
    detail = (
        '<p:MSFT_WmiError b:IsCIM_Error="true" xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd" '
        'xmlns:cim="http://schemas.dmtf.org/wbem/wscim/1/common" '
        'xmlns:p="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError" xsi:type="p:MSFT_WmiError_Type" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{inner}</p:MSFT_WmiError>'
    )
    reason = f"{start}The maximum number of concurrent shells for this user has been exceeded. {end}"
    return WsmanFault("w:QuotaLimit", reason, detail_xml=detail, anonymous=True)


def too_big(size: int, allowed: int) -> WsmanFault:
    """A request over MaxEnvelopeSizekb. What Windows says is not recorded, so this is the emulator's own."""
    return WsmanFault("w:EncodingLimit", f"emulator: an envelope of {size} bytes, {allowed} are allowed. ")
