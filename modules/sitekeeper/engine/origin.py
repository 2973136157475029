"""Where a value stands: file, line and column, kept beside plain values in a parallel tree of paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

Key = tuple[str | int, ...]
_SECRET_KEY = re.compile(r"[\w-]*(?:pass|secret|token|pwd)[\w-]*[\"']?\s*[:=]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in a file. Lines and columns count from 1; line 0 is the file as a whole."""

    file: str
    line: int = 0
    column: int = 1
    secret: bool = False
    """The line holds a secret: its text is never shown."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def excerpt(self) -> str:
        """The place, the line itself with one above it, and a caret. A line that may hold a secret is left out."""
        head = f"  --> {self}"
        if not self.line or self.secret:
            return head
        try:
            lines = Path(self.file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return head
        if self.line > len(lines):
            return head
        width = len(str(self.line))
        shown = [
            f"  {number:>{width}} | {_mask(lines, number - 1)}"
            for number in range(max(1, self.line - 1), self.line + 1)
        ]
        return "\n".join([head, *shown, f"  {' ' * width} | {' ' * (self.column - 1)}^"])


def _mask(lines: Sequence[str], at: int) -> str:
    """A line, cut off where a key's name says that a secret follows; nothing of it below such a key."""
    found = _SECRET_KEY.search(lines[at])
    if found:
        return f"{lines[at][: found.end()]} ..."
    inset = _inset(lines[at])
    for above in reversed(lines[:at]):
        if above.strip() and _inset(above) < inset:
            if _SECRET_KEY.search(above):
                return f"{' ' * inset}..."
            inset = _inset(above)
    return lines[at]


def _inset(line: str) -> int:
    return len(line) - len(line.lstrip())


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins of a document's values by path: ``("plays", 0, "tasks", 2)``; an unknown path answers its nearest parent's."""

    file: str
    places: dict[Key, Origin] = field(default_factory=dict)
    at: Key = ()

    def below(self, *path: str | int) -> Origins:
        """The same document, seen from a value inside it."""
        return Origins(self.file, self.places, self.at + path)

    def of(self, *path: str | int) -> Origin:
        """Origin of a value relative to where this looks from."""
        key = self.at + path
        while key:
            found = self.places.get(key)
            if found is not None:
                return found
            key = key[:-1]
        return self.places.get((), Origin(self.file))

    def of_key(self, name: str) -> Origin:
        """Origin of a mapping's key itself (not of its value)."""
        return self.places.get((*self.at, f"\0{name}"), self.of(name))
