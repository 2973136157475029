"""CLIXML that a client sent, as plain Python.

Strings, numbers, booleans, bytes, lists and dicts come out as themselves; an enumeration as its number; an object
with properties as :class:`~sitekeeper_lab.engines.api.PsObject`. MS-PSRP 2.2.5.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, Final

from sitekeeper_lab.engines.api import PsObject

_ESCAPE: Final = re.compile("(?:_x[0-9a-fA-F]{4}_)+")
_DURATION: Final = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")


class ClixmlError(ValueError):
    """The client sent something that is not CLIXML, or CLIXML that this reader refuses by name."""


def _unescape(match: re.Match[str]) -> str:
    units = bytes.fromhex(match[0].replace("_x", "").replace("_", ""))
    return units.decode("utf-16-be", "surrogatepass")


def text(value: str | None) -> str:
    """The string that a CLIXML element's text stands for."""
    if value is None:
        return ""
    return _ESCAPE.sub(_unescape, value) if "_x" in value else value


def _datetime(value: str) -> dt.datetime:
    # .NET writes seven digits of a second, Python reads six
    return dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))


def _duration(value: str) -> dt.timedelta:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ClixmlError(f"not a duration: {value!r}")
    sign, days, hours, minutes, seconds = match.groups()
    span = dt.timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
    )
    return -span if sign else span


# The bounds matter: pypsrp writes any int as an I32, and a server that is asked to read 2**31 as one fails.
_INTEGERS: Final = {
    "By": (0, 2**8 - 1),
    "SB": (-(2**7), 2**7 - 1),
    "U16": (0, 2**16 - 1),
    "I16": (-(2**15), 2**15 - 1),
    "U32": (0, 2**32 - 1),
    "I32": (-(2**31), 2**31 - 1),
    "U64": (0, 2**64 - 1),
    "I64": (-(2**63), 2**63 - 1),
}


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ClixmlError(f"{number} is not between {low} and {high}")
        return number

    return read


def _refuse_secure_string(_: str) -> Any:
    raise ClixmlError("a SecureString needs the session key exchange (MS-PSRP 3.1.4.3), which the lab does not do")


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "S": text,
    "ToString": text,
    "C": lambda v: chr(int(v)),
    "B": lambda v: v.lower() == "true",
    "DT": _datetime,
    "TS": _duration,
    **{tag: _integer(*bounds) for tag, bounds in _INTEGERS.items()},
    "Sg": float,
    "Db": float,
    "D": decimal.Decimal,
    "BA": base64.b64decode,
    "G": uuid.UUID,
    "URI": text,
    "Version": str,
    "XD": text,
    "SBK": text,
    "SS": _refuse_secure_string,
}


class _Reader:
    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.types: dict[str, tuple[str, ...]] = {}

    def read(self, element: ET.Element) -> Any:
        tag = element.tag
        reader = _READERS.get(tag)
        if reader is not None:
            return reader(element.text or "")
        if tag == "Nil":
            return None
        if tag == "Ref":
            return self.objects[element.get("RefId", "")]
        if tag == "Obj":
            return self._object(element)
        raise ClixmlError(f"unknown CLIXML element <{tag}>")

    def _object(self, element: ET.Element) -> Any:
        types: tuple[str, ...] = ()
        to_string: str | None = None
        adapted: dict[str, Any] = {}
        extended: dict[str, Any] = {}
        whole: Any = None
        has_whole = False
        reference = element.get("RefId", "")
        for part in element:
            tag = part.tag
            if tag == "TN":
                types = tuple(text(each.text) for each in part)
                self.types[part.get("RefId", "")] = types
            elif tag == "TNRef":
                types = self.types[part.get("RefId", "")]
            elif tag == "ToString":
                to_string = text(part.text)
            elif tag in ("MS", "Props"):
                members = extended if tag == "MS" else adapted
                for member in part:
                    members[text(member.get("N"))] = self.read(member)
            elif tag in ("LST", "IE", "QUE", "STK"):
                whole, has_whole = [self.read(each) for each in part], True
            elif tag == "DCT":
                whole, has_whole = {self.read(entry[0]): self.read(entry[1]) for entry in part}, True
            else:
                whole, has_whole = self.read(part), True
        if not has_whole:
            whole = PsObject(types, adapted, extended, to_string)
        self.objects[reference] = whole
        return whole


def loads(data: str | bytes) -> Any:
    """The value of one CLIXML message; an empty message is None.

    Raises:
        ClixmlError: not well-formed, or something the lab refuses (a SecureString, an unknown element).

    """
    if not data:
        return None
    try:
        element = ET.fromstring(data)  # noqa: S314  the lab listens on loopback; expat's own limits are enough
        return _Reader().read(element)
    except ClixmlError:
        raise
    except (ET.ParseError, KeyError, IndexError, ValueError, ArithmeticError) as error:
        raise ClixmlError(f"not readable as CLIXML: {error}") from error
