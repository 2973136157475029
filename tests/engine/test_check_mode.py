"""Check mode is the plan and nothing more, and never guesses what only applying can tell."""

from __future__ import annotations

from typing import Any

import pytest

from sitekeeper.engine import events
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.plan import Result, Unknown, UnknownValueError, unknowns
from sitekeeper.engine.templates import render

from .conftest import Stage


def _ended(stage: Any) -> list[events.TaskEnded]:
    return [one for one in stage.events if isinstance(one, events.TaskEnded)]


def test_nothing_is_applied_taken_or_undone(stage: Stage) -> None:
    outcome = stage.tasks("- test.change: {name: a}\n  undo: play", "- test.once: {name: b}", check=True)
    assert outcome.exit_code == 0
    assert stage.did() == []
    assert (stage.taken, stage.given_back) == ([], [])
    assert [one.status for one in _ended(stage)] == ["planned", "planned"]
    assert _ended(stage)[0].changes == ("a: before -> after",)
    assert stage.rows("intent") == []


def test_what_only_applying_can_tell_passes_through(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.change: {name: a}\n  register: a",
        "- test.read: {value: '{{ a.made }}'}",
        "- test.change: {name: '{{ a.made }}/x'}\n  register: b",
        "- test.read: {value: '{{ b.made }}'}\n  when: b.made == 'x'\n  register: c",
        "- test.read: {value: '{{ c.value.deep[0] }}'}\n  loop: '{{ a.made }}'",
        "- core.set_fact: {d: '{{ a.made }}', e: 5}",
        "- core.debug: {msg: '{{ d }} {{ e }}'}",
        "- core.assert: {that: \"{{ d == 'x' }}\"}",
        "- test.change: {name: '{{ e }}{{ item }}'}\n  loop: ['{{ a.made }}', z]",
        check=True,
    )
    assert outcome.exit_code == 0, outcome.hosts["PR1"].errors
    told = [(one.status, one.msg) for one in _ended(stage)]
    known = "known after test.change"
    assert told == [
        ("planned", "would change a"),
        ("ok", f"read {known}"),
        ("unknown", known),
        ("unknown", known),
        ("ok", f"read {known}"),
        ("ok", "set d, e"),
        ("ok", known),
        ("unknown", known),
        ("unknown", known),
        ("planned", "would change 5z"),
    ]


def test_a_block_or_include_of_an_unknown_condition(stage: Stage) -> None:
    stage.file("part.yml", "- test.read: {value: 1}\n  register: inside\n")
    outcome = stage.tasks(
        "- test.change: {name: a}\n  register: a",
        "- core.include_tasks: part.yml\n  when: a.made is none",
        "- test.read: {value: '{{ inside.value }}'}",
        check=True,
    )
    assert outcome.exit_code == 0
    assert [one.status for one in _ended(stage)] == ["planned", "unknown", "ok"]


def test_until_and_failed_when_do_not_judge_a_plan(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.change: {name: a}\n  register: a\n  until: a.made == 'x'\n  failed_when: a.made != 'x'\n  retries: 9",
        "- test.read: {value: 1}\n  until: result.value == 2",
        check=True,
    )
    assert outcome.exit_code == 0
    assert stage.clock.slept == []


def test_the_same_values_are_known_when_it_is_no_check(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.change: {name: a}\n  register: a", "- test.read: {value: '{{ a.made }}'}\n  when: a.made is not none"
    )
    assert outcome.exit_code == 0
    assert stage.did() == ["made a", "read id of a"]


def test_a_wrong_type_is_still_an_error(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.read: {value: 5}\n  register: x", "- test.change: {name: '{{ x.value }}'}", check=True
    )
    assert outcome.exit_code == 2
    assert "`name` of test.change" in outcome.hosts["PR1"].errors[0].message


@pytest.mark.parametrize(
    "expression",
    [
        "u",
        "u.a.b",
        "u['a']",
        "u == 1",
        "1 != u",
        "u > 3",
        "u and true",
        "not u",
        "u + 1",
        "1 - u",
        "u ~ 'x'",
        "u | upper",
        "u is none",
        "u is string",
        "'x' in u",
        "u in [1, 2]",
        "1 if u else 2",
        "u | length",
        "u | default(4)",
        "'%s' % u",
        "[1, 2] | map('extract', u) | list if u else 3",
        "u.strip()",
        "'{}'.format(u)",
        "'a'.replace('a', u)",
    ],
)
def test_every_expression_on_an_unknown_is_unknown(expression: str) -> None:
    value = render.render("{{ " + expression + " }}", {"u": Unknown("windows.snapshot")}, Origin("x"))
    assert isinstance(value, Unknown)
    with pytest.raises(UnknownValueError):
        render.condition(expression, {"u": value}, Origin("x"))


def test_there_is_something(stage: Stage) -> None:
    assert render.render("{{ u is defined }}", {"u": Unknown("x")}, Origin("x")) is True


def test_unknowns_are_found_inside_results() -> None:
    class Predicted(Result):
        folder: Any

    unknown = Unknown("store.set")
    (found,) = unknowns({"a": [Predicted.model_construct(folder=unknown)]})
    assert found is unknown
    assert str(found) == "known after store.set"
