"""The options behind WITH of BACKUP, RESTORE and DBCC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sitekeeper_lab.sql.convert import Value
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.lexer import Token, join, split_commas

Evaluate = Callable[[Token], Value]
_STATS = 10
"""What STATS without a number means."""


@dataclass(slots=True)
class Options:
    """What was asked for."""

    words: set[str] = field(default_factory=set)
    values: dict[str, Value] = field(default_factory=dict)
    moves: list[tuple[str, str]] = field(default_factory=list)

    @property
    def stats(self) -> int:
        """Percent between two messages of progress; 0 for none."""
        return int(str(self.values.get("STATS", _STATS if "STATS" in self.words else 0)))


def read_options(tokens: Sequence[Token], known: frozenset[str], value: Evaluate) -> Options:
    """Read what follows WITH; anything that is not known is refused, never dropped."""
    options = Options()
    for part in split_commas(tokens):
        word = part[0].upper
        if word not in known:
            raise not_emulated(f"the option {join(part)}")
        if word == "MOVE":
            options.moves.append((str(value(part[1])), str(value(part[3]))))
        elif len(part) == 1:
            options.words.add(word)
        elif part[1].text == "=":
            options.values[word] = value(part[2])
        else:
            raise not_emulated(f"the option {join(part)}")
    return options


def split_with(tokens: Sequence[Token]) -> tuple[Sequence[Token], Sequence[Token]]:
    """What stands before WITH, and behind it."""
    at = next((index for index, token in enumerate(tokens) if token.upper == "WITH"), len(tokens))
    return tokens[:at], tokens[at + 1 :]


def device_of(tokens: Sequence[Token], start: int, value: Evaluate) -> str:
    """The path in ``DISK = N'...'`` at this place, the only device of the statement."""
    if [token.upper for token in tokens[start : start + 2]] != ["DISK", "="] or len(tokens) < start + 3:
        raise not_emulated(f"the device {join(tokens[start:])}")
    if len(tokens) > start + 3:
        raise SqlFailure(102, f"Incorrect syntax near '{tokens[start + 3].value}'.", 15)
    return str(value(tokens[start + 2]))
