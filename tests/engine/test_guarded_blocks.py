"""The guard of a block: it is there before the first change, and goes when everything runs that the block stopped."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest

from sitekeeper.engine import events
from sitekeeper.engine.errors import RemoteError, SitekeeperError
from sitekeeper.engine.holding import guarding
from sitekeeper.engine.plan import Covers

from . import conftest as stand
from .conftest import Stage


class Switch:
    """Says what was asked of it; refuses as often as it was told to."""

    def __init__(self, log: list[str], refusals: list[int]) -> None:
        self.log, self.refusals = log, refusals

    def arm(self, services: tuple[str, ...], silence: Any, *, leak: bool) -> None:
        if self.refusals and not leak:
            self.refusals.pop()
            self.log.append("refused")
            raise RemoteError("it was not seen to run")
        self.log.append("leak" if leak else f"armed {' '.join(services)}")

    def disarm(self) -> None:
        self.log.append("disarmed")

    def disarm_all(self) -> None:
        self.log.append("all disarmed")


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[int]]:
    """What the switches were asked, and how often they shall refuse."""
    log: list[str] = []
    refusals: list[int] = []
    monkeypatch.setattr(stand.Stand, "switch", lambda _: Switch(log, refusals), raising=False)
    monkeypatch.setattr(stand.Stand, "beats", lambda _: [lambda: ""], raising=False)
    monkeypatch.setattr(stand.ChangeModule, "covers", lambda _self, _intent: Covers(services=("EXECUTIVE",)))
    return log, refusals


AGAIN = {
    "retry": """\
        - guard: 15m
          block:
            - test.change: {name: stop}
              undo: block
              retries: 1
              delay: 0s
        """,
    "rescue": """\
        - guard: 15m
          block:
            - block:
                - test.change: {name: first}
                  undo: block
              rescue:
                - test.change: {name: stop}
                  undo: play
        """,
}


@pytest.mark.parametrize("how", AGAIN)
def test_what_could_not_be_guarded_is_armed_before_it_is_tried_again(
    stage: Stage, guards: tuple[list[str], list[int]], how: str
) -> None:
    log, refusals = guards
    refusals.append(1)
    stage.tasks(AGAIN[how])
    assert "made stop" in stage.did()
    assert log.index("refused") < log.index("armed EXECUTIVE")


def test_a_change_that_leaves_services_down_is_undone_with_its_block(
    stage: Stage, guards: tuple[list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand.ChangeModule, "leaves_down", lambda _self, _params: True)
    book = "- guard: 15m\n  block:\n    - test.change: {{name: stop}}\n      undo: {0}\n"
    for undo in ("failure", "play", "never"):
        with pytest.raises(SitekeeperError, match=r"the guard of the block around it goes with the block's end"):
            stage.tasks(book.format(undo))
    assert stage.tasks(book.format("block")).exit_code == 0
    assert stage.did() == ["made stop", "undone stop"]


@pytest.mark.parametrize(("fails", "last"), [("no", "all disarmed"), ("undo", "armed EXECUTIVE")])
def test_the_guard_stays_where_something_could_not_be_undone(
    stage: Stage, guards: tuple[list[str], list[int]], fails: str, last: str
) -> None:
    log, _ = guards
    outcome = stage.tasks(
        f"- guard: 15m\n  block:\n    - test.change: {{name: stop, fails: {fails}}}\n      undo: block\n"
    )
    assert outcome.exit_code == (0 if fails == "no" else 13)
    assert log[-1] == last


def test_a_journal_that_fails_at_the_end_leaves_nothing_open(stage: Any, guards: Any) -> None:
    run = stage.prepare(
        """\
        - hosts: PR1
          tasks:
            - guard: 15m
              block:
                - test.change: {name: x}
                  undo: play
            - name: last
              test.read: {value: 1}
        """
    )

    def full(event: Any) -> None:
        if isinstance(event, events.TaskStarted) and event.task == "last":
            run._journal._failed = sqlite3.OperationalError("database or disk is full")

    run._listeners = (full,)
    with pytest.raises(SitekeeperError, match="could not be written"):
        run.run()
    assert stage.did() == ["made x", "read 1", "undone x"]
    assert [one.name for one in threading.enumerate() if one.name == "keeper"] == []


def test_a_host_that_was_given_up_hears_no_more_from_us(
    stage: Stage, guards: tuple[list[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding.Guarding, "end", lambda *_, **__: 1 / 0)
    outcome = stage.tasks("- guard: 15m\n  block:\n    - test.change: {name: x}\n      undo: block\n")
    assert outcome.exit_code == 70
    assert [one.name for one in threading.enumerate() if one.name == "keeper"] == []
