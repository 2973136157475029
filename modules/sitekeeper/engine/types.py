"""Types of module parameters, as a playbook writes them: durations, sizes, Windows paths, site codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

T = TypeVar("T")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)\Z")
_UNITS = {"B": 1} | {
    f"{letter}{i}B": base**power for power, letter in enumerate("KMGT", 1) for i, base in (("i", 1024), ("", 1000))
}
RESERVED_SITE_CODES = frozenset({"AUX", "CON", "NUL", "PRN", "SMS", "ENV"})
"""Codes that setup refuses (Microsoft Learn, "Prepare to install sites")."""


def parse_duration(value: Any) -> timedelta:
    """``90s``, ``15m``, ``1h30m``; a bare number is refused, since nobody knows its unit."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value.replace(" ", ""):
            return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    raise ValueError("a duration is written like 90s, 15m or 1h30m")


def parse_size(value: Any) -> int:
    """``200MB``, ``4GiB`` or a plain number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.match(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("a size is written like 200MB or 4GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_count(value: Any) -> int:
    """A number of things, also as ``-e`` gives it: as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("a number of things is written like 0 or 5")


def parse_site_code(value: Any) -> str:
    """Three letters or digits, not a reserved name; compared in upper case."""
    code = str(value).upper()
    if not re.fullmatch(r"[A-Z0-9]{3}", code):
        raise ValueError("a site code is three letters or digits")
    if code in RESERVED_SITE_CODES:
        raise ValueError(f"{code} is a reserved name and cannot be a site code")
    return code


def parse_host_path(value: Any) -> str:
    """An absolute Windows path with a drive letter."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]:\\[^\"<>|?*:/]*", value) and ".." not in value.split("\\"):
        return value
    raise ValueError("a path on a host is written like D:\\Program Files\\Microsoft Configuration Manager")


def as_many(value: Any) -> Any:
    """A list as it is, anything else as a list of one."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,)
    return tuple(value)


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Count = Annotated[int, BeforeValidator(parse_count)]
SiteCode = Annotated[str, BeforeValidator(parse_site_code)]
HostPath = Annotated[str, BeforeValidator(parse_host_path)]
Many = Annotated[tuple[T, ...], BeforeValidator(as_many)]
