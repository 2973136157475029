"""A host with a small engine on loopback, and a session of ours to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.winrm_targets import MODERN, OLD, target_of

from sitekeeper.engine.clock import SystemClock
from sitekeeper.transport.psrp.session import PsrpSession
from sitekeeper_lab.engines.api import Command, ErrorRecord, Pipeline, Sink
from sitekeeper_lab.wsman import Account, Faults, WsmanServer

Cmdlet = Callable[[dict[str, Any], Sink], None]


@dataclass
class Engine:
    """Runs the cmdlets that a test registers; the texts of our functions are only counted."""

    versions: dict[str, str]
    cmdlets: dict[str, Cmdlet] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    loaded: int = 0
    opened: int = 0

    def open(self, user: str, configuration: str) -> Engine:
        self.opened += 1
        return self

    def run(self, pipeline: Pipeline, sink: Sink) -> None:
        for (command,) in pipeline.statements:
            if command.is_script:
                self.loaded += 1
                continue
            if command.text == "Write-Output":
                sink.output(dict(command.parameters)["InputObject"])
                continue
            if command.text == "Clear-SkFence":
                continue  # the end of the fence, behind every change
            self.ran.append(command.text)
            named = {str(name): value for name, value in command.parameters}
            try:
                self.cmdlets[command.text](named, sink)
            except ErrorRecord as record:
                if record.terminates_pipeline:
                    raise
                self._tell(command, record, sink)
                if named.get("ErrorAction") == "Stop":
                    raise

    @staticmethod
    def _tell(command: Command, record: ErrorRecord, sink: Sink) -> None:
        if command.merge_errors and record.activity != "stray":
            sink.output(record)
        elif dict(command.parameters).get("ErrorAction") != "Stop":
            sink.error(record)

    def close(self) -> None:
        pass


@dataclass
class Host:
    """A server, what makes it fail, and a session to it."""

    engine: Engine
    faults: Faults
    server: WsmanServer
    session: PsrpSession

    def on(self, name: str, *values: Any) -> None:
        """Let a cmdlet write values; an ErrorRecord is raised."""

        def run(_: dict[str, Any], sink: Sink) -> None:
            for value in values:
                if isinstance(value, ErrorRecord):
                    raise value
                sink.output(value)

        self.engine.cmdlets[name] = run


@pytest.fixture(params=["modern", "old"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    engine = Engine(MODERN if request.param == "modern" else OLD)
    faults = Faults()
    server = WsmanServer(engine, faults=faults, http_port=0, accounts=[Account("LAB", "keeper", "Pa55")])
    before = set(threading.enumerate())
    server.start()
    target = target_of(server, operation_timeout=2, read_timeout=10)
    session = PsrpSession(target, SystemClock())
    yield Host(engine, faults, server, session)
    session.close()
    server.stop()
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="session")
def error() -> Callable[..., ErrorRecord]:
    def make(error_id: str, *, stray: bool = False, ends: bool = False) -> ErrorRecord:
        return ErrorRecord(
            f"said by {error_id}", error_id, category=13, activity="stray" if stray else "", terminates_pipeline=ends
        )

    return make
