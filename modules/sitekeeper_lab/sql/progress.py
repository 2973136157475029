"""A long statement's way: percent for other sessions, STATS messages for its own, and the faults that wait on it."""

from __future__ import annotations

from sitekeeper_lab.sql import storage_errors as errors
from sitekeeper_lab.sql.activity import Request
from sitekeeper_lab.sql.failure import SqlFailure
from sitekeeper_lab.sql.faults import StatementFault
from sitekeeper_lab.sql.reply import Reply

_LOOK = 0.1
"""Seconds between two looks of a hanging statement at whether its client is still there."""


class Progress:
    """How far one statement is, in units of its own.

    Args:
        stats: percent between two messages 3211; 0: none.
        device: named in an error of writing or reading.
        statement: the statement's name in 3013.

    """

    def __init__(
        self,
        out: Reply,
        request: Request,
        fault: StatementFault | None,
        total: int,
        *,
        stats: int = 0,
        device: str = "",
        statement: str = "",
    ) -> None:
        self._out, self._request, self._fault = out, request, fault
        self._total, self._stats, self._device, self._statement = max(total, 1), stats, device, statement
        self._done = self._told = 0

    def advance(self, amount: int) -> None:
        """So much more is done.

        Raises:
            Cancelled: the client said so. SqlFailure: a fault.

        """
        self._done += amount
        percent = min(100, self._done * 100 // self._total)
        self._request.percent = float(percent)
        while self._stats and self._told + self._stats <= percent:
            self._told = percent if percent == 100 else self._told + self._stats
            self._out.info(3211, f"{self._told} percent processed.", 10)
            self._out.done(None)
            self._out.flush()
        self._out.check()
        if self._fault is not None and percent >= self._fault.at:
            self._strike(self._fault.do)

    def _strike(self, do: str) -> None:
        if do == "drop":
            self._out.cut()
        self._out.flush()
        while do == "hang":
            self._out.check(_LOOK)
        code, word, number = (112, "Write", 3202) if do == "disk_full" else (1117, "Read", 3203)
        failure = SqlFailure(number, f'{word} on "{self._device}" failed: {errors.os_error(code)}')
        raise errors.together(failure, errors.terminated(self._statement)) if self._statement else failure
