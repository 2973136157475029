"""Tells the run's listeners what happens on one host."""

from __future__ import annotations

from sitekeeper.engine import events
from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.language.plays import Block, Task
from sitekeeper.engine.plan import Check
from sitekeeper.engine.run.outcome import HostOutcome
from sitekeeper.engine.run.run_context import RunLog
from sitekeeper.engine.run.undo import OpenChange


class Telling:
    """Of one host's play. ``began`` is a moment of the clock's monotonic seconds; without it nothing took any time."""

    def __init__(self, host: str, play: str, log: RunLog) -> None:
        self._host = host
        self._play = play
        self._bus = log.bus
        self._clock = log.clock
        self.item_name = ""
        """The task or block that the host is at: progress is told of it."""

    def host_started(self) -> float:
        """The host begins its play; returns when."""
        self._bus.emit(events.HostStarted(at=self._clock.now(), host=self._host, play=self._play))
        return self._clock.monotonic()

    def host_ended(self, ended: HostOutcome, status: events.HostStatus, began: float | None = None) -> None:
        """The host's play is over; with the text of everything that failed, or that is worth less."""
        errors = ended.errors or ([ended.partial] if ended.partial else [])
        self._bus.emit(
            events.HostEnded(
                at=self._clock.now(),
                host=self._host,
                play=self._play,
                status=status,
                seconds=self._seconds_since(began),
                word=errors[0].word if errors else "",
                error="\n".join(error.render() for error in errors),
                summary=ended.summary,
            )
        )

    def host_not_started(self, why: str) -> None:
        """The host does not begin its play at all."""
        self._bus.emit(
            events.HostEnded(
                at=self._clock.now(), host=self._host, play=self._play, status="skipped", seconds=0, error=why
            )
        )

    def progress(self, done: int, total: int | None, unit: str, text: str = "") -> None:
        """How far the present task is."""
        self._bus.emit(
            events.Progressed(
                at=self._clock.now(),
                host=self._host,
                task=self.item_name,
                done=done,
                total=total,
                unit=unit,
                text=text,
            )
        )

    def started(self, task: Task) -> float:
        """A task begins; returns when."""
        self._bus.emit(
            events.TaskStarted(at=self._clock.now(), host=self._host, task=task.name, module=task.module.name())
        )
        return self._clock.monotonic()

    def ended(
        self,
        item: Task | Block,
        status: events.TaskStatus,
        began: float | None = None,
        *,
        msg: str = "",
        changes: tuple[str, ...] = (),
        error: str = "",
        checks: tuple[Check, ...] = (),
    ) -> None:
        """A task or block is over."""
        self._bus.emit(
            events.TaskEnded(
                at=self._clock.now(),
                host=self._host,
                task=item.name,
                module=item.module.name() if isinstance(item, Task) else "",
                status=status,
                seconds=self._seconds_since(began),
                msg=msg,
                changes=changes,
                error=error,
                checks=tuple(checks),
            )
        )

    def failed(
        self,
        item: Task | Block,
        error: SitekeeperError,
        began: float | None = None,
        *,
        status: events.TaskStatus = "failed",
    ) -> None:
        """A task or block failed; from now on the error names them."""
        error.at(host=self._host, task=item.name, origin=item.origin)
        self.ended(item, status, began, msg=error.message, error=error.render(), checks=error.checks)

    def undone(self, change: OpenChange, msg: str, *, ok: bool) -> None:
        """A change was undone, or could not be."""
        self._bus.emit(
            events.Undone(
                at=self._clock.now(), host=self._host, task=change.name, module=change.module.name(), ok=ok, msg=msg
            )
        )

    def _seconds_since(self, began: float | None) -> float:
        return 0.0 if began is None else self._clock.monotonic() - began
