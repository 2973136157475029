"""Hosts of a small hierarchy on disk, and a session on their Python PowerShell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sitekeeper_lab.audit import Audit
from sitekeeper_lab.build import build_host
from sitekeeper_lab.clock import LabClock, Scheduler
from sitekeeper_lab.engines.api import Command, ErrorRecord, Pipeline
from sitekeeper_lab.engines.python import PythonEngine, PythonRunspace
from sitekeeper_lab.hierarchy import Hierarchy, Ports, load_hierarchy
from sitekeeper_lab.host import Host
from sitekeeper_lab.state import HostState, read_state

ROOT = Path(__file__).parents[2]


@dataclass
class Said:
    """What a pipeline wrote."""

    output: list[Any] = field(default_factory=list)
    errors: list[ErrorRecord] = field(default_factory=list)
    failed: ErrorRecord | None = None

    @property
    def ids(self) -> list[str]:
        return [error.error_id for error in self.errors]


class Sink:
    def __init__(self, said: Said) -> None:
        self.said = said
        self.stopped = threading.Event()

    def output(self, value: Any) -> None:
        self.said.output.append(value)

    def error(self, record: ErrorRecord) -> None:
        self.said.errors.append(record)

    def warning(self, message: str) -> None:
        raise AssertionError(message)


class LabSession:
    """A session on a host; calls are (name, parameters) or whole statements."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.runspace: PythonRunspace = PythonEngine(host).open("LAB\\backup")
        scripts = (ROOT / "modules" / "sitekeeper" / "powershell").glob("*.ps1")
        assert not self.run(*[Command(path.read_text("utf-8"), is_script=True) for path in scripts]).errors

    def run(self, *commands: Command | tuple[Command, ...]) -> Said:
        said = Said()
        statements = tuple(command if isinstance(command, tuple) else (command,) for command in commands)
        try:
            self.runspace.run(Pipeline(statements), Sink(said))
        except ErrorRecord as record:
            said.failed = record
        return said

    def __call__(self, name: str, **parameters: Any) -> Said:
        return self.run(command(name, **parameters))

    @property
    def state(self) -> HostState:
        return read_state(self.host.folder)


def command(name: str, **parameters: Any) -> Command:
    return Command(name, parameters=tuple(parameters.items()))


@pytest.fixture
def lab_command() -> Callable[..., Command]:
    return command


@pytest.fixture
def lab_hierarchy() -> Hierarchy:
    """The default hierarchy, small, on free ports."""
    hierarchy = load_hierarchy(ROOT / "inventory" / "lab" / "hierarchy.yml")
    hosts = {
        name: host.model_copy(update={"site": host.site.model_copy(update={"size": 0.1})}) if host.site else host
        for name, host in hierarchy.hosts.items()
    }
    return hierarchy.with_(hosts=hosts, ports=Ports(http=0, https=0, sql=0))


@pytest.fixture
def lab_clock() -> LabClock:
    return LabClock()


@pytest.fixture
def lab_host(tmp_path: Path, lab_hierarchy: Hierarchy, lab_clock: LabClock) -> Iterator[Callable[[str], Host]]:
    """Makes a host by its name; services change state on a scheduler's thread, as in the whole lab."""
    scheduler = Scheduler(lab_clock)
    scheduler.start()
    audit = Audit(tmp_path / "audit.jsonl", lab_clock)
    yield lambda name: build_host(tmp_path, name, lab_hierarchy, clock=lab_clock, audit=audit, timers=scheduler)
    scheduler.stop()
    audit.close()


@pytest.fixture
def lab_session(lab_host: Callable[[str], Host]) -> Callable[[str], LabSession]:
    return lambda name: LabSession(lab_host(name))


@pytest.fixture
def until() -> Callable[[Host, str, str], None]:
    """Waits for a service's state."""

    def wait(host: Host, service: str, state: str) -> None:
        reached = threading.Event()

        def look(name: str, now: str) -> None:
            if (name, now) == (service, state):
                reached.set()

        host.on_service.append(look)
        if host.machine.services[service].state == state or reached.wait(20):
            host.on_service.remove(look)
            return
        raise AssertionError(f"{service} is {host.machine.services[service].state}, not {state}")

    return wait
