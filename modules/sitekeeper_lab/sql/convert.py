"""CAST and CONVERT over sqlite's values, with SQL Server's own errors."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation, localcontext

from sitekeeper_lab.sql.datatypes import EPOCH, INTEGERS, SqlType
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated

Value = int | float | str | bytes | None
_LIMITS = {name: (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) for name, size in INTEGERS.items()} | {
    "tinyint": (0, 255)
}
_STYLES = {
    0: "%b %e %Y %I:%M%p",
    112: "%Y%m%d",
    20: "%Y-%m-%d %H:%M:%S",
    120: "%Y-%m-%d %H:%M:%S",
}
_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%Y-%m-%d %H:%M", "%Y%m%d %H:%M:%S")


def convert(value: Value, kind: SqlType, style: int | None = None) -> Value:
    """Convert one value; 245, 241, 8114, 8115 as SQL Server words them."""
    if value is None:
        return None
    name = kind.name
    if name in INTEGERS:
        return _integer(value, name)
    if name == "bit":
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return int(value.lower() == "true")
        return int(bool(_integer(value, "bigint")))
    if kind.is_text:
        text = to_text(value, style)
        return text if kind.length == -1 or not kind.length else text[: kind.length]
    if name in {"float", "real"}:
        return _float(value, name)
    if name in {"decimal", "numeric", "money"}:
        return _decimal(value, kind)
    if name in {"varbinary", "binary"}:
        return _binary(value, kind, style)
    if name == "uniqueidentifier":
        return _guid(value)
    if name == "sql_variant":
        return value
    return _moment(value, kind)


def to_text(value: Value, style: int | None = None) -> str:
    """Write a value as text; a date and time in a style where one is asked for."""
    if isinstance(value, bytes):
        if style in {1, 2}:
            return ("0x" if style == 1 else "") + value.hex().upper()
        return value.decode("cp1252", "replace")
    if isinstance(value, str) and style is not None:
        moment = parse_moment(value)
        if style in {121, 21, 25}:
            return moment.isoformat(sep=" ", timespec="milliseconds")
        if style == 126:
            return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
        if style not in _STYLES:
            raise not_emulated(f"CONVERT style {style}")
        return moment.strftime(_STYLES[style])
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def parse_moment(text: str) -> datetime:
    """Read a date and time; error 241."""
    cleaned = text.strip()
    try:
        return datetime.fromisoformat(cleaned)
    except ValueError:
        for pattern in _FORMATS:
            try:
                return datetime.strptime(cleaned, pattern)  # noqa: DTZ007  # T-SQL's datetime has no zone
            except ValueError:
                continue
    raise SqlFailure(241, "Conversion failed when converting date and/or time from character string.")


def moment_text(moment: datetime, kind: str = "datetime") -> str:
    """Write a date and time as the lab stores it; datetime counts in 1/300 s."""
    if kind == "date":
        return moment.date().isoformat()
    if kind == "time":
        return moment.time().isoformat()
    if kind == "datetime2":
        return moment.isoformat(sep=" ")
    if kind == "datetime":
        ticks = round(moment.microsecond * 3 / 10_000)
        moment = moment.replace(microsecond=0) + timedelta(milliseconds=round(ticks * 10 / 3))
    return moment.isoformat(sep=" ", timespec="milliseconds")


def _integer(value: Value, name: str) -> int:
    if isinstance(value, bytes):
        number = int.from_bytes(value[-8:], "big")
    elif isinstance(value, str):
        try:
            number = int(value.strip() or "0")
        except ValueError:
            text = f"Conversion failed when converting the varchar value '{value}' to data type {name}."
            raise SqlFailure(245, text) from None
    else:
        number = int(value or 0)
    low, high = _LIMITS[name]
    if not low <= number <= high:
        raise SqlFailure(8115, f"Arithmetic overflow error converting expression to data type {name}.", 16, 2)
    return number


def _float(value: Value, name: str) -> float:
    try:
        return float(value if isinstance(value, (int, float)) else str(value))
    except ValueError:
        raise SqlFailure(8114, f"Error converting data type varchar to {name}.", 16, 5) from None


def _decimal(value: Value, kind: SqlType) -> str:
    scale = 4 if kind.name == "money" else kind.scale
    try:
        with localcontext(prec=60):
            return str(Decimal(str(value)).quantize(Decimal(1).scaleb(-scale)))
    except InvalidOperation:
        raise SqlFailure(8114, f"Error converting data type varchar to {kind.name}.", 16, 5) from None


def _binary(value: Value, kind: SqlType, style: int | None) -> bytes:
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, int):
        data = (value & 0xFFFFFFFF).to_bytes(4, "big")
    elif isinstance(value, str) and style in {1, 2}:
        data = bytes.fromhex(value.removeprefix("0x"))
    elif isinstance(value, str):
        data = value.encode("cp1252", "replace")
    else:
        raise not_emulated(f"CAST of {type(value).__name__} to {kind.name}")
    return data if kind.length == -1 else data[: kind.length]


def _guid(value: Value) -> str:
    try:
        return str(uuid.UUID(bytes_le=value) if isinstance(value, bytes) else uuid.UUID(str(value))).upper()
    except ValueError:
        text = "Conversion failed when converting from a character string to uniqueidentifier."
        raise SqlFailure(8169, text, 16, 2) from None


def _moment(value: Value, kind: SqlType) -> str:
    if isinstance(value, (int, float)):
        return moment_text(EPOCH + timedelta(days=value), kind.name)
    text = value if isinstance(value, str) else ""
    if kind.name == "time":
        return text.rpartition(" ")[2]
    return moment_text(parse_moment(text), kind.name)
