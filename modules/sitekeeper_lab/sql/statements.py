"""A batch taken apart into statements: blocks, IF, WHILE, TRY, and everything else as a run of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sitekeeper_lab.sql.failure import SqlFailure
from sitekeeper_lab.sql.lexer import Token, words

STARTS = words(
    "SELECT INSERT UPDATE DELETE DECLARE SET USE IF WHILE BEGIN PRINT RAISERROR THROW WAITFOR EXEC EXECUTE "
    "COMMIT ROLLBACK ALTER CREATE DROP BACKUP RESTORE TRUNCATE MERGE GRANT DENY REVOKE KILL CHECKPOINT RETURN "
    "SAVE DBCC RECONFIGURE BREAK CONTINUE GO OPEN FETCH CLOSE DEALLOCATE BULK"
)
"""Words that begin a statement; WITH does so only where none is open."""
_JOINS_QUERIES = {"UNION", "ALL", "EXCEPT", "INTERSECT"}


@dataclass(frozen=True, slots=True)
class Simple:
    """One statement; its first token says which."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """BEGIN ... END."""

    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class If:
    """IF ... ELSE."""

    condition: tuple[Token, ...]
    then: Statement
    otherwise: Statement | None


@dataclass(frozen=True, slots=True)
class While:
    """WHILE ..."""

    condition: tuple[Token, ...]
    body: Statement


@dataclass(frozen=True, slots=True)
class Try:
    """BEGIN TRY ... END TRY BEGIN CATCH ... END CATCH."""

    body: Block
    catch: Block


Statement = Simple | Block | If | While | Try


class Parser:
    """Recursive descent over the tokens of one batch."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def batch(self) -> Block:
        """Parse all of it."""
        body = self._body()
        if self._at < len(self._tokens):
            raise self._near(self._at)
        return Block(body)

    def _word(self, offset: int = 0) -> str:
        at = self._at + offset
        return self._tokens[at].upper if at < len(self._tokens) else ""

    def _near(self, at: int) -> SqlFailure:
        text = self._tokens[min(at, len(self._tokens) - 1)].value
        return SqlFailure(102, f"Incorrect syntax near '{text}'.", 15)

    def _expect(self, *words: str) -> None:
        for word in words:
            if self._word() != word:
                raise self._near(self._at)
            self._at += 1

    def _body(self) -> tuple[Statement, ...]:
        body: list[Statement] = []
        while True:
            while self._word() == ";":
                self._at += 1
            if self._at >= len(self._tokens) or self._word() in {"END", "ELSE"}:
                return tuple(body)
            body.append(self._statement())

    def _statement(self) -> Statement:
        word = self._word()
        if word == "IF":
            return self._if()
        if word == "WHILE":
            condition = self._condition()
            return While(condition, self._statement())
        if word == "BEGIN" and self._word(1) == "TRY":
            self._at += 2
            body = Block(self._body())
            self._expect("END", "TRY")
            while self._word() == ";":
                self._at += 1
            self._expect("BEGIN", "CATCH")
            catch = Block(self._body())
            self._expect("END", "CATCH")
            return Try(body, catch)
        if word == "BEGIN" and self._word(1) not in {"TRAN", "TRANSACTION", "DISTRIBUTED"}:
            self._at += 1
            block = Block(self._body())
            self._expect("END")
            return block
        return self._simple()

    def _if(self) -> If:
        condition = self._condition()
        then = self._statement()
        before = self._at
        while self._word() == ";":
            self._at += 1
        if self._word() == "ELSE":
            self._at += 1
            return If(condition, then, self._statement())
        self._at = before
        return If(condition, then, None)

    def _condition(self) -> tuple[Token, ...]:
        start = self._at + 1
        self._at = self._end(start, lambda word, _seen: word in STARTS)
        if self._at == start:
            raise self._near(self._at)
        return tuple(self._tokens[start : self._at])

    def _simple(self) -> Simple:
        start = self._at
        first = self._word()
        belongs = _CONTINUES.get(first, _never)
        self._at = self._end(start + 1, lambda word, seen: word in STARTS and not belongs(word, seen))
        return Simple(tuple(self._tokens[start : self._at]))

    def _end(self, at: int, starts: Starts) -> int:
        depth, cases = 0, 0
        seen: set[str] = set()
        while at < len(self._tokens):
            word = self._tokens[at].upper
            previous = self._tokens[at - 1].upper
            depth += (word == "(") - (word == ")")
            if depth == 0 and previous != ".":
                if word == "CASE":
                    cases += 1
                elif word == "END" and cases:
                    cases -= 1
                elif (
                    word in {";", "END"}
                    or (word == "ELSE" and not cases)
                    or (not cases and previous not in _JOINS_QUERIES and starts(word, seen))
                ):
                    return at
                seen.add(word)
            at += 1
        return at


if TYPE_CHECKING:
    from collections.abc import Callable

    Starts = Callable[[str, set[str]], bool]


def _never(_word: str, _seen: set[str]) -> bool:
    return False


def _in_insert(word: str, seen: set[str]) -> bool:
    return word in {"SELECT", "EXEC", "EXECUTE"} and not seen & {"SELECT", "VALUES", "EXEC", "EXECUTE", "DEFAULT"}


def _in_update(word: str, seen: set[str]) -> bool:
    return word == "SET" and "SET" not in seen


def _in_with(word: str, seen: set[str]) -> bool:
    mains = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"}
    if word in mains and not seen & mains:
        return True
    return ("INSERT" in seen and _in_insert(word, seen)) or ("UPDATE" in seen and _in_update(word, seen))


def _in_database_statement(word: str, seen: set[str]) -> bool:
    return word in {"SET", "BACKUP", "RESTORE", "BULK"} or (word == "ROLLBACK" and "WITH" in seen)


_CONTINUES = {
    "INSERT": _in_insert,
    "UPDATE": _in_update,
    "WITH": _in_with,
    "ALTER": _in_database_statement,
    "BACKUP": _in_database_statement,
    "RESTORE": _in_database_statement,
}
