"""Sessions: who said what in a batch, changes behind their fence and never twice, on a modern and an old host."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from sitekeeper.engine.errors import LimitError, RemoteError, RemoteTimeoutError, SitekeeperError, UnreachableError
from sitekeeper.engine.module import Needs
from sitekeeper.engine.session import Call
from sitekeeper.transport.psrp import functions

from .conftest import Host

MakeError = Callable[..., Any]
FENCE = Call("Test-Fence", {"ErrorAction": "Stop"})


def test_a_call_and_its_error(host: Host, error: MakeError) -> None:
    host.on("Get-It", "ä", {"A": [1, None]})
    host.on("Get-No", 1, error("ItemNotFound,Get-No"))
    assert host.session.call("Get-It") == ["ä", {"A": [1, None]}]
    with pytest.raises(RemoteError, match="said by ItemNotFound") as told:
        host.session.call("Get-No")
    assert told.value.record is not None
    assert (told.value.record.short_id, told.value.record.category) == ("ItemNotFound", 13)


def test_a_batch_tells_whose_output_is_whose(host: Host, error: MakeError) -> None:
    host.on("A", 1, 2)
    host.on("B")
    host.on("C", error("Bad,C"))
    host.on("D", "sk:looks like a marker:0")
    answers = host.session.read([Call("A"), Call("B"), Call("C"), Call("A"), Call("D")])
    assert [one.output for one in answers] == [(1, 2), (), (), (1, 2), ("sk:looks like a marker:0",)]
    assert [[record.short_id for record in one.errors] for one in answers] == [[], [], ["Bad"], [], []]


def test_a_batch_that_ends_in_the_middle(host: Host, error: MakeError) -> None:
    host.on("A", 1)
    host.on("Empty")
    host.on("End", error("Ended", ends=True))
    answers = host.session.read([Call("A"), Call("Empty"), Call("End"), Call("A"), Call("Empty")])
    assert answers[0].output == (1,)
    assert answers[1] == type(answers[1])((), ())  # it had answered before, and nothing is an answer
    for late in answers[2:]:
        assert [record.short_id for record in late.errors] == ["Ended"]


def test_an_error_that_cannot_be_attributed_leaves_no_empty_answer(host: Host, error: MakeError) -> None:
    host.on("A", 1)
    host.on("Empty")
    host.on("Stray", error("Unbound", stray=True))
    one = host.session.read([Call("A"), Call("Stray"), Call("A")])
    assert [len(answer.errors) for answer in one] == [0, 1, 0]
    two = host.session.read([Call("Empty"), Call("Stray"), Call("A")])
    assert [len(answer.errors) for answer in two] == [1, 1, 0]
    host.on("Both", 1, error("Unbound", stray=True))
    with pytest.raises(RemoteError, match="Unbound"):
        host.session.read([Call("Both"), Call("A")])


def test_a_change_needs_a_fence(host: Host) -> None:
    host.on("Set-It")
    with pytest.raises(SitekeeperError, match="needs a lease of"):
        host.session.change("Set-It")
    assert host.engine.ran == []


def test_nothing_runs_behind_a_fence_that_says_no(host: Host, error: MakeError) -> None:
    host.on("Test-Fence", error("SkLeaseLost,Assert-SkLease"))
    host.on("Set-It", 1)
    host.session.use_fence(lambda: FENCE)
    with pytest.raises(LimitError, match=r"lease of PR. was lost"):
        host.session.change("Set-It")
    assert host.engine.ran == ["Test-Fence"]


@pytest.mark.parametrize("again", [True, False])
def test_a_lease_that_only_ran_out_is_renewed_once(host: Host, error: MakeError, again: bool) -> None:
    host.on("Set-It", 1)
    host.on("Test-Fence", error("SkLeaseLost,Assert-SkLease"))
    host.session.use_fence(lambda: FENCE)

    def renew() -> bool:
        if again:
            host.on("Test-Fence")
        return True

    host.session.use_fence(lambda: FENCE, renew)
    if again:
        assert host.session.change("Set-It") == [1]
    else:
        with pytest.raises(LimitError):
            host.session.change("Set-It")
    assert host.engine.ran.count("Test-Fence") == 2
    assert host.engine.ran.count("Set-It") == again


def test_what_is_not_declared_is_not_sent(host: Host) -> None:
    host.on("Get-It", 1)
    host.session.limit_to(Needs(cmdlets={"Get-It": {"Name": ("a", "b"), "Filter": r"\w+"}}))
    assert host.session.call("Get-It") == [1]
    assert host.session.call("Get-It", Name=["A", "b"], Filter="word") == [1]
    host.session.use_fence(lambda: FENCE)
    for send in (
        lambda: host.session.call("Get-It", Name=["a", "c"]),
        lambda: host.session.call("Get-It", Filter="two words"),
        lambda: host.session.call("Get-It", Other="a"),
        lambda: host.session.call("Get-Other"),
        lambda: host.session.read([Call("Get-It"), Call("Get-Other")]),
        lambda: host.session.change("Get-Other"),
        lambda: list(host.session.stream("Get-Other")),
    ):
        with pytest.raises(SitekeeperError, match="needs do not declare"):
            send()
    assert host.engine.ran == ["Get-It", "Get-It"]


def test_our_functions_are_loaded_once_and_again_in_a_new_shell(host: Any) -> None:
    host.on("Get-SkState", 1)
    host.session.call("Get-SkState")
    host.session.call("Get-SkState")
    assert host.engine.loaded == len(functions.sources())
    host.session._shell.abandon()
    assert host.session.call("Get-SkState") == [1]
    assert host.engine.loaded == 2 * len(functions.sources())


def test_a_shell_that_the_host_deleted_meanwhile_is_opened_anew(host: Any) -> None:
    """Before anything was sent: neither a read nor a change had begun."""
    host.on("Get-It", 1)
    host.on("Test-Fence")
    host.on("Set-It", 2)
    host.session.use_fence(lambda: FENCE)
    assert host.session.change("Set-It") == [2]
    host.session._shell.abandon()
    assert host.session.call("Get-It") == [1]
    host.session._shell.abandon()
    assert host.session.change("Set-It") == [2]
    host.session._shell.abandon()
    assert host.session.raw("Get-It") == [1]
    assert host.engine.ran.count("Set-It") == 2


@pytest.mark.parametrize("when", ["before", "after", "during"])
@pytest.mark.parametrize("operation", ["Command", "Receive", "Signal"])
def test_a_change_over_a_lost_connection_runs_once_at_most(host: Host, when: Any, operation: str) -> None:
    host.on("Get-It", 1)
    host.on("Test-Fence")
    host.on("Set-It", 2)
    host.session.use_fence(lambda: FENCE)
    host.session.change("Set-It")  # our functions are loaded: what is lost now is of the change itself
    host.engine.ran.clear()
    host.faults.drop(operation=operation, when=when)
    old = host.engine.versions["WSManStackVersion"] == "2.0"
    try:
        done = host.session.change("Set-It")
    except UnreachableError:
        done = None
    # A modern host can be asked, and a Receive may be repeated; of an old one nothing is known, so nothing is sent again.
    assert done == (None if old and operation == "Command" else [2])
    assert host.engine.ran.count("Set-It") <= 1
    assert host.session.call("Get-It") == [1]


@pytest.mark.parametrize("when", ["before", "after", "during"])
@pytest.mark.parametrize("operation", ["Create", "Command", "Receive"])
def test_a_read_over_a_lost_connection_is_read(host: Host, when: Any, operation: str) -> None:
    host.on("Get-It", 1)
    host.faults.drop(operation=operation, when=when)
    assert host.session.call("Get-It") == [1]


@pytest.mark.parametrize("when", ["before", "after", "during"])
def test_a_stream_goes_on_over_a_lost_receive(host: Host, when: Any) -> None:
    host.on("Get-Many", *[f"{number}:{'x' * 5000}" for number in range(60)])
    host.on("Get-It", 1)
    host.session.call("Get-It")
    found: list[str] = []
    for value in host.session.stream("Get-Many"):
        if len(found) in {0, 20, 40}:
            host.faults.drop(operation="Receive", when=when)
        found.append(value.partition(":")[0])
    assert found == [str(number) for number in range(60)]


def test_a_stream_ends_with_its_error(host: Host, error: MakeError) -> None:
    host.on("Get-Many", 1, error("Broken,Get-Many"))
    stream = host.session.stream("Get-Many")
    assert next(stream) == 1
    with pytest.raises(RemoteError, match="Broken"):
        next(stream)


def blocking(host: Any) -> tuple[threading.Event, threading.Event]:
    began, stopped = threading.Event(), threading.Event()

    def wait(_: dict[str, Any], sink: Any) -> None:
        began.set()
        assert sink.stopped.wait(30)
        stopped.set()

    host.engine.cmdlets["Wait-It"] = wait
    return began, stopped


def test_a_deadline_stops_what_runs(host: Host) -> None:
    _, stopped = blocking(host)
    host.on("Test-Fence")
    host.session.use_fence(lambda: FENCE)
    with pytest.raises(RemoteTimeoutError, match="Wait-It did not finish within 1 s"):
        host.session.change("Wait-It", deadline=1.0)
    assert stopped.wait(30)


def test_another_thread_cancels(host: Any) -> None:
    began, stopped = blocking(host)
    helper = threading.Thread(target=lambda: began.wait(30) and host.session.cancel())
    helper.start()
    with pytest.raises((RemoteError, UnreachableError)):
        host.session.call("Wait-It")
    helper.join()
    assert stopped.wait(30)
    host.on("Get-It", 1)
    assert host.session.call("Get-It") == [1]


def test_a_cancel_that_comes_before_the_start_is_confirmed(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began, stopped = blocking(host)
    host.on("Get-It", 1)
    host.session.call("Get-It")
    start = host.session._shell.start

    def late(statements: Any) -> Any:
        pipeline = start(statements)
        assert began.wait(30)
        host.session.cancel()
        return pipeline

    monkeypatch.setattr(host.session._shell, "start", late)
    with pytest.raises(RemoteError, match="Wait-It"):
        host.session.call("Wait-It")
    assert stopped.wait(30)
    monkeypatch.undo()
    assert host.session.call("Get-It") == [1]


def test_a_host_that_is_gone(host: Any) -> None:
    host.on("Get-It", 1)
    host.session.call("Get-It")
    host.faults.drop(at=1, when="before", times=10_000)
    host.session._clock = _Hurried()
    host.session._shell._clock = host.session._clock
    with pytest.raises(UnreachableError):
        host.session.call("Get-It")
    host.faults.clear()


class _Hurried:
    """A clock on which every wait is over at once."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: Any = None) -> None:
        self.at += max(seconds, 1.0)
