"""WS-Management envelopes: reading a request, writing an answer (DSP0226, MS-WSMV)."""

from __future__ import annotations

import random
import re
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from .fault import WsmanFault, invalid_timeout, schema_violation

S: Final = "{http://www.w3.org/2003/05/soap-envelope}"
A: Final = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
W: Final = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
P: Final = "{http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd}"
RSP: Final = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
PWSH: Final = "{http://schemas.microsoft.com/powershell}"
WSMID: Final = "{http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd}"

TRANSFER: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
ENUMERATION: Final = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
SHELL: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_FAULT_ACTIONS: Final = {
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault",
    "n": ENUMERATION + "fault",
}
"""By the prefix of the fault's subcode, as recorded of each."""

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds; WinRM's MaxTimeoutms for a request that names none."""
DEFAULT_ENVELOPE: Final = 153_600
_HEADER_ROOM: Final = 2_500  # characters of an answer around its streams

_WITHOUT_COMMAND: Final = "Create", "Delete", "Get", "Enumerate", "Disconnect", "Reconnect"

_DURATION: Final = re.compile(r"PT?(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")

_ENVELOPE: Final = (
    '<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" '
    'xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing" '
    'xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
    'xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" '
    'xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>{action}</a:Action>'
    "<a:MessageID>uuid:{id}</a:MessageID>"
    "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
    "{relates}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request's header, and the one element in its body."""

    action: str
    operation: str
    """The last part of the action: Create, Receive ..."""
    resource_uri: str
    message_id: str
    session_id: str
    to: str
    operation_timeout: str
    """An XML duration; empty if the client names none."""
    max_envelope: int
    """Bytes that the answer may have."""
    selectors: dict[str, str]
    options: dict[str, str]
    body: ET.Element | None

    @property
    def timeout(self) -> float:
        """Seconds that the client gives the operation.

        Raises:
            WsmanFault: what it wrote is no duration.

        """
        return seconds(self.operation_timeout)

    @property
    def machine(self) -> str:
        """The address that the client used, as faults name it."""
        return urlsplit(self.to).hostname or ""

    @property
    def shell_id(self) -> str:
        """The shell that is meant, in upper case; empty if none is."""
        return self.selectors.get("ShellId", "").upper()

    @property
    def command_id(self) -> str:
        """The command that is meant, in upper case; empty for the shell itself."""
        if self.body is None or self.operation in _WITHOUT_COMMAND:
            return ""
        carrier = self.body.find("*") if self.operation in ("Receive", "Send") else self.body
        return (carrier.get("CommandId", "") if carrier is not None else "").upper()

    @property
    def room(self) -> int:
        """Characters of an answer that its streams may take."""
        return max(self.max_envelope - _HEADER_ROOM, 1_024)


def parse(data: bytes) -> Request | None:
    """Read an envelope; None means an Identify, which has no header.

    Raises:
        WsmanFault: not an envelope, or a header that WinRM refuses.

    """
    try:
        root = ET.fromstring(data)  # noqa: S314  the lab listens on loopback; expat's own limits are enough
    except ET.ParseError as error:
        raise schema_violation(str(error)) from error
    body = root.find(f"{S}Body")
    if root.tag != f"{S}Envelope" or body is None:
        raise schema_violation("no s:Envelope with an s:Body")
    content = body[0] if len(body) else None
    if content is not None and content.tag == f"{WSMID}Identify":
        return None
    header = root.find(f"{S}Header")
    if header is None:
        raise schema_violation("no s:Header")
    plain: dict[str, str] = {}
    selectors: dict[str, str] = {}
    options: dict[str, str] = {}
    for part in header:
        if part.tag == f"{W}SelectorSet":
            selectors.update((each.get("Name", ""), each.text or "") for each in part)
        elif part.tag == f"{W}OptionSet":
            options.update((each.get("Name", ""), each.text or "") for each in part)
        else:
            plain[part.tag] = part.text or ""
    action = plain.get(f"{A}Action", "")
    return Request(
        action=action,
        operation=action.rpartition("/")[2],
        resource_uri=plain.get(f"{W}ResourceURI", ""),
        message_id=plain.get(f"{A}MessageID", ""),
        session_id=plain.get(f"{P}SessionId", ""),
        to=plain.get(f"{A}To", ""),
        operation_timeout=plain.get(f"{W}OperationTimeout", ""),
        max_envelope=_envelope(plain.get(f"{W}MaxEnvelopeSize")),
        selectors=selectors,
        options=options,
        body=content,
    )


def _envelope(written: str | None) -> int:
    if not written:
        return DEFAULT_ENVELOPE
    if not written.isdecimal():
        raise schema_violation(f"MaxEnvelopeSize {written}.")
    return int(written)


def seconds(written: str | None) -> float:
    """An XML duration in seconds."""
    if not written:
        return DEFAULT_TIMEOUT
    match = _DURATION.fullmatch(written)
    if match is None or not any(match.groups()):
        raise invalid_timeout(written)
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def answer(action: str, relates_to: str, body: str) -> bytes:
    """A whole answer; ``action`` is the request's, without ``Response``."""
    return _write(action + "Response", relates_to, body)


def fault(problem: WsmanFault, relates_to: str, machine: str) -> bytes:
    """A whole fault."""
    action = _FAULT_ACTIONS[problem.subcode.partition(":")[0]]
    return _write(action, "" if problem.anonymous else relates_to, problem.body(machine))


def _write(action: str, relates_to: str, body: str) -> bytes:
    relates = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    # an identity and no secret: uuid4's system call for real randomness would cost more than the rest of the answer
    identity = str(uuid.UUID(int=random.getrandbits(128), version=4)).upper()
    return _ENVELOPE.format(action=action, id=identity, relates=relates, body=body).encode("utf-8")


def identify(product_version: str) -> bytes:
    """The answer to Identify; ``product_version`` is like ``OS: 10.0.14393 SP: 0.0 Stack: 3.0``."""
    return (
        '<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>'
        '<wsmid:IdentifyResponse xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd">'
        "<wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>"
        "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        f"<wsmid:ProductVersion>{escape(product_version)}</wsmid:ProductVersion>"
        "</wsmid:IdentifyResponse></s:Body></s:Envelope>"
    ).encode()
