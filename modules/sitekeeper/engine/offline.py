"""The offline window of a host's play: from the first service that was stopped until all run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class OfflineWindow:
    """Kept in the host's context and written down with each undo, so that a later process goes on with it."""

    began: str
    """When the first service was about to be stopped: UTC, ISO 8601."""
    clock: float
    """The same by the monotonic clock, in seconds."""
    up: tuple[str, float] | None = None
    """When all services of the task that is put back were running; they have yet to settle."""
    until: str | None = None
    """When the services ran again; None: the window is open."""
    seconds: float | None = None
    """How long it was."""

    @property
    def is_open(self) -> bool:
        """Whether services are down now."""
        return self.until is None

    def close(self, at: str, clock: float) -> float:
        """End the window at the moment when the services came up, or else now; returns its seconds."""
        at, clock = self.up or (at, clock)
        self.up = None
        seconds = clock - self.clock
        if seconds < 0:  # the control host was restarted in between
            seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(self.began)).total_seconds()
        self.until, self.seconds = at, round(seconds, 3)
        return seconds

    def as_notes(self) -> dict[str, Any]:
        """As the journal keeps it."""
        notes: dict[str, Any] = {"from": self.began, "clock": self.clock}
        if self.up is not None:
            notes["up"] = {"at": self.up[0], "clock": self.up[1]}
        if self.until is not None:
            notes |= {"until": self.until, "seconds": self.seconds}
        return notes

    @classmethod
    def of_notes(cls, notes: dict[str, Any]) -> OfflineWindow:
        """From what ``as_notes`` returned.

        Raises:
            KeyError, TypeError, ValueError: it is not such notes.

        """
        up = notes.get("up")
        return cls(
            began=str(notes["from"]),
            clock=float(notes["clock"]),
            up=None if up is None else (str(up["at"]), float(up["clock"])),
            until=notes.get("until"),
            seconds=notes.get("seconds"),
        )
