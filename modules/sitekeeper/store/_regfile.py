"""Registry exports (``Windows Registry Editor Version 5.00``), parsed far enough to know that they are whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sitekeeper.engine.errors import IntegrityError

HEADER = "Windows Registry Editor Version 5.00"
_KEY = re.compile(r"\[-?(HKEY_[A-Z_]+(?:\\.*)?)\]\Z")
_VALUE = re.compile(
    r'(?:@|"(?:[^"\\]|\\.)*")=(?:"(?:[^"\\]|\\.)*"|dword:[0-9a-fA-F]{8}|hex(?:\([0-9a-fA-F]+\))?:[0-9a-fA-F, ]*|-)\Z',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class RegFile:
    """What an export holds."""

    root: str
    keys: int
    values: int


def parse(data: bytes, name: str) -> RegFile:
    """Read an export.

    Raises:
        IntegrityError: it is no export, or is cut off; names the line.

    """
    if not data.startswith(b"\xff\xfe"):
        raise IntegrityError(f"{name} is no registry export: it does not start as UTF-16")
    try:
        text = data[2:].decode("utf-16-le")
    except UnicodeDecodeError:
        raise IntegrityError(f"{name} is cut off: half a character at its end") from None
    lines = text.split("\r\n")
    if lines[0] != HEADER:
        raise IntegrityError(f"{name} is no registry export: {lines[0][:40]!r}")
    root, keys, values = "", 0, 0
    open_value = ""
    for number, line in enumerate(lines[1:], 2):
        if open_value:
            open_value += line.strip() if line.startswith("  ") and open_value.endswith("\\") else "\r\n" + line
            open_value = open_value if _continues(open_value) else _counted(open_value, name, number)
            values += not open_value
        elif not line:
            continue
        elif match := _KEY.match(line):
            keys += 1
            root = root or match[1]
        elif line[0] in '"@':
            open_value = line if _continues(line) else _counted(line, name, number)
            values += not open_value
        else:
            raise IntegrityError(f"{name} line {number} is neither a key nor a value: {line[:40]!r}")
    if open_value:
        raise IntegrityError(f"{name} is cut off in the middle of a value")
    if not text.endswith("\r\n") or keys == 0:
        raise IntegrityError(f"{name} is cut off or empty")
    return RegFile(root, keys, values)


def _continues(value: str) -> bool:
    """Whether a value goes on in the next line: hex with a backslash, or a text with a line end in it."""
    joined = value.replace("\\\r\n", "")
    if re.match(r'(?:@|"(?:[^"\\]|\\.)*")=hex', joined, re.DOTALL):
        return joined.endswith("\\")
    return bool(re.match(r'(?:@|"(?:[^"\\]|\\.)*")="(?:[^"\\]|\\.)*\Z', joined, re.DOTALL)) or (
        re.match(r'"(?:[^"\\]|\\.)*\Z', joined, re.DOTALL) is not None
    )


def _counted(value: str, name: str, number: int) -> str:
    plain = re.sub(r",\\\s*", ",", value)
    if not _VALUE.match(plain):
        raise IntegrityError(f"{name} line {number} is not a value: {value[:60]!r}")
    return ""
