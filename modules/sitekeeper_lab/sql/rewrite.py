"""From T-SQL tokens to text that sqlglot reads without changing its meaning.

sqlglot turns some functions into others and drops what it does not know. So every call becomes ``lab_name(...)``, which
it leaves alone, before it sees the text; the renderer knows these names and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.lexer import Token, closing, join, split_commas, words

AGGREGATES = frozenset({"COUNT", "SUM", "MIN", "MAX", "AVG", "ROW_NUMBER", "RANK", "DENSE_RANK"})
_NOT_CALLS = words(
    "IN EXISTS VALUES AND OR NOT ON WHEN THEN ELSE OVER BY TOP AS UNION ALL SELECT FROM WHERE JOIN HAVING "
    "WITH LIKE BETWEEN ANY SOME INTO SET CASE EXCEPT INTERSECT DISTINCT OPTION APPLY KEY INDEX"
)
_NAME_BEFORE = frozenset({"INTO", "AS", "INSERT", "WITH", "."})
_DATE_PARTS_FIRST = frozenset({"DATEADD", "DATEDIFF", "DATEPART", "DATENAME"})


def rewrite(tokens: Sequence[Token], known: AbstractSet[str]) -> str:
    """Rewrite one query; ``known`` are the functions (lower case) that the renderer has."""
    out: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        word = token.upper
        following = tokens[at + 1].upper if at + 1 < len(tokens) else ""
        before = tokens[at - 1].upper if at else ""
        if token.kind == "string":
            out.append("'" + token.value.replace("'", "''") + "'")
        elif token.kind == "variable" and token.text.startswith("@@"):
            out.append(f"lab_global('{token.text[2:].lower()}')")
        elif word == "COLLATE" and at + 1 < len(tokens):
            at += 1
            if following != "DATABASE_DEFAULT" and "_CI_" not in following:
                raise not_emulated(f"the collation {following}")  # all comparing here is without regard to case
        elif word == "FOR" and following in {"XML", "JSON", "BROWSE"}:
            raise not_emulated(f"FOR {following}")
        elif word == "CURRENT_TIMESTAMP":
            out.append("lab_getdate()")
        elif token.kind == "word" and following == "(" and word not in _NOT_CALLS and before not in _NAME_BEFORE:
            end = closing(tokens, at + 1)
            out.append(_call(word, tokens[at + 2 : end], known))
            at = end
        else:
            out.append(token.text)
        at += 1
    return " ".join(out)


def _call(name: str, inner: Sequence[Token], known: AbstractSet[str]) -> str:
    if name in AGGREGATES:
        return f"{name}({rewrite(inner, known)})"
    if name == "COUNT_BIG":
        return f"lab_count_big({rewrite(inner, known)})"
    if name in {"CAST", "TRY_CAST"}:
        if name != "CAST":
            raise not_emulated(name)
        return _cast(inner, known)
    arguments = split_commas(inner)
    if name == "CONVERT":
        rest = ", ".join(rewrite(argument, known) for argument in arguments[1:])
        return f"lab_convert('{join(arguments[0])}', {rest})"
    if name == "IIF" and len(arguments) == 3:
        condition, yes, no = (rewrite(argument, known) for argument in arguments)
        return f"CASE WHEN {condition} THEN {yes} ELSE {no} END"
    if name.lower() not in known:
        raise not_emulated(f"the function {name}")
    texts = [rewrite(argument, known) for argument in arguments]
    if name in _DATE_PARTS_FIRST:
        texts[0] = f"'{join(arguments[0])}'"
    return f"lab_{name.lower()}({', '.join(texts)})"


def _cast(inner: Sequence[Token], known: AbstractSet[str]) -> str:
    depth, found = 0, -1
    for index, token in enumerate(inner):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.upper == "AS":
            found = index
    if found < 0:
        raise SqlFailure(1035, "Incorrect syntax near 'CAST', expected 'AS'.", 15, 10)
    return f"lab_cast({rewrite(inner[:found], known)}, '{join(inner[found + 1 :])}')"
