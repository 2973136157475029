"""What one host's play holds: its context, its leases, its guard, its open changes, and how it is told."""

from __future__ import annotations

from collections.abc import Callable

from sitekeeper.engine import bugs
from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.holding.deadlines import Deadlines
from sitekeeper.engine.holding.guarding import Guarding
from sitekeeper.engine.holding.leases import Leases
from sitekeeper.engine.journal.open_run import HostProgress
from sitekeeper.engine.journal.records import Abandoned, GuardArmed
from sitekeeper.engine.run.run_context import RunLog
from sitekeeper.engine.run.telling import Telling
from sitekeeper.engine.run.undo import OpenChange, UndoStack
from sitekeeper.engine.session import Context


class HostState:
    """Built once for each host, by a run, a resumed run and a rollback alike. ``close`` it in any case."""

    def __init__(self, ctx: Context, log: RunLog, telling: Telling, *, until: float | None = None) -> None:
        """``until``: when the run must be over (monotonic seconds)."""
        self.ctx = ctx
        self.journal = log.journal
        self.clock = log.clock
        self.telling = telling
        self.deadlines = Deadlines(ctx, log.clock, until)
        self.guarding = Guarding(
            ctx, log.clock, overdue=self.deadlines.passed, lost=self.deadlines.end, note=self._note_guard
        )
        self.leases = Leases(ctx, log.journal)
        self.undo = UndoStack(log.journal, self.leases, telling.undone)

    def adopt(self, progress: HostProgress) -> None:
        """Take over what an earlier process of this run left: its offline window, leases, guards and open changes.

        Raises:
            LimitError: another run holds a lease. SitekeeperError: a host cannot be reached.

        """
        self.ctx.offline = progress.offline
        self.leases.adopt(progress.leased)
        self.guarding.adopt(progress.guarded)
        for one in progress.open:
            self.undo.push(
                OpenChange(one.number, one.path, one.name, one.policy, one.module(), one.intent, self.ctx, one.outcome)
            )

    def undo_changes(self, which: Callable[[OpenChange], bool]) -> list[SitekeeperError]:
        """Undo the chosen changes, whatever deadline has passed; returns what failed."""
        with self.deadlines.lifted():
            return self.undo.undo_changes(which)

    def undo_since(self, number: int) -> list[SitekeeperError]:
        """Undo the changes after this one that are not meant to stay; returns what failed."""
        return self.undo_changes(lambda change: change.number > number and change.policy != "never")

    def undo_all(self) -> list[SitekeeperError]:
        """Undo everything that is open and not meant to stay; first noted: a resumed run must not build on the rest."""
        self.journal.commit(Abandoned(), host=self.ctx.host)
        errors = self.undo_changes(lambda change: change.policy != "never")
        self.undo.keep()
        return errors

    def error_of(self, error: Exception, task: str | None = None) -> SitekeeperError:
        """Any exception as an error of this host; one that is not ours is a bug."""
        return bugs.error_of(error, host=self.ctx.host, folder=self.journal.folder, task=task)

    def close(self) -> None:
        """The site does not hear from us any more: a host that we gave up must not be told that we live."""
        self.guarding.silent()

    def _note_guard(self, host: str) -> None:
        self.journal.commit(GuardArmed(host), host=self.ctx.host)
