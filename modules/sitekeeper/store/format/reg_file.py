"""Registry exports (``Windows Registry Editor Version 5.00``), parsed far enough to know that they are whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sitekeeper.engine.errors import IntegrityError

HEADER = "Windows Registry Editor Version 5.00\r\n"
_KEY = re.compile(r"\[(HKEY_[A-Z_]+(?:\\[^\r\n]*)?)\]\r\n")
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_BYTES = r"(?:\\\r\n +)?[0-9a-fA-F]{2}(?:,(?:\\\r\n +)?[0-9a-fA-F]{2})*"
_VALUE = re.compile(
    rf"(?P<name>@|{_TEXT})=(?P<data>{_TEXT}|dword:[0-9a-fA-F]{{8}}|hex(?:\([0-9a-fA-F]+\))?:(?:{_BYTES})?)\r\n",
    re.DOTALL,
)
"""A text may hold line ends as they are; bytes go on in the next line after a backslash."""
_SITE = ("\\SMS\\IDENTIFICATION", '"Site Code"')


@dataclass(frozen=True, slots=True)
class RegFile:
    """What an export holds."""

    root: str
    keys: int
    values: int
    site_code: str = ""
    """``SMS\\Identification: Site Code``: only the site's own view of the SMS key has one, a client's has not."""


def parse(data: bytes, name: str) -> RegFile:
    """Read an export.

    reg.exe ends every key with an empty line, so one that is cut off anywhere but between two keys is seen here.

    Raises:
        IntegrityError: it is no export, or is cut off; names the line.

    """
    if not data.startswith(b"\xff\xfe"):
        raise IntegrityError(f"{name} is not a registry export: it does not start as UTF-16")
    if len(data) % 2:
        raise IntegrityError(f"{name} is cut off: half a character at its end")
    text = data[2:].decode("utf-16-le", "surrogatepass")  # a value may hold half a surrogate pair
    if not text.startswith(HEADER):
        raise IntegrityError(f"{name} is not a registry export: {text[:40]!r}")
    root, key, site_code, keys, values = "", "", "", 0, 0
    at = len(HEADER)
    while at < len(text):
        if text.startswith("\r\n", at):
            at += 2
        elif match := _KEY.match(text, at):
            key, keys, at = match[1], keys + 1, match.end()
            root = root or key
        elif match := _VALUE.match(text, at):
            values, at = values + 1, match.end()
            if key.upper().endswith(_SITE[0]) and match["name"] == _SITE[1]:
                site_code = match["data"].strip('"').upper()
        else:
            line = text.count("\r\n", 0, at) + 1
            raise IntegrityError(
                f"{name} line {line} is neither a key nor a value, or is cut off: {text[at : at + 40]!r}"
            )
    if keys == 0 or not text.endswith("\r\n\r\n"):
        raise IntegrityError(f"{name} is cut off or empty")
    return RegFile(root, keys, values, site_code)
