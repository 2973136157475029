"""Runs a ``.cmd`` of literal lines: ``@echo off``, ``>"file" echo text`` and ``>>"file" echo text``, with %VARIABLES%."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import NotEmulated

_REDIRECTED = re.compile(r'^(>>?)"([^"]+)" ?echo (.*)$', re.IGNORECASE)
_VARIABLE = re.compile(r"%([^%\s]+)%")


def run_batch(path: str, host: Host, variables: Mapping[str, str]) -> None:
    """Run a file line by line.

    Raises:
        FileNotFoundError: there is no such file.
        NotEmulated: a line is more than the lab understands.

    """
    for line in host.read(path).decode("ascii").splitlines():
        text = expanded(line.strip(), variables)
        if not text or text.lower() in {"@echo off", "exit /b 0"} or text.lower().startswith(("rem ", "::")):
            continue
        match = _REDIRECTED.match(text)
        if match is None:
            raise NotEmulated(f"the line {line!r} of {path}")
        sign, file, words = match.groups()
        before = host.read(file) if sign == ">>" and host.exists(file) else b""
        host.write(file, before + f"{words}\r\n".encode("ascii"))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables; an unknown one becomes nothing, as in a batch file."""
    return _VARIABLE.sub(lambda match: variables.get(match[1].lower(), ""), text)
