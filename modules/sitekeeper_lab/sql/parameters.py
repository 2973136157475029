"""Reading what a client sends: fields, TYPE_INFO and values of parameters (MS-TDS 2.2.5.4 to 2.2.6.6)."""

from __future__ import annotations

import struct
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from sitekeeper_lab.sql.datatypes import EPOCH, INTEGERS, SqlType
from sitekeeper_lab.sql.failure import not_emulated


class Reader:
    """Reads a message of the client from front to back."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self.at

    def take(self, count: int) -> bytes:
        """Read so many bytes; a message that ends before is refused."""
        if count > self.left:
            raise not_emulated("a message that ends too early")
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Read a little-endian number."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def text(self, characters: int) -> str:
        """Read UTF-16."""
        return self.take(characters * 2).decode("utf-16-le")

    def typed(self) -> tuple[SqlType, object]:
        """Read TYPE_INFO and one value."""
        code = self.number(1)
        if code in _FIXED:
            name, size = _FIXED[code]
            return SqlType(name), _parse(SqlType(name), self.take(size))
        if code in {0x24, 0x26, 0x68, 0x6D, 0x6E, 0x6F}:
            kind = SqlType(_SIZED[code, self.number(1)])
            data = self.take(self.number(1))
            return kind, _parse(kind, data) if data else None
        if code in {0x6A, 0x6C}:
            self.number(1)
            kind = SqlType("decimal" if code == 0x6A else "numeric", 0, self.number(1), self.number(1))
            data = self.take(self.number(1))
            return kind, _parse(kind, data) if data else None
        if code in {0x28, 0x29, 0x2A}:
            kind = SqlType(
                {0x28: "date", 0x29: "time", 0x2A: "datetime2"}[code], 0, 0, self.number(1) if code != 0x28 else 0
            )
            data = self.take(self.number(1))
            return kind, _parse(kind, data) if data else None
        if code in _BY_TEXT_CODE:
            return self._long(_BY_TEXT_CODE[code])
        if code in {0x22, 0x23, 0x63}:
            return self._legacy(code)
        raise not_emulated(f"a parameter of type 0x{code:02X}")

    def _long(self, name: str) -> tuple[SqlType, object]:
        size = self.number(2)
        if name.endswith("char"):
            self.take(5)
        unit = 2 if name[0] == "n" else 1
        if size == 0xFFFF:
            kind, total = SqlType(name, -1), self.number(8)
            if total == 0xFFFFFFFFFFFFFFFF:
                return kind, None
            body = bytearray()
            while length := self.number(4):
                body += self.take(length)
            return kind, _parse(kind, bytes(body))
        kind, length = SqlType(name, size // unit), self.number(2)
        return kind, None if length == 0xFFFF else _parse(kind, self.take(length))

    def _legacy(self, code: int) -> tuple[SqlType, object]:
        name = {0x22: "varbinary", 0x23: "varchar", 0x63: "nvarchar"}[code]
        self.number(4)
        if code != 0x22:
            self.take(5)
        length = self.number(4)
        kind = SqlType(name, -1)
        return kind, None if length == 0xFFFFFFFF else _parse(kind, self.take(length))


_FIXED = {
    0x30: ("tinyint", 1),
    0x32: ("bit", 1),
    0x34: ("smallint", 2),
    0x38: ("int", 4),
    0x3A: ("smalldatetime", 4),
    0x3B: ("real", 4),
    0x3C: ("money", 8),
    0x3D: ("datetime", 8),
    0x3E: ("float", 8),
    0x7F: ("bigint", 8),
}
_SIZED = {
    (0x24, 16): "uniqueidentifier",
    **{(0x26, size): name for name, size in INTEGERS.items()},
    (0x68, 1): "bit",
    (0x6D, 4): "real",
    (0x6D, 8): "float",
    (0x6E, 8): "money",
    (0x6F, 4): "smalldatetime",
    (0x6F, 8): "datetime",
}
_BY_TEXT_CODE = {0xE7: "nvarchar", 0xEF: "nchar", 0xA7: "varchar", 0xAF: "char", 0xA5: "varbinary", 0xAD: "binary"}


def _parse(kind: SqlType, data: bytes) -> object:
    name = kind.name
    if name in INTEGERS or name == "bit":
        return int.from_bytes(data, "little", signed=name not in {"tinyint", "bit"})
    if name in {"nvarchar", "nchar"}:
        return data.decode("utf-16-le")
    if name in {"varchar", "char"}:
        return data.decode("cp1252")
    if name in {"varbinary", "binary"}:
        return data
    if name in {"float", "real"}:
        return float(struct.unpack("<d" if name == "float" else "<f", data)[0])
    if name == "uniqueidentifier":
        return str(uuid.UUID(bytes_le=data)).upper()
    if name in {"decimal", "numeric"}:
        return str(Decimal(int.from_bytes(data[1:], "little") * (1 if data[0] else -1)).scaleb(-kind.scale))
    if name == "money":
        high, low = struct.unpack("<iI", data)
        return str(Decimal((high << 32) + low).scaleb(-4))
    return _parse_moment(kind, data)


def _parse_moment(kind: SqlType, data: bytes) -> str:
    if kind.name == "datetime":
        days, ticks = struct.unpack("<iI", data)
        moment = EPOCH + timedelta(days=days, milliseconds=round(ticks * 10 / 3))
        return moment.isoformat(sep=" ", timespec="milliseconds")
    if kind.name == "smalldatetime":
        days, minutes = struct.unpack("<HH", data)
        return (EPOCH + timedelta(days=days, minutes=minutes)).isoformat(sep=" ", timespec="milliseconds")
    clock, day = (data[:-3], data[-3:]) if kind.name != "time" else (data, b"")
    micro = int.from_bytes(clock, "little") * 1_000_000 // 10**kind.scale
    moment = datetime(1, 1, 1) + timedelta(days=int.from_bytes(day, "little"), microseconds=micro)  # noqa: DTZ001
    if kind.name == "date":
        return moment.date().isoformat()
    return moment.time().isoformat() if kind.name == "time" else moment.isoformat(sep=" ")
