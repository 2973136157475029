"""WQL, as far as scripts use it: ``SELECT list FROM class WHERE …`` with AND, OR, NOT, comparisons, LIKE and IS NULL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?P<number>-?\d+)|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)"""
    r"""|(?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,|\*))"""
)


class WqlError(ValueError):
    """The query is not WQL, or more of it than the lab knows."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query."""

    columns: tuple[str, ...]
    """Empty for ``*``."""
    name: str
    test: Test


def parse_query(text: str) -> Query:
    """Parse a whole SELECT.

    Raises:
        WqlError: it is none.

    """
    parser = _Parser(text)
    parser.keyword("SELECT")
    columns: list[str] = []
    if not parser.skip("*"):
        columns.append(parser.word())
        while parser.skip(","):
            columns.append(parser.word())
    parser.keyword("FROM")
    name = parser.word()
    test: Test = _always
    if parser.peek_word() == "WHERE":
        parser.keyword("WHERE")
        test = parser.either()
    parser.end()
    return Query(tuple(columns), name, test)


def parse_filter(text: str) -> Test:
    """Parse what stands after WHERE."""
    parser = _Parser(text)
    test = parser.either()
    parser.end()
    return test


def _always(row: Row) -> bool:
    del row
    return True


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise WqlError(f"cannot read WQL at {text[at:]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def peek_word(self) -> str:
        kind, text = self.peek()
        return text.upper() if kind == "word" else ""

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def skip(self, sign: str) -> bool:
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def word(self) -> str:
        kind, text = self.next()
        if kind != "word":
            raise WqlError(f"a name was expected, not {text!r}, in {self.text!r}")
        return text

    def keyword(self, name: str) -> None:
        if self.word().upper() != name:
            raise WqlError(f"{name} was expected in {self.text!r}")

    def end(self) -> None:
        if self.peek()[0] != "end":
            raise WqlError(f"the lab does not know {self.peek()[1]!r} in {self.text!r}")

    def either(self) -> Test:
        tests = [self.both()]
        while self.peek_word() == "OR":
            self.next()
            tests.append(self.both())
        return lambda row: any(test(row) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self.peek_word() == "AND":
            self.next()
            tests.append(self.one())
        return lambda row: all(test(row) for test in tests)

    def one(self) -> Test:
        if self.peek_word() == "NOT":
            self.next()
            test = self.one()
            return lambda row: not test(row)
        if self.skip("("):
            test = self.either()
            if not self.skip(")"):
                raise WqlError(f") was expected in {self.text!r}")
            return test
        name = self.word()
        kind, sign = self.next()
        if kind == "word" and sign.upper() == "LIKE":
            pattern = _like(str(self.literal()))
            return lambda row: pattern.fullmatch(str(_get(row, name) or "")) is not None
        if kind == "word" and sign.upper() == "IS":
            negate = self.peek_word() == "NOT"
            if negate:
                self.next()
            self.keyword("NULL")
            return lambda row: (_get(row, name) is None) != negate
        if kind != "sign" or sign in "(),*":
            raise WqlError(f"a comparison was expected, not {sign!r}, in {self.text!r}")
        literal = self.literal()
        return lambda row: _compare(_get(row, name), sign, literal)

    def literal(self) -> str | int | bool | None:
        kind, text = self.next()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return int(text)
        if kind == "word" and text.upper() in {"TRUE", "FALSE", "NULL"}:
            return {"TRUE": True, "FALSE": False, "NULL": None}[text.upper()]
        raise WqlError(f"a value was expected, not {text!r}, in {self.text!r}")


def _get(row: Row, name: str) -> Any:
    for key, value in row.items():
        if key.lower() == name.lower():
            return value
    raise WqlError(f"no property {name}")


def _like(pattern: str) -> re.Pattern[str]:
    out = "".join({"%": ".*", "_": "."}.get(c, c if c in "[]^-" else re.escape(c)) for c in pattern)
    return re.compile(out, re.IGNORECASE | re.DOTALL)


def _compare(value: Any, sign: str, literal: str | int | bool | None) -> bool:
    if literal is None or value is None:
        same = value is None and literal is None
        return same if sign == "=" else not same if sign in {"<>", "!="} else False
    left: Any = value
    right: Any = literal
    if isinstance(literal, str) or isinstance(value, str):
        left, right = str(value).casefold(), str(literal).casefold()
    order = (left > right) - (left < right)
    return bool(
        {
            "=": order == 0,
            "<>": order != 0,
            "!=": order != 0,
            "<": order < 0,
            ">": order > 0,
            "<=": order <= 0,
            ">=": order >= 0,
        }[sign]
    )
