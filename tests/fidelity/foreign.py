"""CLIXML as psrpcore reads it, another reader than ours and than the lab's: what both are compared with."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from psrpcore import types as ps


class _NoKey(ps.PSCryptoProvider):
    """SecureStrings stay what they are: the session key is not in the recording."""

    def decrypt(self, value: str) -> str:
        return ""

    def encrypt(self, value: str) -> str:
        return ""

    def register_key(self, key: bytes) -> None:
        """There is none."""


@dataclass(frozen=True, slots=True)
class Error:
    """What matters of an ErrorRecord, by a plain look at its text."""

    error_id: str
    category: int
    message: str
    reason: str


def error(clixml: str) -> Error | None:
    """The first ErrorRecord in a message, if there is one."""

    def first(pattern: str) -> str:
        found = re.search(pattern, clixml)
        return by_psrpcore(f"<S>{found[1]}</S>") if found else ""

    if "<T>System.Management.Automation.ErrorRecord</T>" not in clixml:
        return None
    category = first('<I32 N="ErrorCategory_Category">([^<]*)<')
    return Error(
        error_id=first('<S N="FullyQualifiedErrorId">([^<]*)<'),
        category=int(category),
        message=first('<S N="Message">([^<]*)<'),
        reason=first('<S N="ErrorCategory_Reason">([^<]*)<'),
    )


def by_psrpcore(clixml: str) -> Any:
    """An object as psrpcore reads it, with the plain values that our reader promises: dates and secrets stay text.

    Records of the other streams, which it makes objects of its own of, are to be read by their members.
    """
    text = re.sub(r"(</?)(?:DT|SS)\b", r"\1S", clixml)
    text = re.sub(r"<T>System\.Management\.Automation\.(?:Debug|Verbose|Warning)Record</T>", "<T>Record</T>", text)
    return plain(ps.deserialize(ET.fromstring(text), _NoKey()))  # noqa: S314 - a recording


def plain(value: Any) -> Any:
    """A value of psrpcore as text, number, list or dict of properties."""
    shown = value.PSObject.to_string if isinstance(value, ps.PSObject) else None
    if isinstance(value, ps.PSObject) and any(name.endswith("System.Enum") for name in value.PSObject.type_names):
        return shown
    match value:
        case None | bool():
            return value
        case ps.PSChar():
            return chr(int(value))
        case int():
            return int(value)
        case float():
            return float(value)
        case bytes():
            return bytes(value)
        case str() | uuid.UUID():
            return str(value)
        case list() | tuple() | ps.PSListBase():
            return [plain(one) for one in value]
        case dict() | ps.PSDictBase():
            return {plain(name): plain(one) for name, one in value.items()}
    members = [*value.PSObject.adapted_properties, *value.PSObject.extended_properties]
    return {one.name: plain(one.get_value(value)) for one in members} or shown or {}
