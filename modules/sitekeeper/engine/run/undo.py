"""Undo: the newest change first, each on its own; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sitekeeper.engine import bugs
from sitekeeper.engine.errors import IntegrityError, SitekeeperError, UndoError, UnreachableError
from sitekeeper.engine.holding import busy
from sitekeeper.engine.holding.leases import Leases, choose_context
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import Kept, UndoDone, UndoFailed
from sitekeeper.engine.module import Module, UndoPolicy
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context

ATTEMPTS = 3
"""How often an undo is tried whose connection is lost."""


@dataclass(slots=True)
class OpenChange:
    """A change that may have to be undone; ``outcome`` stays None when it failed half-way."""

    number: int
    path: str
    name: str
    policy: UndoPolicy
    module: Module[Any, Any, Any]
    intent: Record | None
    ctx: Context
    outcome: Any = None
    origin: Origin | None = None
    """The task's line, where the playbook is at hand."""


class Tell(Protocol):
    """Told of every change that was undone, or could not be."""

    def __call__(self, change: OpenChange, msg: str, *, ok: bool) -> None: ...


class UndoStack:
    """The open changes of one host's play."""

    def __init__(self, journal: Journal, leases: Leases, tell: Tell) -> None:
        self._journal = journal
        self._leases = leases
        self._tell = tell
        self._open: list[OpenChange] = []
        self.left: list[OpenChange] = []
        """What could not be undone."""

    def push(self, change: OpenChange) -> None:
        """A change is about to be made."""
        self._open.append(change)

    def inside(self, path: str) -> list[OpenChange]:
        """Open changes of tasks below a path, oldest first."""
        return [change for change in self._open if change.path.startswith(path)]

    def mark(self) -> int:
        """Number of the newest change: a later one is newer than what is here now."""
        return max((change.number for change in self._open), default=0)

    def undo_changes(self, which: Callable[[OpenChange], bool]) -> list[SitekeeperError]:
        """Undo the chosen changes, newest first; returns what failed."""
        errors: list[SitekeeperError] = []
        for change in [one for one in reversed(self._open) if which(one)]:
            self._open.remove(change)
            if not change.module.reversible:
                continue
            error = self._undo(change)
            if error is not None:
                errors.append(error)
        return errors

    def put_off(self, since: int, errors: list[SitekeeperError]) -> bool:
        """Try changes after ``since`` that could not be undone again at the play's end; False: something else is wrong too."""
        if not all(isinstance(error, UndoError) for error in errors):
            return False
        waiting = [change for change in self.left if change.number > since]
        for change in waiting:
            self.left.remove(change)
            change.policy = "play"
        self._open += sorted(waiting, key=lambda change: change.number)
        return True

    def keep(self) -> None:
        """The play is over: what is still open is meant to stay."""
        for change in self._open:
            self._journal.note(Kept(), host=change.ctx.host, task=change.path, change=change.number)
        self._open.clear()

    def _undo(self, change: OpenChange) -> SitekeeperError | None:
        try:
            change.ctx.needs(change.module.needs)
            msg = self._retry(change)
        except Exception as failed:  # noqa: BLE001 - whatever it is, the older changes are still to be undone
            error = bugs.error_of(failed, host=change.ctx.host, folder=self._journal.folder)
            self.left.append(change)
            self._journal.note(
                UndoFailed(error.word, error.message),
                host=change.ctx.host,
                task=change.path,
                change=change.number,
            )
            self._tell(change, error.message, ok=False)
            return UndoError(
                f"could not undo {change.module.name()}: {error.message}",
                host=change.ctx.host,
                task=change.name,
                origin=change.origin,
                hint=error.hint,
            )
        self._tell(change, msg, ok=True)
        try:
            self._journal.commit(
                UndoDone(msg, _notes_of(change.ctx)),
                host=change.ctx.host,
                task=change.path,
                change=change.number,
            )
        except IntegrityError as error:
            return error
        return None

    def _once(self, change: OpenChange) -> str:
        if change.module.on_host:
            self._leases.renew(choose_context(change.ctx, change.intent))
        return change.module.undo(change.ctx, change.intent, change.outcome)

    def _retry(self, change: OpenChange) -> str:
        """Undo may be done twice, so it is tried again when the connection is lost.

        It also waits for a host that is still busy with what we began: a shadow copy is made whether we are heard or not.
        """
        clock = change.ctx.clock
        until = clock.monotonic() + busy.SECONDS
        left = ATTEMPTS
        while True:
            try:
                return busy.wait_until_free(clock, until, lambda: self._once(change))
            except UnreachableError:
                left -= 1
                if not left:
                    raise


def _notes_of(ctx: Context) -> dict[str, Any]:
    return {} if ctx.offline is None else {"offline": ctx.offline.as_notes()}
