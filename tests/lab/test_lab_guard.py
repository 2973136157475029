"""The guard on the lab's hosts: what its task does minute by minute, told from the lab's disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sitekeeper_lab.clock import LabClock
from sitekeeper_lab.engines.api import Command
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.services import ServiceControl
from sitekeeper_lab.windows.tasks import Tasks

EXECUTIVE, MANAGER = "SMS_EXECUTIVE", "SMS_SITE_COMPONENT_MANAGER"
SERVICES = [MANAGER, EXECUTIVE]
RUN = {"Drive": "C", "Run": "run-1"}
OURS = {**RUN, "Owner": "ci"}
Sessions = Callable[[str], Any]
Until = Callable[[Host, str, str], None]
ROOT = "C:\\sitekeeper"


@dataclass
class Site:
    """A host whose Task Scheduler runs, a session to it, and the clock."""

    session: Any
    clock: LabClock
    until: Until

    @property
    def host(self) -> Host:
        host: Host = self.session.host
        return host

    def minutes(self, number: int) -> None:
        self.clock.advance(60 * number)

    def arm(self, number: int = 1, minutes: int = 15, kind: str = "window", services: list[str] | None = None) -> Any:
        said = self.session(
            "Register-SkGuard", **RUN, Number=number, Minutes=minutes, Service=services or SERVICES, Kind=kind
        )
        assert not said.errors
        assert said.failed is None
        self.minutes(0)  # what was due at once has happened
        return said.output[0].extended

    def beat(self) -> Any:
        return self.session("Send-SkBeat", **OURS, Generation=1, Seconds=600, Number=0)

    def guard(self, number: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = self.session("Test-SkGuard", **RUN, Number=number).output[0].extended
        return found

    def stop(self, *names: str) -> None:
        control = ServiceControl(self.host)
        for name in names or SERVICES:
            service = control.find(name)
            assert service is not None
            assert control.stop(service) == 0
            self.clock.advance(1)

    def states(self) -> dict[str, str]:
        states: dict[str, str] = self.session.state.states(*SERVICES)
        return states

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.session.state.machine.tasks]

    @property
    def lease(self) -> list[str]:
        file = f"{ROOT}\\lease.txt"
        return self.host.read(file).decode().split("\r\n") if self.host.exists(file) else []

    def audit(self, event: str) -> list[dict[str, Any]]:
        assert self.host.audit.path is not None
        lines = [json.loads(line) for line in self.host.audit.path.read_text("utf-8").splitlines()]
        return [line for line in lines if line["event"] == event]

    def fired(self, why: str) -> int:
        return len([line for line in self.audit("task") if line["what"] == "starts" and line["why"] == why])


RUNNING = dict.fromkeys(SERVICES, "Running")
STOPPED = dict.fromkeys(SERVICES, "Stopped")


@pytest.fixture(params=["PR2", "PR1"])
def site(request: pytest.FixtureRequest, lab_session: Sessions, lab_clock: LabClock, until: Until) -> Iterator[Site]:
    """A host that our run holds the lease of: 2012 R2, and Server 2003."""
    session = lab_session(request.param)
    tasks = Tasks(session.host)
    tasks.start()
    assert not session("Enter-SkLease", **OURS, Seconds=14_400, AtLeast=0).errors
    yield Site(session, lab_clock, until)
    tasks.stop()


def test_armed_is_what_was_seen_to_have_run(site: Site) -> None:
    answer = site.arm()
    assert answer == {"Name": "sitekeeper-run-1-1", "ExitCode": 0, "BootExitCode": 0, "RunExitCode": 0}
    old = site.host.machine.os.level < (6, 0)
    assert site.tasks == ["sitekeeper-run-1-1", "sitekeeper-run-1-1-start"] if old else ["sitekeeper-run-1-1"]
    guard = site.guard()
    assert (guard["Registered"], guard["Seen"], guard["Count"], guard["Acting"]) == (True, True, 0, False)
    site.minutes(3)
    assert site.guard()["Count"] == 3
    assert (site.fired("run"), site.fired("minute")) == (1, 3)


def test_a_task_that_is_not_run_is_not_seen(site: Site) -> None:
    with site.host.faults.during("tasks_do_not_run"):
        site.arm()
        site.minutes(3)
        assert site.guard()["Seen"] is False
    site.minutes(1)
    assert site.guard()["Seen"] is True


def test_a_task_that_cannot_be_registered_is_told(site: Site) -> None:
    site.host.faults.add("task_refused")
    said = site.session("Register-SkGuard", **RUN, Number=1, Minutes=15, Service=SERVICES, Kind="window")
    assert said.ids == ["SkGuardNotCreated,Register-SkGuard"]


def test_beats_keep_it_quiet_for_hours(site: Site) -> None:
    site.arm()
    site.stop()
    for _ in range(20):
        site.minutes(14)
        assert not site.beat().errors
    assert site.states() == STOPPED
    assert site.guard()["Acting"] is False
    site.minutes(1)
    assert site.guard()["Count"] == 0  # the last beat was taken
    said = site.beat()
    assert said.output[0].extended["Waiting"] == []
    assert site.beat().output[0].extended["Waiting"] == [1]
    assert site.lease[0] == "run-1"


def test_without_a_beat_the_services_run_within_its_minutes_and_one(site: Site) -> None:
    site.arm()
    site.stop()
    site.minutes(14)
    assert site.states() == STOPPED
    site.minutes(2)
    site.until(site.host, EXECUTIVE, "Running")
    assert site.states() == RUNNING
    assert site.lease[:3] == ["guard", "guard 1 of run-1.", "2"]
    site.minutes(3)
    assert (site.tasks, site.lease) == ([], [])
    guard = site.guard()
    assert (guard["Registered"], guard["Acting"], guard["Done"]) == (False, True, True)
    assert guard["Written"].splitlines()[0] == "no beat for 15 minutes"
    assert f"start {MANAGER}, answered 0" in guard["Written"].splitlines()
    (event,) = [event for event in site.session.state.machine.events if event.source == "sitekeeper"]
    assert (event.log, event.code, event.kind) == ("Application", 1, 2)
    assert "run-1" in event.message
    fired = site.fired("minute")
    site.minutes(30)
    assert site.fired("minute") == fired


def test_it_fences_whoever_held_the_lease(site: Site, lab_command: Callable[..., Command]) -> None:
    site.arm()
    site.stop()
    site.minutes(15)
    fence = lab_command("Assert-SkLease", **OURS, Generation=1, ErrorAction="Stop")
    change = lab_command("Export-SkRegistry", **RUN, Name="SMS", View="native")
    said = site.session.run(fence, change, lab_command("Clear-SkFence"))
    assert said.failed is not None
    assert said.failed.error_id.startswith("SkLeaseLost")
    assert said.output == []
    assert not site.host.exists(f"{ROOT}\\run-1\\registry")
    assert site.beat().ids == ["SkLeaseLost,Send-SkBeat"]
    assert not site.host.exists(f"{ROOT}\\run-1\\guard\\1\\beat.txt")
    held = site.session("Enter-SkLease", Drive="C", Run="run-2", Owner="ci", Seconds=60, AtLeast=0)
    assert held.ids == ["SkLeaseHeld,Enter-SkLease"]
    site.minutes(3)
    taken = site.session("Enter-SkLease", Drive="C", Run="run-2", Owner="ci", Seconds=60, AtLeast=0)
    assert taken.output[0].extended["Generation"] == 3


def test_it_waits_while_a_change_holds_the_lock(site: Site, lab_command: Callable[..., Command]) -> None:
    site.arm()
    site.stop()
    other = type(site.session)(site.host)  # another session of ours, in the middle of a change
    assert not other.run(lab_command("Assert-SkLease", **OURS, Generation=1, ErrorAction="Stop")).errors
    site.minutes(20)
    assert site.states() == STOPPED
    assert site.guard()["Count"] == 20
    other.run(lab_command("Clear-SkFence"))
    site.minutes(1)
    site.until(site.host, EXECUTIVE, "Running")


def test_a_beat_during_a_long_change_counts_and_a_session_that_dies_frees_the_lock(
    site: Site, lab_command: Callable[..., Command]
) -> None:
    site.arm()
    site.stop()
    other = type(site.session)(site.host)
    other.run(lab_command("Assert-SkLease", **OURS, Generation=1, ErrorAction="Stop"))
    site.minutes(20)
    said = _while_time_passes(site, site.beat)
    assert said.output[0].extended["Renewed"] is False
    other.runspace.close()
    site.minutes(1)
    assert site.states() == STOPPED
    assert site.guard()["Count"] == 0
    assert site.beat().output[0].extended["Renewed"] is True


def _while_time_passes(site: Site, act: Callable[[], Any]) -> Any:
    """Something that waits for ten seconds of the lab."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(act()))
    thread.start()
    while thread.is_alive():
        site.clock.advance(2)
        thread.join(0.01)
    return answers[0]


def test_nobody_waits_for_the_lock_for_ever(site: Site, lab_command: Callable[..., Command]) -> None:
    other = type(site.session)(site.host)
    other.run(lab_command("Assert-SkLease", **OURS, Generation=1, ErrorAction="Stop"))
    said = _while_time_passes(site, lambda: site.session("Assert-SkLease", **OURS, Generation=1))
    assert said.ids == ["SkLeaseBusy,Assert-SkLease"]


def test_a_stop_that_takes_longer_than_its_minutes_is_waited_out(site: Site) -> None:
    site.arm()
    site.stop(MANAGER)
    site.host.faults.add("slow_stop", service=EXECUTIVE, seconds=1500)
    site.stop(EXECUTIVE)
    site.minutes(20)
    assert site.states()[EXECUTIVE] == "Stop Pending"
    assert site.guard()["Acting"] is True
    site.minutes(6)
    site.until(site.host, EXECUTIVE, "Running")
    site.minutes(2)
    assert site.tasks == []
    stops = [line for line in site.audit("change") if line.get("kind") == "service" and line["to"] == "Stop Pending"]
    assert len(stops) == 2  # ours; the guard stops nothing


def test_a_start_that_hangs_and_is_started_again_elsewhere(site: Site) -> None:
    site.arm()
    site.stop()
    site.host.faults.add("start_hangs", service=EXECUTIVE)
    site.minutes(30)
    assert site.states() == {MANAGER: "Running", EXECUTIVE: "Start Pending"}
    assert site.tasks
    control = ServiceControl(site.host)
    control.put_down(EXECUTIVE)  # somebody ends the hanging process
    site.minutes(1)
    site.until(site.host, EXECUTIVE, "Running")
    site.minutes(2)
    assert site.tasks == []
    assert site.lease == []


def test_a_service_that_dies_after_its_start_is_started_again(site: Site) -> None:
    site.arm()
    site.stop()
    site.host.faults.add("start_and_die", service=MANAGER, times=3)
    site.minutes(25)
    assert site.states() == RUNNING
    assert site.tasks == []
    assert site.guard()["Written"].count(f"start {MANAGER}, answered 0") == 4


def test_a_reboot_in_between(site: Site) -> None:
    site.host.machine.services[MANAGER].start_mode = "Manual"
    site.host.machine.services[EXECUTIVE].start_mode = "Manual"
    site.arm()
    site.stop()
    site.minutes(10)
    ServiceControl(site.host).reboot()
    site.minutes(0)
    assert site.fired("boot") == 1
    assert site.guard()["Count"] == 11
    site.minutes(4)
    site.until(site.host, EXECUTIVE, "Running")
    ServiceControl(site.host).reboot()  # in the middle of its work: it goes on after the start
    site.minutes(4)
    assert site.fired("boot") == 2
    assert site.states() == RUNNING
    assert site.tasks == []


def test_it_starts_only_what_its_file_names(site: Site) -> None:
    site.arm(services=[EXECUTIVE])
    site.stop(MANAGER, EXECUTIVE, "Spooler")
    site.minutes(20)
    assert site.states() == {MANAGER: "Stopped", EXECUTIVE: "Running"}
    assert site.session.state.service("Spooler").state == "Stopped"
    started = {line["arguments"][1] for line in site.audit("native") if line["arguments"][:1] == ["start"]}
    assert started == {EXECUTIVE}


def test_an_exit_code_is_not_taken_for_a_state(site: Site) -> None:
    site.arm()
    site.stop()
    site.host.machine.services[MANAGER].exit_code = 4  # 4 is also the number of Running
    site.minutes(18)
    assert site.states() == RUNNING
    assert site.tasks == []


def test_a_service_that_is_gone_keeps_the_lease_with_the_guard(site: Site) -> None:
    site.arm(services=[EXECUTIVE, "removed"])
    site.stop()
    site.minutes(40)
    assert site.states()[EXECUTIVE] == "Running"
    assert site.lease[0] == "guard"
    assert site.guard()["Written"].count("start removed, answered 1060") > 20


def test_what_is_disarmed_does_nothing(site: Site) -> None:
    site.arm()
    site.stop()
    assert not site.session("Unregister-SkGuard", **RUN, Number=1).errors
    assert (site.tasks, site.host.exists(f"{ROOT}\\run-1\\guard")) == ([], False)
    assert not site.session("Unregister-SkGuard", **RUN, Number=1).errors
    site.minutes(60)
    assert site.states() == STOPPED


def test_a_guard_at_work_is_not_taken_away(site: Site) -> None:
    site.arm()
    site.stop()
    site.minutes(15)
    assert site.session("Unregister-SkGuard", **RUN, Number=1).ids == ["SkGuardActing,Unregister-SkGuard"]
    site.minutes(3)
    assert (site.tasks, site.lease) == ([], [])
    assert not site.session("Unregister-SkGuard", **RUN, Number=1).errors
    assert not site.host.exists(f"{ROOT}\\run-1\\guard")


def test_a_full_disk_does_not_stop_it(site: Site) -> None:
    site.arm()
    site.stop()
    with site.host.faults.during("disk_full", volume="C:"):
        site.minutes(15)
        site.until(site.host, EXECUTIVE, "Running")
        assert site.lease == []  # no room to write its own: nobody holds it
        site.minutes(5)
        assert site.tasks  # it cannot note that it is done, and looks again
    site.minutes(3)
    assert site.tasks == []
    assert site.session("Enter-SkLease", Drive="C", Run="r2", Owner="x", Seconds=9, AtLeast=0).output


def test_two_guards_of_one_run_do_not_give_up_each_others_lease(site: Site) -> None:
    site.arm(1)
    site.arm(2, minutes=16, services=["nobody"])  # which never runs
    site.stop()
    site.minutes(20)
    assert site.states() == RUNNING
    assert {name.removesuffix("-start") for name in site.tasks} == {"sitekeeper-run-1-2"}
    assert site.lease[1] == "guard 2 of run-1."


def test_the_leak_guard_drops_only_ours(site: Site) -> None:
    host = site.host
    volume = {v.name: v.id for v in host.machine.volumes}["D:\\"]
    if host.machine.os.level < (6, 0):
        how: dict[str, Any] = {"Volume": volume, "Service": []}
        name = "New-SkShadowCopy"
    else:
        how = {"Volume": [volume], "Service": [], "Exclude": ["03ba67dd-dc6d-4729-a038-251f7018463b"]}
        name = "New-SkShadowSet"
    assert not site.session(name, Drive="D", Run="other", **how).errors
    (others,) = [copy.id for copy in host.machine.shadows]
    assert not site.session(name, Drive="D", Run="run-1", **how).errors
    assert not site.session("Export-SkRegistry", Drive="D", Run="run-1", Name="SMS", View="native").errors
    assert len(host.machine.shadows) == 2
    site.arm(1, minutes=360, kind="leak")
    site.stop()
    site.minutes(200)
    site.beat()
    site.minutes(359)
    assert len(host.machine.shadows) == 2
    site.minutes(3)
    assert [copy.id for copy in host.machine.shadows] == [others]
    assert not host.exists("D:\\sitekeeper\\run-1\\shadow")
    assert not host.exists("D:\\sitekeeper\\run-1\\registry")
    assert host.exists("D:\\sitekeeper\\other\\shadow\\mark.txt")
    assert site.states() == STOPPED
    assert (site.tasks, site.lease) == ([], [])
    assert "dropped D:\\sitekeeper\\run-1\\shadow" in site.guard()["Written"]


def test_the_leak_guard_leaves_another_runs_lease_alone(site: Site) -> None:
    site.arm(1, minutes=30, kind="leak")
    site.session("Exit-SkLease", **OURS)
    site.session("Enter-SkLease", Drive="C", Run="run-2", Owner="ci", Seconds=7200, AtLeast=0)
    site.minutes(32)
    assert site.tasks == []
    assert site.lease[0] == "run-2"


@pytest.mark.parametrize("site", ["PR1"], indirect=True)
def test_on_server_2003_copies_of_vshadow_are_dropped_by_it(site: Site) -> None:
    host = site.host
    host.make_folder("D:\\sitekeeper")
    host.set_acl("D:\\sitekeeper", host.acl(ROOT))
    host.write("D:\\sitekeeper\\vshadow.exe", b"MZ")
    volumes = [v.id for v in host.machine.volumes if v.name in {"C:\\", "D:\\"}]
    made = site.session("New-SkVshadow", Drive="D", Run="run-1", Volume=volumes, Service=[], SqlWriter=False)
    assert not made.errors
    host.delete_file("D:\\sitekeeper\\run-1\\shadow\\mark.txt")  # cut off before it was written
    site.arm(1, minutes=30, kind="leak")
    site.minutes(32)
    assert host.machine.shadows == []
    assert not host.exists("D:\\sitekeeper\\run-1\\shadow")
    assert site.tasks == []
