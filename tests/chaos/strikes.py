"""When a fault strikes: at the moment at which a run says that a step begins or is over. And whose time it is."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from sitekeeper.engine.clock import SystemClock
from sitekeeper_lab.server import Lab

LEARN = "Learn the site"
REFUSE = "Check whether a good backup is possible now"
OPEN = "Open a set"
QUIET = "Start maintenance mode"
STOP = "Stop site services"
EXPORT = "Export registry keys"
COUNT = "Count rows of site tables"
COPY = "Take one shadow copy set of all volumes"
START = "Start the services again"
PULL = "Copy files from the shadow copies"
PUBLISH = "Publish the set"
CLEAN = "Take the shadow copies away"
STEPS = (LEARN, REFUSE, OPEN, QUIET, STOP, EXPORT, COUNT, COPY, START, PULL, PUBLISH, CLEAN)
"""The tasks of the playbook, and the two takings back, which begin when the task before them is over."""
STOPPING, COPYING, PULLING = (
    "While a service is being stopped",
    "While the shadow copies are made",
    "While files are read",
)
INSIDE = (STOPPING, COPYING, PULLING)
"""Moments inside a step: the host has begun to carry out what it was asked for."""
_BEGINS_AFTER = {START: COPY, CLEAN: PUBLISH}
_CALLS = {
    STOPPING: ("Invoke-WmiMethod",),
    COPYING: ("New-SkShadowSet", "New-SkShadowCopy"),
    PULLING: ("Read-SkFile",),
}
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens at a step."""

    step: str
    action: Callable[[], None]

    @property
    def inside(self) -> tuple[str, ...]:
        """The commands of the host during which it strikes, if it does not strike between two."""
        return _CALLS.get(self.step, ())

    def due(self, event: dict[str, Any]) -> bool:
        """Whether this is the moment; the run waits until the action is done, for events come from its own thread."""
        after = _BEGINS_AFTER.get(self.step)
        wanted = ("TaskStarted", self.step) if after is None else ("TaskEnded", after)
        return (event["event"], event.get("task")) == wanted


class Told(io.StringIO):
    """Standard output of a run with ``--json``: keeps its events, and lets faults strike."""

    def __init__(self, strike: Strike | None) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.struck = False
        self.wrong: BaseException | None = None
        """Why a fault could not be made: a run goes on when a listener fails, a test must not."""
        self._strike = strike

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.startswith("{"):
                self._event(json.loads(line))
        return len(text)

    def _event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if self._strike is not None and "event" in event and self._strike.due(event):
            self._struck()

    def heard(self, event: str, host: str, facts: dict[str, Any]) -> None:
        """Something was written into the lab's audit log."""
        if self._strike is not None and event == "call" and facts["command"] in self._strike.inside:
            self._struck()

    def _struck(self) -> None:
        if self._strike is None or self.struck:
            return
        self.struck = True
        try:
            self._strike.action()
        except BaseException as error:  # noqa: BLE001 - raised by whoever started the run
            self.wrong = error


@contextmanager
def lab_time(lab: Lab) -> Iterator[None]:
    """Let the run live in the lab's time, so that hours can be let go by for both."""

    def sleep(_: SystemClock, seconds: float, wake: threading.Event | None = None) -> None:
        until = lab.clock.monotonic() + seconds
        while (left := until - lab.clock.monotonic()) > 0 and not (wake is not None and wake.is_set()):
            time.sleep(min(left, _POLL))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SystemClock, "monotonic", lambda _: lab.clock.monotonic())
        patch.setattr(SystemClock, "now", lambda _: _now(lab))
        patch.setattr(SystemClock, "sleep", sleep)
        yield


def _now(lab: Lab) -> datetime:
    return lab.clock.now()


class Listening:
    """Hears what the lab writes into its audit log, as it comes."""

    def __init__(self, lab: Lab, heard: Callable[[str, str, dict[str, Any]], None]) -> None:
        self._audit, self._write, self._heard = lab.audit, lab.audit.write, heard

    def __enter__(self) -> None:
        self._audit.write = self._listen  # type: ignore[method-assign]  # as it says

    def __exit__(self, *_: object) -> None:
        self._audit.write = self._write  # type: ignore[method-assign]  # as before

    def _listen(self, event: str, host: str, **facts: Any) -> int:
        number = self._write(event, host, **facts)
        self._heard(event, host, facts)
        return number


class Hours(threading.Thread):
    """Lets lab time fly while a run waits; never a minute before the site has heard from the run, as long as it speaks."""

    STEP = 21.0
    """A little more than a run takes between two signs of life."""
    PATIENCE = 1.0
    """Seconds (real ones) to wait for a sign of life before time goes on all the same."""
    TRIES = 10
    """How often in a row, before none is expected any more."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(name="hours", daemon=True)
        self._lab = lab
        self._over = threading.Event()
        self._heard = threading.Event()

    def run(self) -> None:
        silent = 0
        while not self._over.is_set():
            time.sleep(2 * _POLL)  # until whoever spoke waits again
            self._heard.clear()
            self._lab.advance(self.STEP)
            silent = 0 if self._heard.wait(self.PATIENCE if silent < self.TRIES else _POLL) else silent + 1

    def heard(self, event: str, _: str, facts: dict[str, Any]) -> None:
        if event == "call" and facts["command"] == "Send-SkBeat":
            self._heard.set()

    def stop(self) -> None:
        self._over.set()
        self.join()
