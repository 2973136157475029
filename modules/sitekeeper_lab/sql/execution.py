"""Runs rendered queries: a scratch sqlite for each, with the databases attached and the system views filled in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sitekeeper_lab.sql import reply
from sitekeeper_lab.sql.convert import Value
from sitekeeper_lab.sql.datatypes import SqlType, parse_type
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.files import Database, DatabaseClosed
from sitekeeper_lab.sql.functions import PURE, Function, session_functions
from sitekeeper_lab.sql.lexer import Token
from sitekeeper_lab.sql.queries import Queries, Rendered
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.rewrite import rewrite
from sitekeeper_lab.sql.scope import Source, quoted
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.syntax import parse
from sitekeeper_lab.sql.system_views import VIEWS

Variables = dict[str, tuple[SqlType, "Value"]]
_LOOK_EVERY = 20_000
"""sqlite steps between two looks for an attention signal."""


class _Catalog:
    """Resolves table names; remembers which files and system views the query needs."""

    def __init__(self, state: SessionState, *, direct: bool) -> None:
        self._state = state
        self._direct = direct
        self.attached: dict[str, Database] = {}
        self.views: dict[str, tuple[str, str]] = {}
        """Scratch table by (view, database)."""

    def table(self, database: str, schema: str, name: str) -> Source:
        """Find a table: a system view, or a table or view of a user database."""
        if database:
            self._state.exact_name(database)
        where = database or self._state.database
        view = self._view(where, schema, name)
        if view is not None:
            return view
        found = self._state.user_database(where)
        if found is not None and schema.lower() in {"", "dbo"}:
            source = self._user_table(found, name)
            if source is not None:
                return source
        full = ".".join(part for part in (database, schema, name) if part)
        raise SqlFailure(208, f"Invalid object name '{full}'.")

    def _view(self, database: str, schema: str, name: str) -> Source | None:
        release = self._state.instance.release.major
        for key in (f"{schema}.{name}".lower(), f"{database}.{schema or 'dbo'}.{name}".lower()):
            view = VIEWS.get(key)
            if view is not None and view.since <= release:
                if self._direct:
                    raise not_emulated("a system view in a change")
                scratch = f"lab_view_{len(self.views)}"
                self.views[scratch] = (key, database)
                return Source(quoted(scratch), tuple(view.columns_in(release).items()))
        return None

    def _user_table(self, database: Database, name: str) -> Source | None:
        with _online(database) as data:
            for part in ("main", "ndf") if database.ndf else ("main",):
                rows = data.execute(f"PRAGMA {part}.table_info({quoted(name)})").fetchall()
                if rows and name.lower() != "lab_boot":
                    columns = tuple((str(row[1]), _declared(str(row[2]))) for row in rows)
                    return Source(f"{self._alias(database, part)}.{quoted(name)}", columns)
        return None

    def _alias(self, database: Database, part: str) -> str:
        if self._direct:
            if database.name != self._state.database:
                raise not_emulated("a change in another database than the current one")
            return part
        alias = f"d{self._state.database_id(database.name):08}"
        self.attached[alias] = database
        return alias if part == "main" else f"{alias}n"


class Execution:
    """Runs queries for one session."""

    def __init__(self, state: SessionState, out: Reply) -> None:
        self._state, self._reply = state, out
        self._functions: dict[str, Function] = {**PURE, **session_functions(state)}
        self._failure: SqlFailure | None = None

    def select(
        self, tokens: Sequence[Token], variables: Variables
    ) -> tuple[list[reply.Column], list[tuple[Value, ...]]]:
        """Run a query and return its columns and rows."""
        catalog = _Catalog(self._state, direct=False)
        queries, tree = self._read(tokens, catalog, variables)
        rendered = queries.select(tree)
        with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as scratch:
            self._prepare(scratch, catalog)
            # In one order for all, or two queries over the same databases could wait for each other.
            locks = [catalog.attached[alias].reading for alias in sorted(catalog.attached)]
            for lock in locks:
                lock.acquire()
            try:
                for alias, database in catalog.attached.items():
                    _attach(scratch, alias, database)
                rows = self._run(scratch, rendered.sql, variables).fetchall()
            except sqlite3.Error as error:
                raise self._sql_failure(error) from error
            finally:
                for lock in reversed(locks):
                    lock.release()
        return _columns(rendered, rows), rows

    def change(self, tokens: Sequence[Token], variables: Variables) -> int:
        """Run INSERT, UPDATE or DELETE in the current database; returns the number of rows."""
        catalog = _Catalog(self._state, direct=True)
        queries, tree = self._read(tokens, catalog, variables)
        rendered = queries.change(tree)
        database = self._state.user_database()
        if database is None:
            raise not_emulated("a change in a system database")
        what = " ".join(token.text for token in tokens[:3])
        try:
            with database.change(what, self._reply.check) as data:
                self._register(data)
                try:
                    count = self._run(data, rendered.sql, variables).rowcount
                finally:
                    data.set_progress_handler(None, 0)
        except sqlite3.Error as error:
            raise self._sql_failure(error) from error
        except DatabaseClosed as error:
            raise _offline(database.name) from error
        self._state.changed()
        return count

    def _read(self, tokens: Sequence[Token], catalog: _Catalog, variables: Variables) -> tuple[Queries, Any]:
        for token in tokens:
            if token.kind == "variable" and not token.text.startswith("@@") and token.text.lower() not in variables:
                raise SqlFailure(137, f'Must declare the scalar variable "{token.text}".', 15, 2)
        tree = parse(rewrite(tokens, self._functions.keys()))
        return Queries(catalog, self._functions, {name: kind for name, (kind, _) in variables.items()}), tree

    def _run(self, data: sqlite3.Connection, sql: str, variables: Variables) -> sqlite3.Cursor:
        data.set_progress_handler(self._look, _LOOK_EVERY)
        values = {name[1:]: value for name, (_, value) in variables.items()}
        return data.execute(sql, values)

    def _look(self) -> int:
        try:
            self._reply.check()
        except Exception as error:  # noqa: BLE001  # raised again, whatever it is, when sqlite has stopped
            self._interrupt = error
            return 1
        return 0

    _interrupt: Exception | None = None

    def _prepare(self, scratch: sqlite3.Connection, catalog: _Catalog) -> None:
        self._register(scratch)
        release = self._state.instance.release.major
        for table, (key, database) in catalog.views.items():
            view = VIEWS[key]
            columns = view.columns_in(release)
            text = ", ".join(
                f"{quoted(name)}{' COLLATE NOCASE' if kind.is_text else ''}" for name, kind in columns.items()
            )
            scratch.execute(f"CREATE TABLE {table} ({text})")
            rows = [tuple(row.get(name) for name in columns) for row in view.rows(self._state, database)]
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # names of the lab
            scratch.executemany(insert, rows)

    def _register(self, data: sqlite3.Connection) -> None:
        for name, function in self._functions.items():
            data.create_function(f"lab_{name}", -1, self._guarded(function.body))

    def _guarded(self, body: Callable[..., Value]) -> Callable[..., Value]:
        def call(*values: Value) -> Value:
            try:
                return body(*values)
            except SqlFailure as failure:
                self._failure = failure  # sqlite passes only "user-defined function raised exception"
                raise

        return call

    def _sql_failure(self, error: sqlite3.Error) -> Exception:
        failure, self._failure = self._failure, None
        interrupt, self._interrupt = self._interrupt, None
        if failure is not None or interrupt is not None:
            return failure or interrupt or error
        return not_emulated(f"this statement ({error})")


def _offline(name: str) -> SqlFailure:
    return SqlFailure(942, f"Database '{name}' cannot be opened because it is offline.", 14, 4)


@contextmanager
def _online(database: Database) -> Iterator[sqlite3.Connection]:
    try:
        with database.read() as data:
            yield data
    except DatabaseClosed as error:
        raise _offline(database.name) from error


def _attach(scratch: sqlite3.Connection, alias: str, database: Database) -> None:
    for name, file in ((alias, database.mdf), (f"{alias}n", database.ndf)):
        if file is not None:
            scratch.execute(f"ATTACH ? AS {name}", (f"{file.path.resolve().as_uri()}?mode=ro",))


def _declared(text: str) -> SqlType | None:
    return parse_type({"INTEGER": "int", "": "int"}.get(text, text))


def _columns(rendered: Rendered, rows: Sequence[Sequence[Value]]) -> list[reply.Column]:
    columns = []
    for index, (name, kind) in enumerate(rendered.columns):
        columns.append(reply.Column(name, kind or _guess([row[index] for row in rows])))
    return columns


def _guess(values: Sequence[Value]) -> SqlType:
    """The type of an expression that has none of its own: that of its values; NULL is an int, as in SQL Server."""
    known = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in known):
        return SqlType("nvarchar", 4000)
    if any(isinstance(value, bytes) for value in known):
        return SqlType("varbinary", 8000)
    if any(isinstance(value, float) for value in known):
        return SqlType("float")
    large = any(isinstance(value, int) and not -(1 << 31) <= value < 1 << 31 for value in known)
    return SqlType("bigint" if large else "int")
