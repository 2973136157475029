"""Parsing by sqlglot, with a guard: a part of the tree that the renderer would not look at is refused, never dropped.

sqlglot puts meaning into optional arguments of its nodes (``Like.negate``), and new ones appear with its versions. So each
node may have the arguments that are listed here and no others.
"""

from __future__ import annotations

from typing import Any

import sqlglot

from sitekeeper_lab.sql.failure import not_emulated
from sitekeeper_lab.sql.lexer import words

_EVERYWHERE = words("this expression expressions")
_QUERY = words("with from distinct limit offset joins where group having order options")
_PARTS = {
    "Alias": words("alias"),
    "Between": words("low high"),
    "CTE": words("alias"),
    "Case": words("ifs default"),
    "Column": words("table db"),
    "Delete": words("where tables"),
    "Except": _QUERY,
    "Fetch": words("direction count limit_options"),
    "Identifier": words("quoted"),
    "If": words("true"),
    "In": words("query"),
    "Intersect": _QUERY,
    "Is": words("negate"),
    "Join": words("on side kind"),
    "Lateral": words("alias cross_apply"),  # refused by name where it is met
    "Like": words("negate"),
    "LimitOptions": words("percent rows with_ties"),
    "Literal": words("is_string"),
    "Ordered": words("desc nulls_first"),  # NULL is the smallest value, in SQL Server as in sqlite
    "Select": _QUERY,
    "Subquery": words("alias"),
    "Table": words("alias db catalog hints"),  # hints are about locks and plans
    "TableAlias": words("columns"),
    "Union": _QUERY,
    "Update": words("where from"),
    "Window": words("partition_by order over"),
}


def parse(text: str) -> Any:
    """Parse one rewritten statement.

    Raises:
        SqlFailure: 50001 with the reason, for what sqlglot cannot read and for what the renderer does not know.

    """
    try:
        trees = sqlglot.parse(text, read="tsql")
    except sqlglot.errors.SqlglotError as error:
        raise not_emulated(f"this syntax ({str(error).splitlines()[0]})") from None
    if len(trees) != 1 or trees[0] is None:
        raise not_emulated("this syntax")
    for node in trees[0].walk():
        known = _PARTS.get(type(node).__name__, frozenset())
        for name, value in node.args.items():
            part = name.rstrip("_")  # sqlglot 28 renamed "from" and "with" to "from_" and "with_"
            if value and part not in known and part not in _EVERYWHERE:
                raise not_emulated(f"{part.upper()} of {type(node).__name__}")
    return trees[0]
