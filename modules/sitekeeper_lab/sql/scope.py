"""Names: what a table name means, and what a column name means in a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sitekeeper_lab.sql.datatypes import SqlType
from sitekeeper_lab.sql.failure import SqlFailure


@dataclass(frozen=True, slots=True)
class Source:
    """Something that a query selects from."""

    sql: str
    """Its name, or the parenthesised query, for sqlite."""
    columns: tuple[tuple[str, SqlType | None], ...]


class Catalog(Protocol):
    """Knows the tables of the instance."""

    def table(self, database: str, schema: str, name: str) -> Source:
        """Find a table or view ('' for a part that was not written); error 208 when there is none."""


@dataclass(slots=True)
class Scope:
    """The sources of one SELECT, and the query around it."""

    outer: Scope | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    """By alias, in order."""
    tables: dict[str, Source] = field(default_factory=dict)
    """Common table expressions by lower-case name."""
    aliases: dict[str, tuple[str, SqlType | None]] = field(default_factory=dict)
    """Names of the select list, for ORDER BY."""

    def common(self, name: str) -> Source | None:
        """A common table expression that is visible here."""
        scope: Scope | None = self
        while scope is not None:
            if name.lower() in scope.tables:
                return scope.tables[name.lower()]
            scope = scope.outer
        return None

    def column(self, name: str, table: str) -> tuple[str, SqlType | None]:
        """Resolve a column to sqlite's text and its type; errors 207, 209, 4104."""
        scope: Scope | None = self
        while scope is not None:
            found = [
                (alias, column, kind)
                for alias, source in scope.sources.items()
                if not table or alias.lower() == table.lower()
                for column, kind in source.columns
                if column.lower() == name.lower()
            ]
            if len(found) > 1:
                raise SqlFailure(209, f"Ambiguous column name '{name}'.")
            if found:
                alias, column, kind = found[0]
                return f"{quoted(alias)}.{quoted(column)}", kind
            scope = scope.outer
        if table:
            raise SqlFailure(4104, f'The multi-part identifier "{table}.{name}" could not be bound.')
        raise SqlFailure(207, f"Invalid column name '{name}'.")


def quoted(name: str) -> str:
    """Quote an identifier for sqlite."""
    return '"' + name.replace('"', '""') + '"'
