"""Runs a batch: control flow, variables, messages; queries go to ``Execution``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sitekeeper_lab.sql import reply
from sitekeeper_lab.sql.attaching import create
from sitekeeper_lab.sql.backup import backup
from sitekeeper_lab.sql.checkdb import dbcc
from sitekeeper_lab.sql.convert import Value, convert, to_text
from sitekeeper_lab.sql.datatypes import parse_type
from sitekeeper_lab.sql.execution import Execution, Variables
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.lexer import Token, closing, join, split_commas, tokenize, words
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.restore import restore
from sitekeeper_lab.sql.settings import alter, configure, drop
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.statements import STARTS, Block, If, Parser, Simple, Statement, Try, While

_ENDS_BATCH_FROM = 20
"""Errors of this severity, and those of names and syntax, end the batch; others end the statement."""
_BATCH_ENDING = {102, 105, 113, 207, 208, 209, 911, 4104, 245, 241, 8115, 137, 50001}
_OPTIONS_TAKEN = words(
    "ANSI_NULLS ANSI_PADDING ANSI_WARNINGS ANSI_NULL_DFLT_ON ARITHABORT ARITHIGNORE CONCAT_NULL_YIELDS_NULL "
    "CURSOR_CLOSE_ON_COMMIT DEADLOCK_PRIORITY "
    "LOCK_TIMEOUT NOCOUNT NUMERIC_ROUNDABORT QUOTED_IDENTIFIER TEXTSIZE TRANSACTION XACT_ABORT "
    "ANSI_DEFAULTS NO_BROWSETABLE"
)
"""SET options that are accepted and, in the lab, change nothing."""
_DEFAULTS_TAKEN = frozenset({"DATEFIRST 7", "DATEFORMAT MDY", "LANGUAGE US_ENGLISH", "ROWCOUNT 0"})
"""Settings that would change answers: only what is in force anyway."""


_WHOLE_DATABASE = {"CREATE": create, "DROP": drop, "BACKUP": backup, "RESTORE": restore, "DBCC": dbcc}
"""Statements on a database as a whole."""


class Batch:
    """The interpreter of one session."""

    def __init__(self, state: SessionState, out: Reply) -> None:
        self.state, self.reply = state, out
        self._execution = Execution(state, out)
        self._simple: dict[str, Callable[[Sequence[Token], Variables], None]] = {
            **dict.fromkeys(("SELECT", "WITH"), self._select),
            **dict.fromkeys(("INSERT", "UPDATE", "DELETE"), self._change),
            "DECLARE": self._declare,
            "SET": self._set,
            "USE": self._use,
            "PRINT": self._print,
            "RAISERROR": self._raiserror,
            "WAITFOR": self._waitfor,
            **dict.fromkeys(("EXEC", "EXECUTE"), self._exec),
            **dict.fromkeys(("BEGIN", "COMMIT", "ROLLBACK"), self._transaction),
            "ALTER": self._alter,
            **dict.fromkeys(_WHOLE_DATABASE, self._whole_database),
            "RECONFIGURE": lambda _tokens, _variables: None,
        }

    def run(self, text: str, variables: Variables | None = None) -> None:
        """Run a batch; its errors go to the reply.

        Raises:
            Cancelled: the client said so.

        """
        try:
            tokens = tokenize(text)
            if tokens and tokens[0].kind in {"word", "quoted"} and tokens[0].upper not in STARTS | {"WITH"}:
                tokens.insert(0, Token("word", "EXEC"))  # a procedure's name may stand alone at the start of a batch
            block = Parser(tokens).batch()
            self._block(block, {} if variables is None else variables)
        except SqlFailure as failure:
            self.state.error = failure.number
            self.reply.error(failure)

    def _block(self, block: Block, variables: Variables) -> None:
        for statement in block.body:
            self.reply.check()
            self._statement(statement, variables)

    def _statement(self, statement: Statement, variables: Variables) -> None:
        if isinstance(statement, Simple):
            self._guarded(statement, variables)
        elif isinstance(statement, Block):
            self._block(statement, variables)
        elif isinstance(statement, If):
            if self._true(statement.condition, variables):
                self._statement(statement.then, variables)
            elif statement.otherwise is not None:
                self._statement(statement.otherwise, variables)
        elif isinstance(statement, While):
            while self._true(statement.condition, variables):
                self.reply.check()
                self._statement(statement.body, variables)
        else:
            self._try(statement, variables)

    _trying = 0

    def _try(self, statement: Try, variables: Variables) -> None:
        self._trying += 1
        try:
            self._block(statement.body, variables)
            failed = False
        except SqlFailure as failure:
            if failure.number == 50001:
                raise
            failed = True
        finally:
            self._trying -= 1
        if failed:
            self._block(statement.catch, variables)

    def _guarded(self, statement: Simple, variables: Variables) -> None:
        word = statement.tokens[0].upper
        run = self._simple.get(word)
        if run is None:
            raise not_emulated(f"the statement {word or statement.tokens[0].text}")
        try:
            run(statement.tokens, variables)
        except SqlFailure as failure:
            self.state.error = failure.number
            if self._trying or failure.severity >= _ENDS_BATCH_FROM or failure.number in _BATCH_ENDING:
                raise
            self.reply.error(failure)
        else:
            self.state.error = 0

    def _select(self, tokens: Sequence[Token], variables: Variables) -> None:
        if _has(tokens, "INTO"):
            raise not_emulated("SELECT ... INTO")
        assigned = _assignments(tokens)
        if assigned is not None:
            names, query = assigned
            _, rows = self._execution.select(query, variables)
            for row in rows[-1:]:
                for name, value in zip(names, row, strict=True):
                    self._assign(name, value, variables)
            self.state.row_count = len(rows)
            return
        columns, rows = self._execution.select(tokens, variables)
        self.reply.columns(columns)
        for row in rows:
            self.reply.row(row)
        self.state.row_count = len(rows)
        self.reply.done(len(rows), reply.SELECT)

    def _change(self, tokens: Sequence[Token], variables: Variables) -> None:
        for word in ("OUTPUT", "TOP", "EXEC", "EXECUTE"):
            if _has(tokens, word):
                raise not_emulated(f"{tokens[0].upper} with {word}")
        count = self._execution.change(tokens, variables)
        self.state.row_count = count
        command = {"INSERT": reply.INSERT, "UPDATE": reply.UPDATE, "DELETE": reply.DELETE}[tokens[0].upper]
        self.reply.done(count, command)

    def value(self, tokens: Sequence[Token], variables: Variables) -> Value:
        """Evaluate one expression."""
        _, rows = self._execution.select([Token("word", "SELECT"), *tokens], variables)
        return rows[0][0]

    def _true(self, condition: Sequence[Token], variables: Variables) -> bool:
        text = "SELECT CASE WHEN"
        tokens = [*tokenize(text), *condition, *tokenize("THEN 1 ELSE 0 END")]
        return bool(self._execution.select(tokens, variables)[1][0][0])

    def _assign(self, name: str, value: Value, variables: Variables) -> None:
        if name.lower() not in variables:
            raise SqlFailure(137, f'Must declare the scalar variable "{name}".', 15, 2)
        kind = variables[name.lower()][0]
        variables[name.lower()] = (kind, convert(value, kind))

    def _declare(self, tokens: Sequence[Token], variables: Variables) -> None:
        for part in split_commas(tokens[1:]):
            equals = next((index for index, token in enumerate(part) if token.text == "="), len(part))
            start = 2 if part[1].upper == "AS" else 1
            name = part[0].text
            if name.lower() in variables:
                text = f"The variable name '{name}' has already been declared. "
                text += "Variable names must be unique within a query batch or stored procedure."
                raise SqlFailure(134, text, 15)
            variables[name.lower()] = (parse_type(join(part[start:equals])), None)
            if equals < len(part):
                self._assign(name, self.value(part[equals + 1 :], variables), variables)

    def _set(self, tokens: Sequence[Token], variables: Variables) -> None:
        if tokens[1].kind == "variable":
            if tokens[2].text != "=":
                raise not_emulated(f"SET with {tokens[2].text}")
            self._assign(tokens[1].text, self.value(tokens[3:], variables), variables)
            return
        for part in split_commas(tokens[1:]):
            text = join(part).upper()
            if part[0].upper == "IMPLICIT_TRANSACTIONS":
                self.state.implicit = text.endswith(" ON")
            elif part[0].upper not in _OPTIONS_TAKEN and text not in _DEFAULTS_TAKEN:
                raise not_emulated(f"SET {join(part)}")
        self.reply.done(None)

    def _use(self, tokens: Sequence[Token], _variables: Variables) -> None:
        old = self.state.database
        new = self.state.use(tokens[1].value)
        self.reply.database_changed(new, old)
        self.reply.done(None)

    def _print(self, tokens: Sequence[Token], variables: Variables) -> None:
        self.reply.info(0, to_text(self.value(tokens[1:], variables)))
        self.reply.done(None)

    def _raiserror(self, tokens: Sequence[Token], variables: Variables) -> None:
        end = closing(tokens, 1)
        values = [self.value(part, variables) for part in split_commas(tokens[2:end])]
        message, severity, state = str(values[0]), int(str(values[1])), int(str(values[2]))
        if values[3:] or "%" in message:
            raise not_emulated("RAISERROR with arguments")
        if severity > 10:
            raise SqlFailure(50000, message, severity, state)
        self.reply.info(50000, message, severity, state)
        self.reply.done(None)
        if _has(tokens[end:], "NOWAIT"):
            self.reply.flush()

    def _waitfor(self, tokens: Sequence[Token], variables: Variables) -> None:
        if tokens[1].upper != "DELAY":
            raise not_emulated("WAITFOR TIME")
        hours, minutes, seconds = str(self.value(tokens[2:], variables)).split(":")
        self.reply.flush()
        self.reply.check(int(hours) * 3600 + int(minutes) * 60 + float(seconds))
        self.reply.done(None)

    def _transaction(self, tokens: Sequence[Token], _variables: Variables) -> None:
        {"BEGIN": self.state.begin, "COMMIT": self.state.commit, "ROLLBACK": self.state.rollback}[tokens[0].upper]()
        self.reply.done(None)

    def _alter(self, tokens: Sequence[Token], _variables: Variables) -> None:
        alter(tokens, self.state)
        self.reply.done(None)

    def _whole_database(self, tokens: Sequence[Token], variables: Variables) -> None:
        run = _WHOLE_DATABASE[tokens[0].upper]
        run(tokens, self.state, self.reply, lambda token: self.value([token], variables))

    procedure: Callable[[str, list[tuple[str, Value]]], None]
    """Runs a system procedure by name; ``Procedures`` sets it."""

    def _exec(self, tokens: Sequence[Token], variables: Variables) -> None:
        if tokens[1].text == "(":
            self.run(str(self.value(tokens[2 : closing(tokens, 1)], variables)))
            return
        end = 2
        while end + 1 < len(tokens) and tokens[end].text == ".":
            end += 2
        arguments: list[tuple[str, Value]] = []
        for part in split_commas(tokens[end:]):
            named = len(part) > 2 and part[0].kind == "variable" and part[1].text == "="
            value = part[2:] if named else part
            bare = len(value) == 1 and value[0].kind == "word" and value[0].upper != "NULL"
            found = value[0].text if bare else self.value(value, variables)  # EXEC p word: the word is a string
            arguments.append((part[0].text if named else "", found))
        name = tokens[end - 1].value.lower()
        if name == "sp_configure":
            configure(self.state, self.reply, [value for _, value in arguments])
        else:
            self.procedure(name, arguments)


def _has(tokens: Sequence[Token], word: str) -> bool:
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.upper == word:
            return True
    return False


def _assignments(tokens: Sequence[Token]) -> tuple[list[str], list[Token]] | None:
    """Take ``SELECT @a = x, @b = y FROM ...`` apart into the names and the query without them."""
    if len(tokens) < 4 or tokens[1].kind != "variable" or tokens[2].text != "=":
        return None
    depth, end = 0, len(tokens)
    for index, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.upper == "FROM":
            end = index
            break
    names, items = [], list[Token]()
    for part in split_commas(tokens[1:end]):
        if len(part) < 3 or part[0].kind != "variable" or part[1].text != "=":
            text = "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations."
            raise SqlFailure(141, text, 15)
        names.append(part[0].text)
        items += [*([Token("op", ",")] if items else []), *part[2:]]
    return names, [tokens[0], *items, *tokens[end:]]
