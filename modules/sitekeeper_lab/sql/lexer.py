"""T-SQL text as tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sitekeeper_lab.sql.failure import SqlFailure

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<string>N?'(?:[^']|'')*')
    | (?P<quoted>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
    | (?P<binary>0[xX][0-9a-fA-F]*)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<variable>@@?[\w$#@]+)
    | (?P<word>[^\W\d][\w$@]*|\#\#?\w+)
    | (?P<op><>|<=|>=|!=|!<|!>|\+=|-=|::|[-+*/%=<>(),.;&|^~:?{}!])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token: ``kind`` is string, quoted, binary, number, variable, word or op."""

    kind: str
    text: str

    @property
    def upper(self) -> str:
        """The keyword that it may be; '' for anything but a bare word or an operator."""
        return self.text.upper() if self.kind in {"word", "op"} else ""

    @property
    def value(self) -> str:
        """The content of a string or the name in an identifier."""
        if self.kind == "string":
            return self.text[self.text.index("'") + 1 : -1].replace("''", "'")
        if self.kind == "quoted":
            end = self.text[-1]
            return self.text[1:-1].replace(end * 2, end)
        return self.text


def words(text: str) -> frozenset[str]:
    """A set of keywords, written as a sentence."""
    return frozenset(text.split())


def tokenize(text: str) -> list[Token]:
    """Split a batch; comments and space are dropped."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] in "'\"[":
                raise SqlFailure(105, f"Unclosed quotation mark after the character string '{text[at + 1 :]}'.", 15)
            raise SqlFailure(102, f"Incorrect syntax near '{text[at]}'.", 15)
        if match.lastgroup == "comment":
            at = _comment_end(text, match.end())
            continue
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match.group()))
        at = match.end()
    return tokens


def _comment_end(text: str, at: int) -> int:
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    raise SqlFailure(113, "Missing end comment mark '*/'.", 15)


def join(tokens: Sequence[Token]) -> str:
    """Write tokens as text again."""
    return " ".join(token.text for token in tokens)


def closing(tokens: Sequence[Token], opening: int) -> int:
    """Return the index of the parenthesis that closes the one at ``opening``."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    raise SqlFailure(102, "Incorrect syntax near '('.", 15)


def split_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """Split at the commas outside parentheses; no tokens are no parts."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts if tokens else []
