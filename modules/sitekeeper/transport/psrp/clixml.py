"""CLIXML as plain values, without .NET types (MS-PSRP 2.2.5).

An object becomes a dict of its properties, an array a list, an enum its name, a byte array bytes. Dates stay text.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from xml.etree import ElementTree as ET

from sitekeeper.engine.errors import ErrorRecord

_NAMESPACE = "{http://schemas.microsoft.com/powershell/2004/04}"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_INTEGERS = frozenset({"I32", "I64", "U32", "U64", "I16", "U16", "By", "SB"})
_TEXTS = frozenset({"S", "ToString", "URI", "XD", "SBK"})
_LISTS = frozenset({"LST", "IE", "QUE", "STK"})


def decode(xml: bytes) -> Any:
    """The value of one serialised object.

    Raises:
        ValueError: it is not CLIXML.

    """
    if xml.startswith(b"<BA>") and xml.endswith(b"</BA>"):
        return base64.b64decode(xml[4:-5])  # file contents: without building a tree
    try:
        return _value(ET.fromstring(xml), {})  # noqa: S314 - expat of Python 3.11 refuses entity expansion bombs
    except ET.ParseError as error:
        raise ValueError(f"not CLIXML: {error}") from None


def unescape(text: str | None) -> str:
    """Decode ``_x000A_``; a pair of surrogates becomes one character."""
    if not text:
        return ""
    if "_x" not in text:
        return text
    plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return _SURROGATES.sub(lambda match: match[0].encode("utf-16", "surrogatepass").decode("utf-16"), plain)


def _value(element: ET.Element, seen: dict[str, Any]) -> Any:
    tag = element.tag.removeprefix(_NAMESPACE)
    text = element.text
    if tag in _TEXTS:
        return unescape(text)
    if tag in _INTEGERS:
        return int(text or 0)
    if tag == "Obj":
        return _object(element, seen)
    if tag == "Nil":
        return None
    if tag == "B":
        return text == "true"
    if tag == "BA":
        return base64.b64decode(text or "")
    if tag in {"Db", "Sg"}:
        return float(text or 0)
    if tag == "C":
        return chr(int(text or 0))
    if tag == "Ref":
        return seen.get(element.attrib.get("RefId", ""))
    return text  # DT, TS, G, D, Version: we compare their text


def _object(element: ET.Element, seen: dict[str, Any]) -> Any:
    properties: dict[str, Any] = {}
    held: Any = properties
    shown: str | None = None
    types: list[str] = []
    simple = False
    for child in element:
        tag = child.tag.removeprefix(_NAMESPACE)
        if tag in {"TN", "TNRef"}:
            types = [name.text or "" for name in child]
            seen_types = seen.setdefault("types", {})
            if tag == "TN":
                seen_types[child.attrib.get("RefId", "")] = types
            else:
                types = seen_types.get(child.attrib.get("RefId", ""), [])
        elif tag == "ToString":
            shown = unescape(child.text)
        elif tag in {"Props", "MS"}:
            for one in child:
                properties[unescape(one.attrib.get("N"))] = _value(one, seen)
        elif tag in _LISTS:
            held = [_value(one, seen) for one in child]
        elif tag == "DCT":
            held = {}
            for entry in child:
                pair = {one.attrib.get("N", ""): _value(one, seen) for one in entry}
                held[pair.get("Key")] = pair.get("Value")
        else:
            held = _value(child, seen)
            simple = True
    if simple and shown is not None and "System.Enum" in types:
        held = shown
    if types and types[0].endswith("System.Management.Automation.ErrorRecord"):
        held = _error(properties, shown)
    elif held is properties and not properties and shown is not None:
        held = shown
    seen[element.attrib.get("RefId", "")] = held
    return held


def _error(properties: dict[str, Any], shown: str | None) -> ErrorRecord:
    exception = properties.get("Exception")
    details = properties.get("ErrorDetails_Message")
    message = exception.get("Message") if isinstance(exception, dict) else None
    target = properties.get("TargetObject")
    return ErrorRecord(
        message=str(details or message or shown or properties.get("ErrorCategory_Message") or "no message"),
        error_id=str(properties.get("FullyQualifiedErrorId") or ""),
        category=int(properties.get("ErrorCategory_Category") or 0),
        target=None if target is None else str(target),
        exception=str(properties.get("ErrorCategory_Reason") or "") or None,
    )
