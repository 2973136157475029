"""Changes are taken back: when, in which order, and what happens when that fails."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sitekeeper.engine.errors import BusyError, LimitError, RemoteTimeoutError, RunInterruptedError, UnreachableError
from sitekeeper.engine.holding.deadlines import Deadlines
from sitekeeper.engine.holding.leases import Leases
from sitekeeper.engine.journal.journal import Journal

from . import conftest
from .conftest import Stage


def test_a_failure_takes_back_newest_first(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.change: {name: a}", "- test.change: {name: b}\n  undo: play", "- test.change: {name: c, fails: before}"
    )
    assert stage.did() == ["made a", "made b", "refused c", "undone c", "undone b", "undone a"]
    assert outcome.exit_code == 7
    assert stage.left_open() == []


def test_what_went_well_stays_unless_it_is_only_for_the_play(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.change: {name: stays}",
        "- test.change: {name: goes}\n  undo: play",
        "- test.change: {name: never}\n  undo: never",
    )
    assert stage.did() == ["made stays", "made goes", "made never", "undone goes"]
    assert outcome.exit_code == 0
    assert stage.left_open() == []
    assert [row.change for row in stage.rows("kept")] == [1, 3]


def test_never_means_never(stage: Stage) -> None:
    stage.tasks("- test.change: {name: a, fails: half}\n  undo: never\n  retries: 1\n  delay: 1s")
    assert stage.did() == ["made a", "made a"]


def test_block_changes_first_then_rescue_then_always(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - test.change: {name: stop}
              undo: block
            - test.change: {name: export}
            - test.change: {name: shadow}
              undo: block
            - test.change: {name: bad, fails: half}
          rescue:
            - test.read: {value: rescue}
          always:
            - test.read: {value: always}
        - test.read: {value: after}
        """
    )
    assert stage.did() == [
        "made stop",
        "made export",
        "made shadow",
        "made bad",
        "undone bad",
        "undone shadow",
        "undone stop",
        "read rescue",
        "read always",
        "read after",
    ]
    assert outcome.exit_code == 0  # rescued: `export` (undo: failure) stays
    assert stage.left_open() == []


def test_block_changes_are_taken_back_when_all_went_well(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - block:
                - test.change: {name: inner}
                  undo: block
            - test.change: {name: outer}
              undo: block
        - test.read: {value: after}
        """
    )
    assert stage.did() == ["made inner", "undone inner", "made outer", "undone outer", "read after"]
    assert outcome.exit_code == 0


def test_an_include_belongs_to_the_block_around(stage: Stage) -> None:
    stage.file("window.yml", "- test.change: {name: stop}\n  undo: block\n")
    stage.tasks("- block:\n    - core.include_tasks: window.yml\n    - test.read: {value: inside}\n")
    assert stage.did() == ["made stop", "read inside", "undone stop"]


def test_a_failing_undo_stops_no_older_one_and_fails_the_host(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.change: {name: a}",
        "- test.change: {name: b, fails: undo}",
        "- test.change: {name: c, fails: undo-bug}",
        "- test.change: {name: d}",
        "- core.fail:",
    )
    assert stage.did() == ["made a", "made b", "made c", "made d", "undone d", "undone a"]
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["failed", "undo", "undo"]
    assert outcome.exit_code == 20
    assert stage.left_open() == ["b", "c"]
    assert stage.given_back == []  # the lease stays with what is left


def test_a_failing_undo_cannot_be_rescued_nor_ignored(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - block:
                - test.change: {name: a, fails: undo}
                  undo: block
              rescue:
                - test.read: {value: inner rescue}
              always:
                - test.read: {value: always}
          rescue:
            - test.read: {value: outer rescue}
        - test.read: {value: after}
        """
    )
    assert stage.did() == ["made a", "read always"]
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["undo"]
    assert outcome.exit_code == 13


def test_the_first_failure_is_not_lost_behind_a_failing_undo(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - test.change: {name: a, fails: undo}
              undo: block
            - test.change: {name: b, fails: plan}
          rescue:
            - test.read: {value: rescue}
        """
    )
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["remote", "undo"]
    assert outcome.exit_code == 20


def test_a_failed_attempt_is_taken_back_before_its_retry(stage: Stage) -> None:
    outcome = stage.tasks("- test.change: {name: a, fails: half, tries: 2}\n  retries: 3\n  delay: 7s")
    assert stage.did() == ["made a", "undone a", "made a", "undone a", "made a"]
    assert stage.clock.slept == [7.0, 7.0]
    assert outcome.exit_code == 0


def test_a_failed_attempt_is_taken_back_even_where_the_failure_is_ignored(stage: Stage) -> None:
    outcome = stage.tasks("- test.change: {name: a, fails: half}\n  ignore_errors: true", "- test.read: {value: after}")
    assert stage.did() == ["made a", "undone a", "read after"]
    assert outcome.exit_code == 0
    assert stage.told() == [("test.change", "ignored"), ("test.read", "ok")]


def test_a_failed_attempt_that_cannot_be_taken_back_is_not_tried_again(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - test.change: {name: a, fails: undo}
              failed_when: true
              retries: 3
              ignore_errors: true
          rescue:
            - test.read: {value: rescue}
        """
    )
    assert stage.did() == ["made a"]
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["failed", "undo"]


LEFT_BEHIND = """\
    - block:
        - test.change: {name: a, fails: undo}
          failed_when: true
          retries: 3
          IGNORED
        - test.read: {value: inside}
      rescue:
        - test.read: {value: rescue}
    - test.read: {value: after}
    """


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest.ChangeModule, "stands_alone", True)


@pytest.mark.usefixtures("alone")
def test_what_stands_alone_may_be_left_behind_until_the_plays_end(stage: Stage) -> None:
    outcome = stage.tasks(LEFT_BEHIND.replace("IGNORED", "ignore_errors: true"))
    assert stage.did() == ["made a", "read inside", "read after"]
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["undo"]
    assert outcome.exit_code == 13
    assert stage.left_open() == ["a"]
    assert stage.given_back == []


@pytest.mark.usefixtures("alone")
def test_it_is_tried_again_there_before_older_changes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    undo, stuck = conftest.ChangeModule.undo, [True]

    def held(self: Any, ctx: Any, intent: Any, outcome: Any) -> str:
        if intent.name == "a" and stuck:
            stuck.clear()
            raise LimitError("it is held")
        return undo(self, ctx, intent, outcome)

    monkeypatch.setattr(conftest.ChangeModule, "undo", held)
    outcome = stage.tasks(
        "- test.change: {name: first}\n  undo: play",
        "- test.change: {name: a, fails: half}\n  ignore_errors: true",
        "- test.change: {name: last}\n  undo: play",
    )
    assert stage.did() == ["made first", "made a", "made last", "undone last", "undone a", "undone first"]
    assert outcome.exit_code == 0
    assert stage.left_open() == []
    assert stage.given_back == ["PR1"]


@pytest.mark.usefixtures("alone")
def test_without_ignore_errors_nothing_goes_on_from_there_either(stage: Stage) -> None:
    outcome = stage.tasks(LEFT_BEHIND.replace("IGNORED", "delay: 1s"))
    assert stage.did() == ["made a"]
    assert outcome.exit_code == 20


def test_each_item_of_a_loop_is_its_own_change(stage: Stage) -> None:
    stage.tasks(
        "- test.change: {name: '{{ item }}', fails: \"{{ 'half' if item == 'c' else 'no' }}\"}\n  loop: [a, b, c, d]"
    )
    assert stage.did() == ["made a", "made b", "made c", "undone c", "undone b", "undone a"]


@pytest.mark.parametrize("fails", ["bug", "exit"])
def test_a_bug_in_a_module_leaves_nothing_open_and_other_hosts_alone(stage: Stage, fails: str) -> None:
    outcome = stage.run(
        f"""\
        - hosts: PR1:PR2
          tasks:
            - test.change: {{name: first}}
            - block:
                - test.change: {{name: window}}
                  undo: block
                - test.change: {{name: bad, fails: {fails}, on: PR1}}
              rescue:
                - test.read: {{value: rescue}}
              always:
                - test.read: {{value: always}}
        """
    )
    assert stage.did("PR1") == [
        "made first",
        "made window",
        "made bad",
        "undone bad",
        "undone window",
        "read always",
        "undone first",
    ]
    assert stage.did("PR2") == ["made first", "made window", "made bad", "undone window", "read always"]
    (error,) = outcome.hosts["PR1"].errors
    assert "a bug in sitekeeper" in error.message
    assert outcome.hosts["PR2"].errors == []
    assert outcome.exit_code == 70
    assert stage.left_open() == []


def test_an_unreachable_host_is_neither_rescued_nor_ignored(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - test.change: {name: a, fails: unreachable}
              ignore_errors: true
          rescue:
            - test.read: {value: rescue}
        """
    )
    assert stage.did() == ["made a", "undone a"]
    assert outcome.exit_code == 5


def test_a_lease_that_is_refused_stops_before_the_change(stage: Stage) -> None:
    calls = iter([None, LimitError("another run holds it"), None, None, None])
    stage.lease_fails = lambda _host: next(calls)
    outcome = stage.tasks("- test.change: {name: a}", "- test.change: {name: b}")
    assert stage.did() == ["made a", "undone a"]
    assert len(stage.rows("intent")) == 1
    assert outcome.exit_code == 12


def test_a_lease_that_runs_out_is_renewed_for_the_undo_which_goes_on_without(stage: Stage) -> None:
    calls = iter([None, LimitError("another run holds it")])
    stage.lease_fails = lambda _host: next(calls)
    stage.tasks("- test.change: {name: a}", "- core.fail:")
    assert stage.taken == ["PR1", "PR1"]
    assert stage.did() == ["made a", "undone a"]  # the fence on the host decides, not the attempt to renew


def test_a_change_without_undo_is_never_taken_back(stage: Stage) -> None:
    stage.tasks("- test.once: {name: a}", "- core.fail:")
    assert stage.did() == ["made a"]
    assert stage.left_open() == []


def test_the_lease_is_given_back_at_the_very_end(stage: Stage) -> None:
    stage.tasks("- test.change: {name: a}\n  undo: play")
    assert stage.given_back == ["PR1"]


def test_a_failure_to_end_loses_no_outcome(stage: Stage) -> None:
    stage.close_fails = lambda _host: OSError("wire")
    stage.give_back_fails = lambda _host: OSError("wire")
    outcome = stage.tasks("- core.fail: {msg: first}")
    assert outcome.hosts["PR1"].errors[0].message == "first"
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["failed", "internal", "internal"]


def test_a_host_that_is_still_busy_with_what_we_began_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo, busy = conftest.ChangeModule.undo, [True, True, True, True]

    def held(self: Any, ctx: Any, intent: Any, outcome: Any) -> str:
        if busy:
            busy.pop()
            raise BusyError("somebody else is changing this host just now", host=ctx.host)
        return undo(self, ctx, intent, outcome)

    monkeypatch.setattr(conftest.ChangeModule, "undo", held)
    outcome = stage.tasks("- test.change: {name: a}\n  undo: play")
    assert outcome.exit_code == 0
    assert stage.did() == ["made a", "undone a"]
    assert len(stage.clock.slept) == 4


def test_who_takes_a_run_up_waits_for_a_host_that_is_still_busy(stage: Stage, tmp_path: Path) -> None:
    busy, taken = [True, True], []

    def take() -> None:
        if busy:
            busy.pop()
            raise BusyError("somebody else is changing this host just now", host="PR1")
        taken.append("PR1")

    there: Any = SimpleNamespace(host="PR1", lease=SimpleNamespace(take=take), clock=stage.clock, stop=Event())
    there.of = lambda _: there
    journal = Journal(tmp_path / "run")
    Leases(there, journal).adopt(["PR1"])
    assert (taken, len(stage.clock.slept)) == (["PR1"], 2)
    busy.append(True)
    there.stop.set()
    with pytest.raises(RunInterruptedError):
        Leases(there, journal).adopt(["PR1"])
    journal.close()


@pytest.mark.parametrize(("lost", "exit_code"), [(2, 0), (3, 13)])
def test_an_undo_whose_connection_is_lost_is_tried_three_times(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, lost: int, exit_code: int
) -> None:
    left = [True] * lost
    undo = conftest.ChangeModule.undo

    def cut_off(self: Any, ctx: Any, intent: Any, outcome: Any) -> str:
        if left:
            left.pop()
            raise UnreachableError("the connection was lost", host=ctx.host)
        return undo(self, ctx, intent, outcome)

    monkeypatch.setattr(conftest.ChangeModule, "undo", cut_off)
    assert stage.tasks("- test.change: {name: a}\n  undo: play").exit_code == exit_code
    assert stage.did() == ["made a", *(["undone a"] if lost < 3 else [])]


def test_no_deadline_bounds_an_undo_not_even_one_that_passes_meanwhile() -> None:
    bounds: list[tuple[Any, ...]] = []
    clock = SimpleNamespace(monotonic=lambda: 100.0)
    ctx: Any = SimpleNamespace(host="PR1", bound=lambda *given: bounds.append(given))
    deadlines = Deadlines(ctx, cast("Any", clock), 90.0)
    assert bounds.pop() == (90.0, "the deadline of the run has passed")
    with deadlines.lifted():
        assert bounds.pop() == (None,)
        with deadlines.lifted():
            deadlines.end("the lease was lost")
        assert bounds == [(None,)], "the inner end lifts nothing early"
    assert bounds.pop() == (90.0, "the deadline of the run has passed")
    with pytest.raises(RemoteTimeoutError, match="the lease was lost"):
        deadlines.check()
