"""Changes on another host than the play's: its lease is taken, written down and given back, and the play's own host is left alone."""

from __future__ import annotations

import pytest

from sitekeeper.engine.errors import LimitError, UnreachableError
from sitekeeper.engine.journal import open_run

from . import conftest
from .conftest import Stage


def test_only_the_other_hosts_lease_is_taken_and_given_back(stage: Stage) -> None:
    outcome = stage.tasks("- test.elsewhere: {name: a, on: PR2}\n  undo: play", "- test.elsewhere: {name: b, on: PR2}")
    assert outcome.exit_code == 0
    assert stage.did("PR2") == ["made a", "made b", "undone a"]
    assert set(stage.taken) == {"PR2"}
    assert stage.given_back.count("PR2") == 1
    assert [row.data for row in stage.rows("lease")] == [{"host": "PR2"}]


def test_it_is_taken_back_there(stage: Stage) -> None:
    outcome = stage.tasks("- test.elsewhere: {name: a, on: PR2, fails: true}")
    assert outcome.exit_code == 7
    assert stage.did("PR2") == ["made a", "undone a"]
    assert set(stage.taken) == {"PR2"}


def test_the_plays_own_host_named_as_the_other_is_itself(stage: Stage) -> None:
    stage.tasks("- test.elsewhere: {name: a, on: PR1}", "- test.elsewhere: {name: b}")
    assert set(stage.taken) == {"PR1"}
    assert [row.data for row in stage.rows("lease")] == [{"host": "PR1"}]


def test_a_lease_that_another_run_holds_stops_it_before_anything_is_made(stage: Stage) -> None:
    stage.lease_fails = lambda host: LimitError("held") if host == "PR2" else None
    outcome = stage.tasks("- test.elsewhere: {name: a, on: PR2}")
    assert outcome.exit_code == 12
    assert stage.did("PR2") == []
    assert stage.rows("intent") == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_host_that_is_gone_fails_only_what_stands_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    monkeypatch.setattr(conftest.ElsewhereModule, "stands_alone", alone)
    stage.lease_fails = lambda host: UnreachableError("no answer") if host == "PR2" else None
    outcome = stage.tasks("- test.elsewhere: {name: a, on: PR2}\n  ignore_errors: true", "- test.read: {value: after}")
    assert stage.did("PR2") == []
    assert stage.did() == (["read after"] if alone else [])
    assert outcome.exit_code == (0 if alone else 5)


def test_whoever_takes_the_run_up_knows_whose_leases_it_held(stage: Stage) -> None:
    stage.tasks("- test.elsewhere: {name: a, on: PR2}", "- test.change: {name: b}")
    (folder,) = stage.runs.iterdir()
    assert open_run.read(folder).hosts["PR1"].leased == {"PR1", "PR2"}


def test_always_sees_why_its_block_failed_and_nothing_where_it_did_not(stage: Stage) -> None:
    stage.tasks(
        """\
        - block:
            - test.change: {name: bad, fails: half}
          always:
            - test.read: {value: "{{ ansible_failed_result.word if ansible_failed_result is defined else 'none' }}"}
        """
    )
    assert stage.did()[-1] == "read remote"
    stage.log.entries.clear()
    stage.tasks(
        """\
        - block:
            - test.read: {value: fine}
          always:
            - test.read: {value: "{{ ansible_failed_result is defined }}"}
        """
    )
    assert stage.did()[-1] == "read False"
