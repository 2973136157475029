"""T-SQL types: names, and how TYPE_INFO and values of each are written (MS-TDS 2.2.5.4 to 2.2.5.6).

A value inside the lab is what sqlite stores: int, float, str, bytes, None; date and time types are ISO text,
``2026-01-31 12:00:00.000``, decimals and GUIDs text.
"""

from __future__ import annotations

import re
import struct
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from sitekeeper_lab.sql.failure import not_emulated

COLLATION = bytes.fromhex("0904d00034")
"""SQL_Latin1_General_CP1_CI_AS, as the login reply and every text column carry it."""
TDS71, TDS72, TDS73, TDS73B, TDS74 = 0x71000001, 0x72090002, 0x730A0003, 0x730B0003, 0x74000004
INTEGERS = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}
_TEXT = {"nvarchar": 0xE7, "nchar": 0xEF, "varchar": 0xA7, "char": 0xAF}
_LEGACY = {"ntext": 0x63, "text": 0x23, "image": 0x22}
EPOCH = datetime(1900, 1, 1)  # noqa: DTZ001  # T-SQL's datetime has no zone
_FIRST_DAY = date(1, 1, 1)
_TYPE = re.compile(r"\s*\[?([a-z_0-9]+)\]?\s*(?:\(\s*(max|\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*\Z", re.IGNORECASE)
KNOWN = frozenset(
    [
        *INTEGERS,
        *_TEXT,
        *_LEGACY,
        *("bit", "float", "real", "datetime", "smalldatetime", "date", "time", "datetime2", "uniqueidentifier"),
        *("decimal", "numeric", "money", "varbinary", "binary", "sql_variant"),
    ]
)


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type with its facets."""

    name: str
    length: int = 0
    """Characters or bytes; -1 for ``max``."""
    precision: int = 0
    scale: int = 0

    @property
    def is_text(self) -> bool:
        """Character data."""
        return self.name in _TEXT or self.name in {"ntext", "text"}


def parse_type(text: str) -> SqlType:
    """Read ``nvarchar(128)``; ``sysname`` is nvarchar(128). Unknown types are an error 50001."""
    match = _TYPE.match(text)
    name = match[1].lower() if match else ""
    if name == "sysname":
        return SqlType("nvarchar", 128)
    if match is None or name not in KNOWN:
        raise not_emulated(f"the type {text.strip()}")
    first = -1 if (match[2] or "").lower() == "max" else int(match[2] or 0)
    if name in {"decimal", "numeric"}:
        return SqlType(name, 0, first or 18, int(match[3] or 0))
    if name in {"time", "datetime2"}:
        return SqlType(name, 0, 0, first if match[2] else 7)
    if name in _TEXT or name in {"varbinary", "binary"}:
        return SqlType(name, first or 30)
    return SqlType(name)


def wire_type(kind: SqlType, version: int) -> SqlType:
    """The type that a client of this TDS version gets to see instead."""
    if version < TDS73 and kind.name in {"date", "time", "datetime2"}:
        return SqlType("nvarchar", 27)
    if version < TDS72 and kind.length == -1:
        return SqlType({"nvarchar": "ntext", "varchar": "text", "varbinary": "image"}[kind.name])
    return kind


def type_info(kind: SqlType, version: int, table: str = "lab") -> bytes:
    """TYPE_INFO of a column (with the table name that the legacy types carry in COLMETADATA)."""
    name = kind.name
    if name in INTEGERS:
        return bytes([0x26, INTEGERS[name]])
    if name in _TEXT:
        size = 0xFFFF if kind.length == -1 else kind.length * (2 if name[0] == "n" else 1)
        return struct.pack("<BH", _TEXT[name], size) + COLLATION
    if name in {"varbinary", "binary"}:
        return struct.pack("<BH", 0xA5 if name == "varbinary" else 0xAD, kind.length & 0xFFFF)
    if name in _LEGACY:
        info = struct.pack("<BI", _LEGACY[name], 0x7FFFFFFF) + (b"" if name == "image" else COLLATION)
        parts = b"\1" if version >= TDS72 else b""
        return info + parts + struct.pack("<H", len(table)) + table.encode("utf-16-le")
    if name in {"decimal", "numeric"}:
        return bytes([0x6A if name == "decimal" else 0x6C, _decimal_size(kind), kind.precision, kind.scale])
    if name == "sql_variant":
        return struct.pack("<BI", 0x62, 8009)
    if name in {"time", "datetime2"}:
        return bytes([0x29 if name == "time" else 0x2A, kind.scale])
    return {
        "bit": b"\x68\x01",
        "float": b"\x6d\x08",
        "real": b"\x6d\x04",
        "datetime": b"\x6f\x08",
        "smalldatetime": b"\x6f\x04",
        "money": b"\x6e\x08",
        "date": b"\x28",
        "uniqueidentifier": b"\x24\x10",
    }[name]


def value_bytes(kind: SqlType, value: object) -> bytes:
    """One value with its length, as a ROW token has it."""
    name = kind.name
    if name in _LEGACY:
        if value is None:
            return b"\0"
        body = _body(SqlType({"ntext": "nvarchar", "text": "varchar", "image": "varbinary"}[name]), value)
        return b"\x10" + b"labtextpointer!\0" + b"labstamp" + struct.pack("<I", len(body)) + body
    if kind.length == -1:
        if value is None:
            return b"\xff" * 8
        body = _body(kind, value)
        chunk = struct.pack("<I", len(body)) + body if body else b""
        return struct.pack("<Q", len(body)) + chunk + b"\0\0\0\0"
    if name in _TEXT or name in {"varbinary", "binary"}:
        if value is None:
            return b"\xff\xff"
        body = _body(kind, value)
        return struct.pack("<H", len(body)) + body
    if name == "sql_variant":
        return _variant(value)
    body = b"" if value is None else _body(kind, value)
    return bytes([len(body)]) + body


def _body(kind: SqlType, value: object) -> bytes:
    name = kind.name
    if name in INTEGERS:
        return int(str(value)).to_bytes(INTEGERS[name], "little", signed=name != "tinyint")
    if name in {"nvarchar", "nchar"}:
        return _fitting(str(value).encode("utf-16-le"), kind, 2 * kind.length)
    if name in {"varchar", "char"}:
        return _fitting(str(value).encode("cp1252", "replace"), kind, kind.length)
    if name in {"varbinary", "binary"}:
        data = value if isinstance(value, bytes) else str(value).encode("utf-16-le")
        return _fitting(data, kind, kind.length)
    if name == "bit":
        return b"\1" if value else b"\0"
    if name in {"float", "real"}:
        return struct.pack("<d" if name == "float" else "<f", float(str(value)))
    if name == "uniqueidentifier":
        return uuid.UUID(str(value)).bytes_le
    if name in {"decimal", "numeric"}:
        number = int(Decimal(str(value)).scaleb(kind.scale).to_integral_value())
        return bytes([number >= 0]) + abs(number).to_bytes(_decimal_size(kind) - 1, "little")
    if name == "money":
        number = int(Decimal(str(value)).scaleb(4).to_integral_value())
        return struct.pack("<iI", number >> 32, number & 0xFFFFFFFF)
    return _moment(kind, str(value))


def _fitting(data: bytes, kind: SqlType, room: int) -> bytes:
    # Cutting it would be a wrong answer, sending it a broken stream: the type was found wrongly, and that must show.
    if 0 < room < len(data):
        raise not_emulated(f"a value of {len(data)} bytes in {kind.name}({kind.length})")
    return data


def _moment(kind: SqlType, text: str) -> bytes:
    if kind.name == "time":
        return _ticks(time.fromisoformat(text), kind.scale)
    moment = datetime.fromisoformat(text)
    if kind.name == "date":
        return (moment.date() - _FIRST_DAY).days.to_bytes(3, "little")
    if kind.name == "datetime2":
        return _ticks(moment.time(), kind.scale) + (moment.date() - _FIRST_DAY).days.to_bytes(3, "little")
    since = moment - EPOCH
    if kind.name == "smalldatetime":
        return struct.pack("<HH", since.days, since.seconds // 60)
    return struct.pack("<iI", since.days, round((since.seconds + since.microseconds / 1e6) * 300))


def _ticks(moment: time, scale: int) -> bytes:
    micro = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond
    ticks: int = micro * 10**scale // 1_000_000
    return ticks.to_bytes(3 if scale < 3 else 4 if scale < 5 else 5, "little")


def _decimal_size(kind: SqlType) -> int:
    return 5 if kind.precision < 10 else 9 if kind.precision < 20 else 13 if kind.precision < 29 else 17


def _variant(value: object) -> bytes:
    if value is None:
        return b"\0\0\0\0"
    if isinstance(value, int):
        inner = b"\x38\0" + struct.pack("<i", value)
    elif isinstance(value, str):
        text = value.encode("utf-16-le")
        inner = b"\xe7\x07" + COLLATION + struct.pack("<H", max(len(text), 2)) + text
    else:
        raise not_emulated(f"sql_variant of {type(value).__name__}")
    return struct.pack("<I", len(inner)) + inner
