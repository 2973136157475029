"""How a run ended, and on each host: what the exit code, the summary and later plays go by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sitekeeper.engine.errors import PartialFailure, RunInterruptedError, SitekeeperError, UndoError, exit_code_of
from sitekeeper.engine.events import HostStatus


@dataclass(slots=True)
class HostOutcome:
    """How a host's play ended."""

    host: str
    errors: list[SitekeeperError] = field(default_factory=list)
    partial: PartialFailure | None = None
    """Why the result is worth less than was asked for, if so."""
    summary: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False
    """It was not started, and takes part in no later play."""
    tasks: int = 0
    """How many tasks were run, now or before the run was resumed."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing was done, and nothing went wrong."""
        return not self.tasks and not self.errors

    @property
    def status(self) -> HostStatus:
        """The word for it."""
        if self.errors:
            return "unreachable" if self.errors[0].word == "unreachable" else "failed"
        if self.is_idle:
            return "skipped"
        return "partial" if self.partial else "ok"

    @property
    def words(self) -> set[str]:
        """Classes of its failures; what is worth less than was asked for counts where nothing else failed."""
        return {error.word for error in self.errors} or ({self.partial.word} if self.partial else set())


@dataclass(slots=True)
class RunOutcome:
    """How a run ended."""

    run_id: str
    hosts: dict[str, HostOutcome] = field(default_factory=dict)
    interrupted: bool = False
    errors: list[SitekeeperError] = field(default_factory=list)
    """Failures that are no host's: a report that could not be written."""

    @property
    def exit_code(self) -> int:
        """0, or the code of the failures' class, or PartialFailure's."""
        words = {word for outcome in self.hosts.values() for word in outcome.words}
        words |= {error.word for error in self.errors}
        if self.interrupted and UndoError.word not in words:
            return RunInterruptedError.exit_code
        return exit_code_of(words | ({RunInterruptedError.word} if self.interrupted else set()))

    @property
    def is_idle(self) -> bool:
        """Whether nothing was done on any host, and nothing went wrong: no success of anything."""
        return bool(self.hosts) and not self.errors and all(one.is_idle for one in self.hosts.values())

    def out(self, host: str) -> bool:
        """Whether a host takes part in no later play."""
        ended = self.hosts.get(host)
        return ended is not None and (bool(ended.errors) or ended.skipped)

    def merge(self, ended: HostOutcome) -> None:
        """Add how one play ended on a host."""
        before = self.hosts.setdefault(ended.host, HostOutcome(ended.host))
        before.errors += ended.errors
        before.partial = before.partial or ended.partial
        before.summary.update(ended.summary)
        before.skipped = before.skipped or ended.skipped
        before.tasks += ended.tasks
