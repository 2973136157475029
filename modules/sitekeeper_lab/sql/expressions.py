"""Expressions for sqlite, with their T-SQL types. What is not listed here is refused by name."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from sitekeeper_lab.sql.datatypes import INTEGERS, SqlType, parse_type
from sitekeeper_lab.sql.failure import not_emulated
from sitekeeper_lab.sql.functions import GLOBAL_TYPES, TYPED, WIDEST, Function
from sitekeeper_lab.sql.scope import Scope

Typed = tuple[str, SqlType | None]
INT, BIGINT = SqlType("int"), SqlType("bigint")
_COMPARE = {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_ARITHMETIC = {
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
}
_AGGREGATES = {exp.Sum: "SUM", exp.Min: "MIN", exp.Max: "MAX", exp.Avg: "AVG"}
_RANKS = {"RowNumber": "ROW_NUMBER()", "Rank": "RANK()", "DenseRank": "DENSE_RANK()"}
_MOMENTS = {"datetime", "smalldatetime", "date", "datetime2", "time"}
_NUMBERS = {*INTEGERS, "bit", "float", "real", "decimal", "numeric", "money"}


class Expressions:
    """Renders expressions; ``Queries`` adds what a whole query needs."""

    def __init__(self, functions: Mapping[str, Function], variables: Mapping[str, SqlType]) -> None:
        self._functions = functions
        self._variables = variables

    def subquery(self, _node: Any, _scope: Scope) -> Typed:
        """Render a query inside an expression; its type is that of its first column."""
        raise NotImplementedError

    def typed(self, node: Any, scope: Scope) -> Typed:
        """Render one expression."""
        kind = type(node)
        if kind in _COMPARE:
            left, right = self._alike(node.this, node.expression, scope)
            return f"({left} {_COMPARE[kind]} {right})", INT
        if kind in _ARITHMETIC:
            (left, a), (right, b) = self.typed(node.this, scope), self.typed(node.expression, scope)
            return f"({left} {_ARITHMETIC[kind]} {right})", wider(a, b)
        if kind in _AGGREGATES:
            sql, inner = self.typed(node.this, scope)
            return f"{_AGGREGATES[kind]}({self._distinct(node.this)}{sql})", inner
        if kind.__name__ in _RANKS:
            return _RANKS[kind.__name__], BIGINT
        method = getattr(self, f"_on_{kind.__name__.lower()}", None)
        if method is None:
            raise not_emulated(f"{kind.__name__} in an expression")
        result: Typed = method(node, scope)
        return result

    def text(self, node: Any, scope: Scope) -> str:
        """Render one expression, its type being of no interest."""
        return self.typed(node, scope)[0]

    def _on_column(self, node: Any, scope: Scope) -> Typed:
        if isinstance(node.this, exp.Star):
            raise not_emulated("* in an expression")
        if not node.table and node.name.lower() in scope.aliases and not _in_sources(node.name, scope):
            return scope.aliases[node.name.lower()]
        return scope.column(node.name, node.table)

    def _on_literal(self, node: Any, _scope: Scope) -> Typed:
        text = str(node.this)
        if node.is_string:
            return "'" + text.replace("'", "''") + "'", SqlType("nvarchar", max(len(text), 1))
        if text.isdigit():
            return text, INT if int(text) < 1 << 31 else BIGINT
        return text, SqlType("float")

    def _on_hexstring(self, node: Any, _scope: Scope) -> Typed:
        digits = str(node.this)
        return f"X'{digits}'", SqlType("varbinary", max(len(digits) // 2, 1))

    def _on_null(self, _node: Any, _scope: Scope) -> Typed:
        return "NULL", None

    def _on_parameter(self, node: Any, _scope: Scope) -> Typed:
        name = f"@{node.this.name}"
        return f":{name[1:].lower()}", self._variables[name.lower()]

    def _on_paren(self, node: Any, scope: Scope) -> Typed:
        sql, kind = self.typed(node.this, scope)
        return f"({sql})", kind

    def _on_neg(self, node: Any, scope: Scope) -> Typed:
        sql, kind = self.typed(node.this, scope)
        return f"(-{sql})", kind

    def _on_bitwisenot(self, node: Any, scope: Scope) -> Typed:
        sql, kind = self.typed(node.this, scope)
        return f"(~{sql})", kind

    def _on_add(self, node: Any, scope: Scope) -> Typed:
        (left, a), (right, b) = self.typed(node.this, scope), self.typed(node.expression, scope)
        if a is not None and b is not None and a.is_text and b.is_text:
            return f"({left} || {right})", SqlType(a.name, -1 if -1 in {a.length, b.length} else a.length + b.length)
        return f"lab_plus({left}, {right})", wider(a, b)

    def _on_and(self, node: Any, scope: Scope) -> Typed:
        return f"({self.text(node.this, scope)} AND {self.text(node.expression, scope)})", INT

    def _on_or(self, node: Any, scope: Scope) -> Typed:
        return f"({self.text(node.this, scope)} OR {self.text(node.expression, scope)})", INT

    def _on_not(self, node: Any, scope: Scope) -> Typed:
        return f"(NOT {self.text(node.this, scope)})", INT

    def _on_is(self, node: Any, scope: Scope) -> Typed:
        if not isinstance(node.expression, exp.Null):
            raise not_emulated("IS with anything but NULL")
        return f"({self.text(node.this, scope)} IS {'NOT ' if node.args.get('negate') else ''}NULL)", INT

    def _on_in(self, node: Any, scope: Scope) -> Typed:
        query = node.args.get("query")
        if query is not None:
            left = self.text(node.this, scope)
            return f"({left} COLLATE NOCASE IN {self.subquery(query, scope)[0]})", INT
        pairs = [self._alike(node.this, each, scope) for each in node.expressions]
        return "(" + " OR ".join(f"{left} = {right}" for left, right in pairs) + ")", INT

    def _on_between(self, node: Any, scope: Scope) -> Typed:
        left, low = self._alike(node.this, node.args["low"], scope)
        again, high = self._alike(node.this, node.args["high"], scope)
        return f"({left} >= {low} AND {again} <= {high})", INT

    def _on_like(self, node: Any, scope: Scope) -> Typed:
        call = f"lab_like({self.text(node.this, scope)}, {self.text(node.expression, scope)})"
        return (f"(NOT {call})" if node.args.get("negate") else call), INT

    def _on_escape(self, node: Any, scope: Scope) -> Typed:
        like = node.this
        if not isinstance(like, exp.Like):
            raise not_emulated("ESCAPE without LIKE")
        parts = (like.this, like.expression, node.expression)
        call = f"lab_like({', '.join(self.text(part, scope) for part in parts)})"
        return (f"(NOT {call})" if like.args.get("negate") else call), INT

    def _on_exists(self, node: Any, scope: Scope) -> Typed:
        return f"(EXISTS {self.subquery(node.this, scope)[0]})", INT

    def _on_subquery(self, node: Any, scope: Scope) -> Typed:
        return self.subquery(node, scope)

    def _on_case(self, node: Any, scope: Scope) -> Typed:
        parts, kind = ["CASE"], None
        for branch in node.args["ifs"]:
            if node.this is None:
                condition = self.text(branch.this, scope)
            else:
                left, right = self._alike(node.this, branch.this, scope)
                condition = f"{left} = {right}"
            value, found = self.typed(branch.args["true"], scope)
            kind = wider(kind, found)
            parts.append(f"WHEN {condition} THEN {value}")
        if node.args.get("default") is not None:
            value, found = self.typed(node.args["default"], scope)
            kind = wider(kind, found)
            parts.append(f"ELSE {value}")
        return " ".join([*parts, "END"]), kind

    def _on_count(self, node: Any, scope: Scope) -> Typed:
        if isinstance(node.this, exp.Star):
            return "COUNT(*)", INT
        return f"COUNT({self._distinct(node.this)}{self.text(node.this, scope)})", INT

    def _on_distinct(self, node: Any, scope: Scope) -> Typed:
        if len(node.expressions) != 1:
            raise not_emulated("DISTINCT over several expressions")
        return self.typed(node.expressions[0], scope)

    def _distinct(self, node: Any) -> str:
        return "DISTINCT " if isinstance(node, exp.Distinct) else ""

    def _on_window(self, node: Any, scope: Scope) -> Typed:
        if node.args.get("spec") is not None:
            raise not_emulated("a window frame")
        function, kind = self.typed(node.this, scope)
        partition = [self.text(each, scope) for each in node.args.get("partition_by") or ()]
        order = node.args.get("order")
        inner = f"PARTITION BY {', '.join(partition)} " if partition else ""
        inner += f"ORDER BY {self.ordered(order, scope)}" if order is not None else ""
        return f"{function} OVER ({inner})", kind

    def ordered(self, order: Any, scope: Scope) -> str:
        """Render the items of an ORDER BY; text is ordered without regard to case, NULL comes first, as in SQL Server."""
        items = []
        for each in order.expressions:
            sql, kind = self.typed(each.this, scope)
            plain = isinstance(each.this, exp.Literal)
            collate = " COLLATE NOCASE" if not plain and (kind is None or kind.is_text) else ""
            items.append(f"{sql}{collate}{' DESC' if each.args.get('desc') else ''}")
        return ", ".join(items)

    def _on_anonymous(self, node: Any, scope: Scope) -> Typed:
        name = str(node.this).lower().removeprefix("lab_")
        arguments = list(node.expressions)
        if name == "count_big":
            return self._on_count(exp.Count(this=arguments[0]), scope)[0], BIGINT
        function = self._functions.get(name)
        if function is None:
            raise not_emulated(f"the function {name.upper()}")
        parts = [self.typed(argument, scope) for argument in arguments]
        kind = function.result(parts[0][1] if parts else None)
        if function.returns == WIDEST:
            kind = functools.reduce(wider, (found for _, found in parts))
        if function.returns == TYPED:
            kind = parse_type(str(arguments[0 if name == "convert" else 1].this))
        if name == "global":
            kind = parse_type(GLOBAL_TYPES.get(str(arguments[0].this), "int"))
        return f"lab_{name}({', '.join(sql for sql, _ in parts)})", kind

    def _alike(self, left: Any, right: Any, scope: Scope) -> tuple[str, str]:
        """Both sides of a comparison, the text side converted to the other's type as T-SQL's precedence has it."""
        (a, first), (b, second) = self.typed(left, scope), self.typed(right, scope)
        if first is None or second is None:
            return f"{a} COLLATE NOCASE", b
        if first.is_text and second.is_text:
            return f"{a} COLLATE NOCASE", b
        for target, other in ((first, second), (second, first)):
            if other.is_text and target.name in _MOMENTS | _NUMBERS | {"uniqueidentifier"}:
                facet = f"({target.precision},{target.scale})" if target.precision else ""
                cast = f"'{target.name}{facet}'"
                return (a, f"lab_cast({b}, {cast})") if other is second else (f"lab_cast({a}, {cast})", b)
        return a, b


def _in_sources(name: str, scope: Scope) -> bool:
    return any(column.lower() == name.lower() for source in scope.sources.values() for column, _ in source.columns)


def wider(a: SqlType | None, b: SqlType | None) -> SqlType | None:
    """The type of a value that is of one of two types, as T-SQL's precedence has it."""
    if a is None or b is None:
        return a or b
    if a.is_text and b.is_text:
        return a if a.length == -1 or (b.length != -1 and a.length >= b.length) else b
    ranks = ["bit", "tinyint", "smallint", "int", "bigint", "money", "decimal", "numeric", "real", "float"]
    if a.name in ranks and b.name in ranks:
        return max(a, b, key=lambda kind: ranks.index(kind.name))
    return b if a.is_text else a
