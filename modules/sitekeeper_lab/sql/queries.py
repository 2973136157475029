"""Whole queries for sqlite: SELECT with everything around it, and INSERT, UPDATE, DELETE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sitekeeper_lab.sql.datatypes import SqlType
from sitekeeper_lab.sql.expressions import Expressions, Typed, wider
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.functions import Function
from sitekeeper_lab.sql.scope import Catalog, Scope, Source, quoted

_JOINS = {"", "INNER", "LEFT", "RIGHT", "FULL", "CROSS"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A query for sqlite and its result's columns; none for a change."""

    sql: str
    columns: tuple[tuple[str, SqlType | None], ...]


class Queries(Expressions):
    """Renders statements against a catalog."""

    def __init__(self, catalog: Catalog, functions: Mapping[str, Function], variables: Mapping[str, SqlType]) -> None:
        super().__init__(functions, variables)
        self._catalog = catalog

    def select(self, tree: Any) -> Rendered:
        """Render a query."""
        return self._query(tree, None)

    def change(self, tree: Any) -> Rendered:
        """Render INSERT, UPDATE or DELETE."""
        render = {exp.Insert: self._insert, exp.Update: self._update, exp.Delete: self._delete}.get(type(tree))
        if render is None:
            raise not_emulated(type(tree).__name__)
        return Rendered(render(tree), ())

    def subquery(self, node: Any, scope: Scope) -> Typed:
        """Render a query in parentheses."""
        inner = self._query(node.this if isinstance(node, exp.Subquery) else node, scope)
        return f"({inner.sql})", inner.columns[0][1]

    def _query(self, tree: Any, outer: Scope | None) -> Rendered:
        scope = Scope(outer)
        prefix = self._common(tree, scope)
        if isinstance(tree, exp.Subquery):
            return self._query(tree.this, scope)
        if isinstance(tree, exp.Select):
            body, columns = self._select(tree, scope)
        elif isinstance(tree, exp.SetOperation):
            body, columns = self._set(tree, scope)
        else:
            raise not_emulated(type(tree).__name__)
        return Rendered(prefix + body + self._tail(tree, scope), columns)

    def _common(self, tree: Any, scope: Scope) -> str:
        clause = _part(tree, "with")
        if clause is None:
            return ""
        parts = []
        for each in clause.expressions:
            inner = self._query(each.this, scope)
            names = [name.name for name in each.args["alias"].columns]
            columns = inner.columns
            if names:
                columns = tuple((name, kind) for name, (_, kind) in zip(names, columns, strict=True))
            scope.tables[each.alias.lower()] = Source(quoted(each.alias), columns)
            listed = ", ".join(quoted(name) for name, _ in columns)
            parts.append(f"{quoted(each.alias)} ({listed}) AS ({inner.sql})")
        return f"WITH {', '.join(parts)} "

    def _set(self, tree: Any, scope: Scope) -> tuple[str, tuple[tuple[str, SqlType | None], ...]]:
        left, right = self._query(tree.this, scope), self._query(tree.expression, scope)
        word = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}[type(tree)]
        every = " ALL" if isinstance(tree, exp.Union) and not tree.args.get("distinct") else ""
        if len(left.columns) != len(right.columns):
            text = (
                "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of "
                "expressions in their target lists."
            )
            raise SqlFailure(205, text)
        pairs = zip(left.columns, right.columns, strict=True)
        columns = tuple((name, wider(kind, other)) for (name, kind), (_, other) in pairs)
        scope.aliases = {name.lower(): (quoted(name), kind) for name, kind in columns if name}
        return f"{left.sql} {word}{every} {right.sql}", columns

    def _select(self, tree: Any, scope: Scope) -> tuple[str, tuple[tuple[str, SqlType | None], ...]]:
        tables = self._from(tree, scope)
        items: list[str] = []
        columns: list[tuple[str, SqlType | None]] = []
        for each in tree.expressions:
            self._item(each, scope, items, columns)
        sql = f"SELECT {'DISTINCT ' if tree.args.get('distinct') else ''}{', '.join(items)}{tables}"
        where, group, having = (tree.args.get(name) for name in ("where", "group", "having"))
        if where is not None:
            sql += f" WHERE {self.text(where.this, scope)}"
        if group is not None:
            sql += f" GROUP BY {', '.join(self.text(each, scope) for each in group.expressions)}"
        if having is not None:
            sql += f" HAVING {self.text(having.this, scope)}"
        return sql, tuple(columns)

    def _item(self, node: Any, scope: Scope, items: list[str], columns: list[tuple[str, SqlType | None]]) -> None:
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            wanted = node.table.lower() if isinstance(node, exp.Column) else ""
            for alias, source in scope.sources.items():
                if not wanted or alias.lower() == wanted:
                    items += [f"{quoted(alias)}.{quoted(name)}" for name, _ in source.columns]
                    columns += source.columns
            return
        inner = node.this if isinstance(node, exp.Alias) else node
        sql, kind = self.typed(inner, scope)
        name = node.alias if isinstance(node, exp.Alias) else node.name if isinstance(node, exp.Column) else ""
        items.append(f"{sql} AS {quoted(name or f'lab_{len(items)}')}")
        columns.append((name, kind))
        if isinstance(node, exp.Alias):
            scope.aliases[name.lower()] = (quoted(name), kind)

    def _from(self, tree: Any, scope: Scope) -> str:
        clause = _part(tree, "from")
        if clause is None:
            return ""
        sql = f" FROM {self._source(clause.this, scope)}"
        for join in tree.args.get("joins") or ():
            words = " ".join(str(join.args.get(name) or "").upper() for name in ("side", "kind")).split()
            if isinstance(join.this, exp.Lateral) or not set(words) <= _JOINS | {"OUTER"} or join.args.get("using"):
                raise not_emulated("this kind of JOIN (APPLY, USING)")
            table = self._source(join.this, scope)
            on = join.args.get("on")
            kind = " ".join(word for word in words if word != "OUTER") or ("INNER" if on is not None else "CROSS")
            sql += f" {kind} JOIN {table}" + (f" ON {self.text(on, scope)}" if on is not None else "")
        return sql

    def _source(self, node: Any, scope: Scope) -> str:
        if isinstance(node, exp.Subquery):
            inner = self._query(node.this, scope.outer)
            if not node.alias:
                raise SqlFailure(102, "Incorrect syntax near ')'.", 15)
            source, alias = Source(f"({inner.sql})", inner.columns), node.alias
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            common = scope.common(node.name) if not node.db else None
            source = common or self._catalog.table(node.catalog, node.db, node.name)
            alias = node.alias or node.name
        else:
            raise not_emulated(f"{type(node).__name__} in FROM")
        if isinstance(node.args.get("alias"), exp.TableAlias) and node.args["alias"].columns:
            raise not_emulated("column names behind a table's alias")
        scope.sources[alias] = source
        return f"{source.sql} AS {quoted(alias)}"

    def _tail(self, tree: Any, scope: Scope) -> str:
        order, limit, offset = (tree.args.get(name) for name in ("order", "limit", "offset"))
        sql = f" ORDER BY {self.ordered(order, scope)}" if order is not None else ""
        if limit is not None:
            options = limit.args.get("limit_options")
            if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
                raise not_emulated("TOP with PERCENT or WITH TIES")
            count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression
            sql += f" LIMIT {self.text(count, scope)}"
        if offset is not None:
            sql += ("" if limit is not None else " LIMIT -1") + f" OFFSET {self.text(offset.expression, scope)}"
        return sql

    def _insert(self, tree: Any) -> str:
        target = tree.this
        table = target.this if isinstance(target, exp.Schema) else target
        source = self._catalog.table(table.catalog, table.db, table.name)
        known = {name.lower(): name for name, _ in source.columns}
        names = [each.name for each in target.expressions] if isinstance(target, exp.Schema) else []
        for name in names:
            if name.lower() not in known:
                raise SqlFailure(207, f"Invalid column name '{name}'.")
        columns = f" ({', '.join(quoted(known[name.lower()]) for name in names)})" if names else ""
        values = tree.expression
        if isinstance(values, exp.Values):
            rows = [
                f"({', '.join(self.text(each, Scope()) for each in row.expressions)})" for row in values.expressions
            ]
            return f"INSERT INTO {source.sql}{columns} VALUES {', '.join(rows)}"  # noqa: S608  # rendered from a tree
        return f"INSERT INTO {source.sql}{columns} {self._query(values, None).sql}"

    def _update(self, tree: Any) -> str:
        if _part(tree, "from") is not None:
            raise not_emulated("UPDATE ... FROM")
        table, scope = self._target(tree.this)
        sets = []
        for each in tree.expressions:
            scope.column(each.this.name, "")
            sets.append(f"{quoted(each.this.name)} = {self.text(each.expression, scope)}")
        return f"UPDATE {table} SET {', '.join(sets)}{self._where(tree, scope)}"  # noqa: S608  # rendered from a tree

    def _delete(self, tree: Any) -> str:
        targets = tree.args.get("tables") or [tree.this]
        if len(targets) != 1 or tree.args.get("using"):
            raise not_emulated("DELETE with a second FROM")
        table, scope = self._target(targets[0])
        return f"DELETE FROM {table}{self._where(tree, scope)}"  # noqa: S608  # rendered from a tree

    def _target(self, table: Any) -> tuple[str, Scope]:
        source = self._catalog.table(table.catalog, table.db, table.name)
        return f"{source.sql} AS {quoted(table.name)}", Scope(None, {table.name: source})

    def _where(self, tree: Any, scope: Scope) -> str:
        where = tree.args.get("where")
        return f" WHERE {self.text(where.this, scope)}" if where is not None else ""


def _part(tree: Any, name: str) -> Any:
    # sqlglot renamed its arguments "from" and "with" to "from_" and "with_" on the way from 27 to 28.
    return tree.args.get(name) or tree.args.get(f"{name}_")
