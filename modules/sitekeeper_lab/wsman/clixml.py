"""Python values and the engine's objects to CLIXML, written directly as text.

The server's share of the CPU is mostly this, so it builds strings and no tree. The form is that of recorded Windows
answers: ``TN`` once and ``TNRef`` afterwards, ``RefId`` from 0 in every message, ``Props`` before ``MS``
(MS-PSRP 2.2.5).
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from psrpcore import types as ps

from sitekeeper_lab.engines.api import PsArray, PsObject

_ESCAPED: Final = re.compile("_(?=[xX])|[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U00010000-\U0010ffff]")

ARRAY_TYPES: Final = ("System.Object[]", "System.Array", "System.Object")
HASHTABLE_TYPES: Final = ("System.Collections.Hashtable", "System.Object")


def _escape_one(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"_x{units[at] << 8 | units[at + 1]:04X}_" for at in range(0, len(units), 2))


def text(value: str) -> str:
    """A string as the content of a CLIXML element: control characters and ``_x`` as ``_xHHHH_``, markup as entities."""
    if not (value.isascii() and value.isprintable()) or "_x" in value or "_X" in value:
        value = _ESCAPED.sub(_escape_one, value)
    if "&" in value:
        value = value.replace("&", "&amp;")
    if "<" in value:
        value = value.replace("<", "&lt;")
    if ">" in value:
        value = value.replace(">", "&gt;")
    return value


def _name(value: str | None) -> str:
    return "" if value is None else f' N="{text(value).replace(chr(34), "&quot;")}"'


def _datetime(value: dt.datetime) -> str:
    written = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    offset = value.utcoffset()
    if offset is None:  # DateTimeKind.Unspecified
        return written
    if value.tzinfo is dt.UTC:
        return written + "Z"
    minutes = int(offset.total_seconds() // 60)
    return f"{written}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _duration(value: dt.timedelta) -> str:
    micros = abs(value) // dt.timedelta(microseconds=1)
    seconds, fraction = divmod(micros, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    tail = f"{fraction:06d}".rstrip("0")
    time = f"{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}"
    if seconds or tail or not (days or time):
        time += f"{seconds}{'.' + tail if tail else ''}S"
    return f"{'-' if value.days < 0 else ''}P{f'{days}D' if days else ''}{'T' + time if time else ''}"


def _double(value: float) -> str:
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    return "NaN" if math.isnan(value) else repr(float(value)).removesuffix(".0").replace("e", "E")


def _integer(value: int) -> str:
    return int.__repr__(value)


def _char(value: Any) -> str:
    return _integer(int(value))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


# An exact type (Python's own or one of psrpcore.types) to its element and the text in it. Python's int is not here:
# its element depends on its size.
_PRIMITIVES: Final[dict[type, tuple[str, Callable[[Any], str]]]] = {
    str: ("S", text),
    bytes: ("BA", _base64),
    float: ("Db", _double),
    dt.datetime: ("DT", _datetime),
    dt.timedelta: ("TS", _duration),
    uuid.UUID: ("G", str),
    decimal.Decimal: ("D", str),
    ps.PSString: ("S", lambda v: text(str(v))),
    ps.PSChar: ("C", _char),
    ps.PSDateTime: ("DT", _datetime),
    ps.PSDuration: ("TS", _duration),
    ps.PSByte: ("By", _integer),
    ps.PSSByte: ("SB", _integer),
    ps.PSUInt16: ("U16", _integer),
    ps.PSInt16: ("I16", _integer),
    ps.PSUInt: ("U32", _integer),
    ps.PSInt: ("I32", _integer),
    ps.PSUInt64: ("U64", _integer),
    ps.PSInt64: ("I64", _integer),
    ps.PSSingle: ("Sg", _double),
    ps.PSDouble: ("Db", _double),
    ps.PSDecimal: ("D", str),
    ps.PSByteArray: ("BA", _base64),
    ps.PSGuid: ("G", str),
    ps.PSUri: ("URI", lambda v: text(str(v))),
    ps.PSVersion: ("Version", str),
    ps.PSXml: ("XD", lambda v: text(str(v))),
    ps.PSScriptBlock: ("SBK", lambda v: text(str(v))),
}


class Writer:
    """Writes one message; reference numbers and type names are remembered within it."""

    __slots__ = ("_next", "_parts", "_refs", "_types")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._next = 0
        self._refs: dict[int, int] = {}
        self._types: dict[tuple[str, ...], int] = {}

    def result(self) -> str:
        """What was written so far."""
        return "".join(self._parts)

    def open(self, types: tuple[str, ...] = (), name: str | None = None, to_string: str | None = None) -> None:
        """Begin an ``Obj``; the caller writes its parts and calls :meth:`close`."""
        add = self._parts.append
        add(f'<Obj{_name(name)} RefId="{self._next}">')
        self._next += 1
        if types:
            known = self._types.get(types)
            if known is None:
                self._types[types] = known = len(self._types)
                add(f'<TN RefId="{known}">' + "".join(f"<T>{text(each)}</T>" for each in types) + "</TN>")
            else:
                add(f'<TNRef RefId="{known}" />')
        if to_string is not None:
            add(f"<ToString>{text(to_string)}</ToString>")

    def close(self) -> None:
        """End the ``Obj`` that :meth:`open` began."""
        self._parts.append("</Obj>")

    def raw(self, markup: str) -> None:
        """Add markup that is CLIXML already."""
        self._parts.append(markup)

    def value(self, value: Any, name: str | None = None) -> None:
        """Write one value.

        Raises:
            TypeError: there is no CLIXML for such a value; nothing is guessed.

        """
        kind = type(value)
        primitive = _PRIMITIVES.get(kind)
        if primitive is not None:
            tag, written = primitive
            self._parts.append(f"<{tag}{_name(name)}>{written(value)}</{tag}>")
        elif value is None:
            self._parts.append(f"<Nil{_name(name)} />")
        elif kind is bool:
            self._parts.append(f"<B{_name(name)}>{'true' if value else 'false'}</B>")
        elif kind is int:
            tag = "I32" if -(2**31) <= value < 2**31 else "I64"
            if tag == "I64" and not -(2**63) <= value < 2**63:
                raise TypeError(f"the integer {value} fits neither I32 nor I64; say which type with psrpcore.types")
            self._parts.append(f"<{tag}{_name(name)}>{value}</{tag}>")
        else:
            self._object(value, name)

    def _object(self, value: Any, name: str | None) -> None:
        known = self._refs.get(id(value))
        if known is not None:
            self._parts.append(f'<Ref{_name(name)} RefId="{known}" />')
            return
        if not isinstance(value, PsObject | list | tuple | Mapping):
            raise TypeError(f"no CLIXML for a {type(value).__module__}.{type(value).__qualname__}")
        self._refs[id(value)] = self._next
        if isinstance(value, PsObject):
            self.open(value.type_names, name, value.to_string)
            self.members("Props", value.adapted)
            self.members("MS", value.extended)
        elif isinstance(value, Mapping):
            self.open(HASHTABLE_TYPES, name)
            self.entries(value)
        else:
            self.open(value.type_names if isinstance(value, PsArray) else ARRAY_TYPES, name)
            self.items(value)
        self.close()

    def members(self, group: str, members: Mapping[str, Any]) -> None:
        """Write ``Props`` or ``MS``; an empty one is left out, as Windows does."""
        if members:
            self._parts.append(f"<{group}>")
            for name, value in members.items():
                self.value(value, name)
            self._parts.append(f"</{group}>")

    def items(self, values: list[Any] | tuple[Any, ...]) -> None:
        """Write the ``LST`` of a list."""
        if not values:
            self._parts.append("<LST />")
            return
        self._parts.append("<LST>")
        for value in values:
            self.value(value)
        self._parts.append("</LST>")

    def entries(self, values: Mapping[Any, Any]) -> None:
        """Write the ``DCT`` of a dictionary."""
        if not values:
            self._parts.append("<DCT />")
            return
        self._parts.append("<DCT>")
        for key, value in values.items():
            self._parts.append("<En>")
            self.value(key, "Key")
            self.value(value, "Value")
            self._parts.append("</En>")
        self._parts.append("</DCT>")


def dumps(value: Any) -> str:
    """One value as a whole CLIXML message."""
    writer = Writer()
    writer.value(value)
    return writer.result()
