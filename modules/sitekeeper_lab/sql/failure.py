"""A SQL Server error, as ``sys.messages`` words it, on its way to the client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SqlFailure(Exception):  # noqa: N818  # the client's side has the SqlError
    """An error that a statement, a batch or a login ends with."""

    number: int
    message: str
    severity: int = 16
    state: int = 1
    more: tuple[SqlFailure, ...] = ()
    """Errors of the same statement that follow it on the wire: 3201 comes with 3013."""

    def __str__(self) -> str:
        """Return the message."""
        return self.message


def not_emulated(what: str) -> SqlFailure:
    """The lab's own loud answer to what it does not know: 50001, never an empty result."""
    return SqlFailure(50001, f"emulator: {what} is not emulated")
