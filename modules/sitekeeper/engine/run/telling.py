"""Tells the run's listeners what becomes of one host's tasks."""

from __future__ import annotations

from sitekeeper.engine import events
from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.language.plays import Block, Task
from sitekeeper.engine.plan import Check
from sitekeeper.engine.run.undo import OpenChange


class Telling:
    """Of one host. A moment ``begun`` is one of the clock's monotonic seconds; without it nothing took any time."""

    def __init__(self, host: str, bus: events.Bus, clock: Clock) -> None:
        self._host = host
        self._bus = bus
        self._clock = clock

    def started(self, task: Task) -> float:
        """A task begins; answers when."""
        self._bus.emit(
            events.TaskStarted(at=self._clock.now(), host=self._host, task=task.name, module=task.module.name())
        )
        return self._clock.monotonic()

    def ended(
        self,
        item: Task | Block,
        status: events.TaskStatus,
        begun: float | None = None,
        *,
        msg: str = "",
        changes: tuple[str, ...] = (),
        error: str = "",
        checks: tuple[Check, ...] = (),
    ) -> None:
        """A task or block is over."""
        seconds = 0.0 if begun is None else self._clock.monotonic() - begun
        module = item.module.name() if isinstance(item, Task) else ""
        self._bus.emit(
            events.TaskEnded(
                at=self._clock.now(),
                host=self._host,
                task=item.name,
                module=module,
                status=status,
                seconds=seconds,
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
        begun: float | None = None,
        *,
        status: events.TaskStatus = "failed",
    ) -> None:
        """A task or block failed; from now on the error names them."""
        error.at(host=self._host, task=item.name, origin=item.origin)
        self.ended(item, status, begun, msg=error.message, error=error.render(), checks=error.checks)

    def undone(self, change: OpenChange, msg: str, *, ok: bool) -> None:
        """A change was taken back, or could not be."""
        self._bus.emit(
            events.Undone(
                at=self._clock.now(), host=self._host, task=change.name, module=change.module.name(), ok=ok, msg=msg
            )
        )
