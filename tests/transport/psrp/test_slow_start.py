"""A host on which PowerShell takes longer to start than a Receive waits."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from tests.winrm_targets import MODERN, target_of

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import RemoteTimeoutError
from sitekeeper.transport.psrp import shell
from sitekeeper.transport.psrp.connection import PsrpTarget
from sitekeeper.transport.psrp.shell import Shell
from sitekeeper_lab.engines.api import Pipeline
from sitekeeper_lab.wsman import records
from sitekeeper_lab.wsman.accounts import Account
from sitekeeper_lab.wsman.messages import Head, MessageType, fragment
from sitekeeper_lab.wsman.server import WsmanServer


class SlowProcess:
    """Opens its pool when it is let go, or never."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended = threading.Event()
        self._pool = uuid.uuid4()

    def listen(self, heard: Callable[[uuid.UUID | None, bytes], None]) -> None:
        if self._ended.wait(self._seconds):
            return
        head = Head(self._pool)
        said = [
            head.message(MessageType.SESSION_CAPABILITY, records.session_capability("2.3")),
            head.message(MessageType.APPLICATION_PRIVATE_DATA, records.application_private_data(MODERN)),
            head.message(MessageType.RUNSPACEPOOL_STATE, records.runspacepool_state(2)),
        ]
        for number, message in enumerate(said, 1):
            heard(None, fragment(number, 0, message, last=True))
        self._ended.wait()

    def send(self, pipeline: uuid.UUID | None, fragments: bytes) -> None:
        pass

    def begin(self, pipeline: uuid.UUID) -> None:
        pass

    def stop(self, pipeline: uuid.UUID) -> None:
        pass

    def end(self, pipeline: uuid.UUID) -> None:
        pass

    def note(self, pipeline: Pipeline) -> None:
        pass

    def close(self) -> None:
        self._ended.set()


class SlowEngine:
    versions = MODERN

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def open(self, user: str, configuration: str) -> SlowProcess:
        return SlowProcess(self.seconds)


@pytest.fixture(name="target")
def slow_host(request: pytest.FixtureRequest) -> Iterator[PsrpTarget]:
    accounts = [Account("LAB", "keeper", "Pa55")]
    with WsmanServer(SlowEngine(request.param), accounts=accounts, http_port=0) as server:
        yield target_of(server, operation_timeout=1, read_timeout=10)


@pytest.mark.parametrize("target", [2.5], indirect=True)
def test_it_is_waited_for(target: PsrpTarget) -> None:
    opened = Shell(target, SystemClock())
    assert opened.powershell == MODERN["PSCompatibleVersions"].split(", ")[-1]
    opened.close()


@pytest.mark.parametrize("target", [3600.0], indirect=True)
def test_but_not_for_ever(target: PsrpTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "OPEN_SECONDS", 2.0)
    with pytest.raises(RemoteTimeoutError, match="did not start within 2 s"):
        Shell(target, SystemClock())


@pytest.mark.parametrize("target", [0.0], indirect=True)
def test_a_host_that_answers_is_not_late_because_we_slept(target: PsrpTarget) -> None:
    class Asleep(SystemClock):
        """A control host that is suspended for an hour whenever somebody looks at the time."""

        slept = 0.0

        def monotonic(self) -> float:
            self.slept += 3600
            return super().monotonic() + self.slept

    Shell(target, Asleep()).close()
