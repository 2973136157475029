"""A stand-in for a host with services, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest

from sitekeeper.engine.errors import LimitError, SitekeeperError
from sitekeeper.engine.offline import OfflineWindow


class FakeClock:
    def __init__(self) -> None:
        self.at = 5000.0
        self.on_tick: list[Callable[[float], None]] = []

    def monotonic(self) -> float:
        return self.at

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 24, tzinfo=dt.UTC) + dt.timedelta(seconds=self.at)

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        self.at += max(seconds, 0.01)
        for tick in self.on_tick:
            tick(self.at)


@dataclass
class Unit:
    """A service: what it does when it is asked to."""

    state: str = "Running"
    pid: int = 10
    stop_takes: float = 0.5
    start_takes: float = 0.5
    stop_code: int = 0
    start_code: int = 0
    dies: int = 0
    """How often it is Stopped again after a start."""
    due: float | None = None


@dataclass
class ServiceHost:
    """Answers WMI's services and ``Measure-SkInbox``."""

    clock: FakeClock
    units: dict[str, Unit]
    log: int = 100
    log_grows: bool = True
    inboxes: dict[str, list[int]] = field(default_factory=dict)
    """Counts at each look, the last one for good."""
    controls: list[tuple[str, str]] = field(default_factory=list)
    failures: dict[str, list[SitekeeperError]] = field(default_factory=dict)
    """Errors of the next controls, by method."""
    measure_fails: SitekeeperError | None = None
    _pids: int = 100

    def _settled(self) -> None:
        for unit in self.units.values():
            if unit.due is None or self.clock.at < unit.due:
                continue
            unit.due = None
            if unit.state == "Stop Pending":
                unit.state, unit.pid = "Stopped", 0
            elif unit.dies:
                unit.dies -= 1
                unit.state, unit.pid = "Stopped", 0
            else:
                self._pids += 1
                unit.state, unit.pid = "Running", self._pids

    def call(self, command: str, /, **args: Any) -> list[Any]:
        self._settled()
        if command == "Measure-SkInbox":
            if self.measure_fails is not None:
                raise self.measure_fails
            self.log += 5 if self.log_grows and self.units["SMS_EXECUTIVE"].state == "Running" else 0
            counts = {name: seen.pop(0) if len(seen) > 1 else seen[0] for name, seen in self.inboxes.items()}
            return [{"Log": self.log, "Inboxes": "\n".join(f"{name}\t{count}" for name, count in counts.items())}]
        assert command == "Get-WmiObject"
        return [
            {"Name": name, "State": unit.state, "StartMode": "Auto", "ProcessId": unit.pid}
            for name, unit in self.units.items()
            if f"Name='{name}'".lower() in str(args["Query"]).lower()
        ]

    def change(self, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        assert command == "Invoke-WmiMethod"
        self._settled()
        name, method = args["Path"].split("'")[1], args["Name"]
        for error in self.failures.get(method, [])[:1]:
            self.failures[method].pop(0)
            raise error
        self.controls.append((name, method))
        unit = self.units[name]
        if method == "StopService":
            if unit.stop_code == 0:
                unit.state, unit.due = "Stop Pending", self.clock.at + unit.stop_takes
            return [{"ReturnValue": unit.stop_code}]
        if unit.start_code == 0:
            unit.state, unit.due = "Start Pending", self.clock.at + unit.start_takes
        return [{"ReturnValue": unit.start_code}]


class FakeLease:
    def __init__(self) -> None:
        self.taken = 0
        self.generation = 1

    def take(self, at_least: int = 0) -> int:
        self.taken += 1
        return self.generation


class FakeContext:
    """What a module gets."""

    def __init__(self, ps: Any, clock: FakeClock) -> None:
        self.ps = ps
        self.clock = clock
        self.host = "PR1"
        self.run_id = "20261124-1"
        self.check = False
        self.stop = Event()
        self.offline: OfflineWindow | None = None
        self.vars: dict[str, Any] = {}
        self.lease = FakeLease()
        self.others: dict[str, FakeContext] = {}

    def of(self, host: str) -> FakeContext:
        return self if host == self.host else self.others[host]

    def progress(self, done: int, total: int | None, unit: str, text: str = "") -> None:
        pass


CM, EXEC = "SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE"


@dataclass
class Stand:
    """A host and its context."""

    host: ServiceHost
    ctx: FakeContext

    @property
    def states(self) -> dict[str, str]:
        return {name: unit.state for name, unit in self.host.units.items()}


@pytest.fixture
def stand() -> Stand:
    clock = FakeClock()
    host = ServiceHost(clock, {CM: Unit(), EXEC: Unit(pid=20)})
    return Stand(host, FakeContext(host, clock))


@pytest.fixture(scope="session")
def make_context() -> Callable[[Any], FakeContext]:
    return lambda ps: FakeContext(ps, FakeClock())


@pytest.fixture(scope="session")
def lease_lost() -> Callable[[], LimitError]:
    return lambda: LimitError("the lease of this host was lost")
