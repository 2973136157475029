"""Where a running batch writes its results: the seam between the T-SQL half and the TDS half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from sitekeeper_lab.sql.datatypes import SqlType
from sitekeeper_lab.sql.failure import SqlFailure

SELECT, INSERT, DELETE, UPDATE = 0xC1, 0xC3, 0xC4, 0xC5
"""CurCmd of DONE, as real servers send them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result set; an expression without a name has the name ''."""

    name: str
    kind: SqlType


class Cancelled(Exception):  # noqa: N818  # the client's wish, not a fault
    """The client sent an attention signal."""


class Reply(Protocol):
    """A result as it comes into being."""

    def columns(self, columns: Sequence[Column]) -> None:
        """A result set begins."""

    def row(self, values: Sequence[object]) -> None:
        """One row of it."""

    def done(self, count: int | None, command: int = 0) -> None:
        """A statement has ended, with its row count."""

    def info(self, number: int, message: str, severity: int = 0, state: int = 1) -> None:
        """A message, at once on its way."""

    def error(self, failure: SqlFailure) -> None:
        """An error message; ``done`` is not called for its statement."""

    def database_changed(self, new: str, old: str) -> None:
        """The session's database is another one."""

    def flush(self) -> None:
        """Let the client have what was written."""

    def check(self, seconds: float = 0.0) -> None:
        """Wait at most so long for an attention signal.

        Raises:
            Cancelled: there is one.

        """

    def cut(self) -> NoReturn:
        """End the connection in the middle of the reply, as a broken network does."""
