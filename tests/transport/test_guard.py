"""A guard from the client's side, over the wire to a living lab; what became of the host is read from its disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import LimitError, RemoteError, SitekeeperError, UnreachableError
from sitekeeper.engine.secrets import inline
from sitekeeper.transport import guard as guards
from sitekeeper.transport.guard import HostGuard, send_beat
from sitekeeper.transport.lease import HostLease
from sitekeeper.transport.psrp.connection import PsrpTarget
from sitekeeper.transport.psrp.session import PsrpSession
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.state import HostState, read_state
from sitekeeper_lab.windows.services import ServiceControl

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
QUARTER = timedelta(minutes=15)


class Stage:
    """One host of the lab, our lease on it, and a guard."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        (self.name,) = lab.machines
        self.clock = SystemClock()
        self.sessions: list[PsrpSession] = []
        self.session = self.connect()
        self.lease = HostLease(self.session, self.clock, "run-1", "ci")
        self.guard = HostGuard(self.session, self.lease, self.clock, "run-1")

    def connect(self) -> PsrpSession:
        machine, account = self.lab.machines[self.name], self.lab.hierarchy.accounts[0]
        target = PsrpTarget(
            self.name,
            machine.wsman.address,
            machine.wsman.http_port or 0,
            False,
            "negotiate",
            f"{account.domain}\\{account.user}",
            inline(account.password, "test"),
        )
        self.sessions.append(PsrpSession(target, self.clock))
        return self.sessions[-1]

    @property
    def state(self) -> HostState:
        return read_state(self.lab.folder / self.name)

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.state.machine.tasks if not task.name.endswith("-start")]

    def stop_services(self) -> None:
        control = ServiceControl(self.lab.host(self.name))
        for name in SERVICES:
            service = control.find(name)
            assert service is not None
            control.stop(service)
            self.lab.advance(2)


@pytest.fixture(params=["PR2", "PR1"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    data = hosts_of_the_lab(request.param, size=0.1)
    with Lab(Hierarchy.model_validate(data), tmp_path / "lab") as lab:
        made = Stage(lab)
        yield made
        for session in made.sessions:
            session.close()


def test_armed_again_and_disarmed(stage: Stage) -> None:
    with pytest.raises(SitekeeperError, match="needs a lease of"):
        stage.guard.arm(SERVICES, QUARTER, leak=False)
    stage.lease.take()
    stage.guard.arm(SERVICES, QUARTER, leak=False)
    assert stage.tasks == ["sitekeeper-run-1-1"]
    leak = HostGuard(stage.session, stage.lease, stage.clock, "run-1")
    leak.arm((), timedelta(hours=6), leak=True)
    assert stage.tasks == ["sitekeeper-run-1-1", "sitekeeper-run-1-2"]
    stage.guard.arm((*SERVICES, "SMS_SITE_VSS_WRITER"), QUARTER, leak=False)
    assert stage.tasks == ["sitekeeper-run-1-2", "sitekeeper-run-1-3"]
    assert stage.guard.number == 3
    state = stage.guard.state()
    assert (state.registered, state.seen, state.count, state.acting, state.done) == (True, True, 0, False, False)
    assert stage.guard.beat().guards == (2, 3)
    stage.guard.disarm()
    stage.guard.disarm()
    leak.disarm()
    assert stage.tasks == []
    stage.lease.give_back()
    left = [entry.name for entry in stage.state.path("C:\\sitekeeper").iterdir()]
    assert sorted(left) == ["generation.txt", "lease.lock"]


def test_beats_from_a_session_of_their_own(stage: Stage) -> None:
    stage.lease.take()
    stage.guard.arm(SERVICES, QUARTER, leak=False)
    stage.stop_services()
    other = stage.connect()
    for _ in range(3):
        stage.lab.advance(14 * 60)
        assert send_beat(other, stage.lease, "run-1").renewed
    assert stage.state.states(*SERVICES) == dict.fromkeys(SERVICES, "Stopped")


def test_a_beat_while_a_change_is_under_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.lease.take()
    stage.guard.arm(SERVICES, QUARTER, leak=False)
    host = stage.lab.host(stage.name)
    assert host.lock_file("C:\\sitekeeper\\lease.lock")  # what a change does from its first statement to its last
    # Ten seconds of the lab go by at once, as the waiting looks at the clock.
    monkeypatch.setattr(host.clock, "monotonic", _hurrying(host.clock.monotonic))
    assert send_beat(stage.session, stage.lease, "run-1").renewed is False
    host.unlock_file("C:\\sitekeeper\\lease.lock")
    assert send_beat(stage.session, stage.lease, "run-1").renewed is True


def _hurrying(clock: Callable[[], float]) -> Callable[[], float]:
    asked = 0

    def now() -> float:
        nonlocal asked
        asked += 1
        return clock() + asked

    return now


def test_who_was_silent_too_long_is_fenced_and_the_services_run(stage: Stage) -> None:
    stage.lease.take()
    stage.guard.arm(SERVICES, QUARTER, leak=False)
    stage.stop_services()
    stage.lab.advance(16 * 60)
    with pytest.raises(LimitError, match=r"lease of PR. was lost"):
        stage.session.change("Export-SkRegistry", Drive="D", Run="run-1", Name="SMS", View="native")
    assert not stage.state.path("D:\\sitekeeper\\run-1\\registry").exists()
    with pytest.raises(LimitError, match=r"lease of PR. was lost"):
        stage.guard.beat()
    stage.lab.advance(3 * 60)
    assert stage.state.states(*SERVICES) == dict.fromkeys(SERVICES, "Running")
    assert stage.tasks == []
    assert stage.guard.state().done
    assert "no beat for 15 minutes" in stage.guard.state().written


def test_a_guard_that_is_not_seen_to_run_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "SEEN_SECONDS", 0.0)
    stage.lease.take()
    with (
        stage.lab.host(stage.name).faults.during("tasks_do_not_run"),
        pytest.raises(RemoteError, match="did not run within") as told,
    ):
        stage.guard.arm(SERVICES, QUARTER, leak=False)
    assert told.value.hint is not None
    assert "guard: none" in told.value.hint
    assert stage.tasks == []
    assert stage.guard.number == 0


def test_a_guard_that_cannot_be_registered_leaves_the_earlier_one(stage: Stage) -> None:
    stage.lease.take()
    stage.guard.arm(SERVICES, QUARTER, leak=False)
    stage.lab.fault(stage.name, "task_refused")
    with pytest.raises(RemoteError, match="SkGuardNotCreated"):
        stage.guard.arm(SERVICES, QUARTER, leak=False)
    assert stage.tasks == ["sitekeeper-run-1-1"]
    assert stage.guard.number == 1


def test_a_process_that_goes_on_finds_the_guards_of_the_one_that_died(stage: Stage) -> None:
    stage.lease.take()
    stage.guard.arm(SERVICES, QUARTER, leak=False)
    again = HostGuard(stage.session, stage.lease, stage.clock, "run-1")
    again.arm(SERVICES, QUARTER, leak=False)
    assert again.number == 2
    again.disarm_all()
    assert stage.tasks == []


def test_a_change_gives_up_the_lock_however_it_ends(stage: Stage) -> None:
    stage.lease.take()
    host = stage.lab.host(stage.name)
    stage.session.change("Export-SkRegistry", Drive="D", Run="run-1", Name="SMS", View="wow")
    with pytest.raises(RemoteError, match="SkInvalidName"):
        stage.session.change("Export-SkRegistry", Drive="D", Run="run-1", Name="nothing", View="wow")
    with pytest.raises(RemoteError, match="SkInvalidName"):
        stage.session.change(
            "Export-SkRegistry", Drive="D", Run="run-1", Name="nothing", View="wow", ErrorAction="Stop"
        )
    assert host.lock_file("C:\\sitekeeper\\lease.lock")


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_change_whose_connection_is_lost_leaves_no_lock(stage: Stage, when: str) -> None:
    stage.lease.take()
    stage.lab.fault(stage.name, "drop_connection", operation="Receive", when=when)
    with contextlib.suppress(UnreachableError):
        stage.session.change("Export-SkRegistry", Drive="D", Run="run-1", Name="SMS", View="wow")
    stage.lab.clear_faults()
    for session in stage.sessions:
        session.close()
    assert stage.lab.host(stage.name).lock_file("C:\\sitekeeper\\lease.lock")


def test_a_host_that_restarts_in_the_middle_of_a_change_has_no_lock(stage: Stage) -> None:
    stage.lease.take()
    stage.session.raw("Open-SkLock", Drive="C")
    assert not stage.lab.host(stage.name).lock_file("C:\\sitekeeper\\lease.lock")
    stage.lab.fault(stage.name, "reboot")
    assert stage.lab.host(stage.name).lock_file("C:\\sitekeeper\\lease.lock")
