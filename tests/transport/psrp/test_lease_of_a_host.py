"""Leases: taken, renewed, lost, given back; over a stand-in for the file on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import ErrorRecord, LimitError, RemoteError, UnreachableError, UsageError
from sitekeeper.transport.lease import SECONDS, HostLease
from sitekeeper.transport.psrp.session import PsrpSession


class LeaseFile:
    """What is written down on the host, and the functions that read and write it."""

    def __init__(self) -> None:
        self.held: tuple[str, str, int] | None = None
        self.expired = False
        self.counter = 0
        self.at = 1000.0
        self.asked: list[str] = []
        self.failures: dict[str, list[Exception]] = {}
        self.fence: Callable[[], Any] | None = None
        self.renew: Callable[[], bool] | None = None

    def use_fence(self, fence: Callable[[], Any], renew: Callable[[], bool]) -> None:
        self.fence, self.renew = fence, renew

    def drop_fence(self) -> None:
        self.fence = self.renew = None

    def monotonic(self) -> float:
        return self.at

    def raw(self, command: str, /, **args: Any) -> list[Any]:
        self.asked.append(command)
        for failure in self.failures.get(command, [])[:1]:
            self.failures[command].pop(0)
            raise failure
        if command == "Get-WmiObject":
            return [{"SystemDrive": "C:"}]
        if command == "Read-SkLease":
            return [dict(zip(("Run", "Owner", "Generation"), self.held, strict=True))] if self.held else []
        if command == "Exit-SkLease":
            if self.held and self.held[:2] == (args["Run"], args["Owner"]):
                self.held = None
            return []
        if self.held and self.held[0] != args["Run"] and not self.expired:
            raise RemoteError("held", record=ErrorRecord("run other", "SkLeaseHeld,Enter-SkLease", 0))
        before = self.held[2] - 1 if self.held and self.held[0] == args["Run"] else self.counter
        self.counter = max(before + 1, args["AtLeast"])
        self.held, self.expired = (args["Run"], args["Owner"], self.counter), False
        return [{"Generation": self.counter}]

    def ask(self, command: str, /, **args: Any) -> list[Any]:
        return self.raw(command, **args)


def lease(file: LeaseFile, run: str = "run-a", owner: str = "us") -> HostLease:
    return HostLease(cast("PsrpSession", file), cast("Clock", file), run, owner)


def test_taken_once_and_renewed_when_half_of_it_is_over() -> None:
    file = LeaseFile()
    mine = lease(file)
    assert mine.generation == 0
    assert mine.take(at_least=5) == 5
    assert mine.take() == 5
    assert file.asked.count("Enter-SkLease") == 1
    file.at += SECONDS / 2
    assert mine.take() == 5
    assert file.asked.count("Enter-SkLease") == 2
    assert mine.take(at_least=9) == 9
    assert file.fence is not None
    assert file.fence().args["Generation"] == 9
    mine.give_back()
    after: Any = (file.held, mine.generation, file.fence)
    assert after == (None, 0, None)
    mine.give_back()
    assert file.asked.count("Exit-SkLease") == 1
    assert lease(file, "run-b").take() == 10


@pytest.mark.parametrize(
    ("word", "kind"), [("SkLeaseHeld", LimitError), ("SkFolderOpenToOthers", UsageError), ("Other", RemoteError)]
)
def test_refused(word: str, kind: type[Exception]) -> None:
    file = LeaseFile()
    file.failures["Enter-SkLease"] = [RemoteError("no", record=ErrorRecord("why", word, 0))]
    mine = lease(file)
    with pytest.raises(kind):
        mine.take()
    assert (mine.generation, file.fence) == (0, None)


def test_an_answer_that_was_lost_keeps_nobody_out() -> None:
    """The host gave it, we never heard: it is given back all the same."""
    file = LeaseFile()
    mine = lease(file)
    given = file.raw

    def lost(command: str, /, **args: Any) -> list[Any]:
        given(command, **args)
        if command == "Enter-SkLease":
            raise UnreachableError("lost")
        return given(command, **args)

    file.raw = lost  # type: ignore[method-assign]  # the connection is lost after the host acted
    with pytest.raises(UnreachableError):
        mine.take()
    file.raw = given  # type: ignore[method-assign]  # it is back
    assert file.held is not None
    mine.give_back()
    assert file.held is None


def test_given_back_over_a_lost_connection() -> None:
    file = LeaseFile()
    mine = lease(file)
    mine.take()
    file.failures["Exit-SkLease"] = [UnreachableError("lost")]
    mine.give_back()
    assert file.held is None


def test_only_run_out_by_the_hosts_clock_it_is_renewed() -> None:
    file = LeaseFile()
    mine = lease(file)
    mine.take()
    file.expired = True
    assert file.renew is not None
    assert file.renew() is True
    assert file.held == ("run-a", "us", 1)


@pytest.mark.parametrize("left", [None, ("run-b", "them", 2)])
def test_not_where_another_run_was_in_between(left: tuple[str, str, int] | None) -> None:
    file = LeaseFile()
    mine = lease(file)
    mine.take()
    renew = file.renew
    file.held, file.counter, file.expired = left, 2, True
    assert renew is not None
    assert renew() is False
    assert file.held == left
    assert mine.take() == 3  # what is to be taken back can be: under a generation that publishes nothing


def test_a_run_that_another_process_took_up_is_left_to_it() -> None:
    file = LeaseFile()
    mine = lease(file)
    mine.take()
    lease(file, owner="another process").take()
    assert file.held == ("run-a", "another process", 1)
    assert mine._renew() is False
    with pytest.raises(LimitError, match="another process has taken over run"):
        mine.take()
    assert file.held == ("run-a", "another process", 1)
    mine.give_back()
    assert file.held is not None
