"""Fields of an answer, and in which of them two answers differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

Fields = dict[str, str]
"""Path of an element, attribute or member: its value, or the form of its value."""

_PREFIXES = {
    "http://www.w3.org/2003/05/soap-envelope": "s:",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing": "a:",
    "http://schemas.xmlsoap.org/ws/2004/09/transfer": "x:",
    "http://schemas.xmlsoap.org/ws/2004/09/enumeration": "n:",
    "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd": "w:",
    "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd": "p:",
    "http://schemas.microsoft.com/wbem/wsman/1/windows/shell": "rsp:",
    "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault": "f:",
    "http://schemas.microsoft.com/powershell": "pwsh:",
    "http://www.w3.org/XML/1998/namespace": "xml:",
}
_OWN = frozenset({"a:Address", "a:To", "rsp:Owner", "rsp:ClientIP", "Machine"})
"""Elements and attributes whose value is the machine's or the client's own business."""
_COUNTED = frozenset({"rsp:ProcessId", "rsp:ShellRunTime", "rsp:ShellInactivity", "rsp:MemoryUsed"})
"""Those whose value is some number."""
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def form(text: str) -> str:
    """A text with ids for its ids (in the letters that they are written in)."""
    return _GUID.sub(lambda found: "guid" if found[0] == found[0].lower() else "GUID", text)


def numbers(text: str) -> str:
    """A text with a 9 for each number in it."""
    return re.sub(r"\d+", "9", text)


def _valued(name: str, text: str) -> str:
    if name in _OWN:
        return "own" if text else ""
    return numbers(text) if name in _COUNTED else form(text)


def of_envelope(xml: str) -> Fields:
    """The fields of a SOAP envelope."""
    found: Fields = {}

    def walk(element: ET.Element, path: str) -> None:
        name = _short(element.tag)
        selected = element.get("Name") if name == "w:Selector" else None
        here = f"{path}/{name}[{selected}]" if selected else f"{path}/{name}"
        text = (element.text or "").strip()
        if name in {"rsp:Stream", "pwsh:connectResponseXml"}:
            text = "base64"  # messages, compared for themselves
        found.setdefault(here, _valued(name, text))
        for attribute, value in element.attrib.items():
            found.setdefault(f"{here}@{_short(attribute)}", _valued(_short(attribute), value))
        for child in element:
            walk(child, here)

    walk(ET.fromstring(xml), "")  # noqa: S314 - a recording, or the lab's
    return found


def order_of(xml: str) -> list[str]:
    """The elements of an envelope in their order, each name once a parent."""
    found: list[str] = []

    def walk(element: ET.Element, path: str) -> None:
        here = f"{path}/{_short(element.tag)}"
        if here not in found:
            found.append(here)
        for child in element:
            walk(child, here)

    walk(ET.fromstring(xml), "")  # noqa: S314 - a recording, or the lab's
    return found


def _short(tag: str) -> str:
    space, _, name = tag.rpartition("}")
    return _PREFIXES.get(space[1:], space + "}" if space else "") + name


def of_message(clixml: str, own: Iterable[str] = ()) -> Fields:
    """The fields of a CLIXML object: members by name with their type, .NET types, texts.

    ``own``: members whose value is a machine's own business; ``*`` stands for all.
    """
    free = frozenset(own)
    types: dict[str, str] = {}
    found: Fields = {}

    def valued(name: str, text: str) -> str:
        return "own" if text.strip() and (name in free or "*" in free) else text

    def walk(element: ET.Element, path: str) -> None:
        tag = element.tag
        if tag == "TN":
            types[element.get("RefId", "")] = found[f"{path}:types"] = " ".join(one.text or "" for one in element)
        elif tag == "TNRef":
            found[f"{path}:types"] = types[element.get("RefId", "")]
        elif tag == "ToString":
            found[f"{path}:text"] = valued(path.rpartition("/")[2], element.text or "")
        elif tag in {"MS", "Props", "LST", "DCT"}:
            found[f"{path}:{tag}"] = str(len(element)) if tag == "LST" else ""
            for number, child in enumerate(element):
                if tag == "LST":
                    child.set("N", str(number))
                walk(child, path)
        elif tag == "En":
            key, value = element
            value.set("N", key.text or "")
            walk(value, path)
        else:
            here = f"{path}/{element.get('N', '')}"
            found.setdefault(here, f"{tag} {valued(element.get('N', ''), element.text or '')}".strip())
            for child in element:
                walk(child, here)

    walk(ET.fromstring(clixml), "")  # noqa: S314 - a recording, or the lab's
    return found


def differences(real: Mapping[str, str], lab: Mapping[str, str]) -> dict[str, str]:
    """Each field that is not the same: what Windows says there, and what the lab."""
    return {
        path: f"Windows {real.get(path, '-')!r}, lab {lab.get(path, '-')!r}"
        for path in sorted({*real, *lab})
        if real.get(path) != lab.get(path)
    }
