"""How tasks follow each other on a host: register, when, loop, tags, retries, rescue, include."""

from __future__ import annotations

from typing import Any

import pytest

from sitekeeper.engine import events
from sitekeeper.engine.errors import RemoteError
from sitekeeper.engine.language.selection import Selection

from . import conftest
from .conftest import Stage


def _tags(*tags: str, skip: tuple[str, ...] = ()) -> Selection:
    return Selection(frozenset(tags), frozenset(skip))


def test_register_and_when(stage: Stage) -> None:
    stage.tasks(
        "- test.read: {value: [3, 4]}\n  register: x",
        "- test.read: {value: '{{ x.value[1] }}'}\n  when: x.value | length == 2",
        "- test.read: {value: no}\n  when: [true, x.value | length == 3]",
    )
    assert stage.did() == ["read [3, 4]", "read 4"]
    assert stage.told()[-1] == ("test.read", "skipped")


def test_results_say_whether_they_failed_or_were_skipped(stage: Stage) -> None:
    stage.tasks(
        "- test.read: {value: 1}\n  register: good",
        "- core.fail: {msg: oh}\n  ignore_errors: true\n  register: bad",
        "- test.read: {value: 1}\n  when: false\n  register: not_run",
        """\
        - core.assert:
            that:
              - "{{ not good.failed and not good.skipped }}"
              - "{{ bad.failed and bad.msg == 'oh' and bad.word == 'failed' and not bad.changed }}"
              - "{{ not_run.skipped and not not_run.failed and not not_run.changed }}"
        """,
    )
    assert stage.told()[-1] == ("core.assert", "ok")


def test_a_condition_that_is_a_text_is_refused(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.read: {value: 'false'}\n  register: x", "- test.read: {value: wrong}\n  when: x.value"
    )
    assert stage.did() == ["read false"]
    assert "is a text, not true or false" in outcome.hosts["PR1"].errors[0].message
    assert stage.told()[-1] == ("test.read", "failed")
    outcome = stage.tasks(
        "- test.read: {value: 'no'}\n  register: x", "- test.read: {value: wrong}\n  when: x.value | bool"
    )
    assert outcome.exit_code == 0


def test_loop_gives_item_and_number_and_all_results(stage: Stage) -> None:
    stage.tasks(
        "- test.read: {value: '{{ item_index }}{{ item }}'}\n  loop: [a, b, c]\n  when: item != 'b'\n  register: x",
        "- test.read: {value: \"{{ x.results | map(attribute='skipped') }}\"}",
    )
    assert stage.did() == ["read 0a", "read 2c", "read [False, True, False]"]


def test_loop_over_what_is_no_list_or_empty(stage: Stage) -> None:
    outcome = stage.tasks("- test.read: {value: 5}\n  register: x", "- test.read:\n  loop: '{{ x.value }}'")
    assert outcome.hosts["PR1"].errors[0].message == "`loop` is not a list"
    stage.tasks("- test.read: {value: 1}\n  loop: []\n  register: x", "- test.read: {value: '{{ x.results }}'}")
    assert stage.did()[-1] == "read []"


def test_loop_over_a_range_and_over_keys(stage: Stage) -> None:
    stage.tasks("- test.read: {value: '{{ item }}'}\n  loop: '{{ range(2) }}'")
    stage.tasks("- test.read: {value: '{{ item }}'}\n  vars: {d: {a: 1}}\n  loop: '{{ d.keys() }}'")
    assert stage.did() == ["read 0", "read 1", "read a"]


def test_a_loop_that_cannot_be_filled_in_does_not_matter_when_nothing_is_to_run(stage: Stage) -> None:
    stage.tasks(
        "- test.read: {value: {}}\n  register: x",
        "- test.read:\n  loop: '{{ x.value.nope }}'\n  when: x.value.nope is defined",
    )
    assert stage.told()[-1] == ("test.read", "skipped")


def test_failed_when_replaces_the_modules_own_word(stage: Stage) -> None:
    outcome = stage.tasks("- test.read: {value: 7}\n  failed_when: result.value > 5")
    assert (outcome.exit_code, outcome.hosts["PR1"].errors[0].word) == (1, "failed")
    outcome = stage.tasks("- core.fail: {msg: never mind}\n  failed_when: \"'never' not in result.msg\"")
    assert outcome.exit_code == 0


def test_until_with_its_own_register(stage: Stage) -> None:
    outcome = stage.tasks("- test.read: {value: 1}\n  register: x\n  until: x.value == 2\n  retries: 2\n  delay: 3s")
    assert stage.did() == ["read 1"] * 3
    assert stage.clock.slept == [3.0, 3.0]
    assert outcome.hosts["PR1"].errors[0].message == "`until` was still false after 3 tries"


def test_a_wrong_playbook_is_not_tried_again(stage: Any) -> None:
    outcome = stage.tasks(
        "- test.read: {value: {}}\n  register: x", "- test.read: {value: '{{ x.value.a }}'}\n  retries: 5\n"
    )
    assert stage.clock.slept == []
    assert outcome.exit_code == 2
    assert outcome.hosts["PR1"].errors[0].origin.line == 5


def test_rescue_knows_the_failure_and_may_fail_itself(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - core.fail: {msg: first}
          rescue:
            - test.read: {value: "{{ ansible_failed_result.msg }} {{ ansible_failed_result.word }}"}
            - core.fail: {msg: second}
          always:
            - test.read: {value: always}
        """
    )
    assert stage.did() == ["read first failed", "read always"]
    assert [error.message for error in outcome.hosts["PR1"].errors] == ["second"]


def test_always_that_fails_is_a_failure(stage: Stage) -> None:
    outcome = stage.tasks("- block:\n    - test.read:\n  always:\n    - core.fail: {msg: late}\n")
    assert [error.message for error in outcome.hosts["PR1"].errors] == ["late"]


def test_a_skipped_block_registers_its_tasks_as_skipped(stage: Stage) -> None:
    stage.tasks(
        "- block:\n    - test.read:\n      register: x\n  when: inventory_hostname == 'CEN'\n",
        "- test.read: {value: '{{ x.skipped }}'}",
    )
    assert stage.did() == ["read True"]


def test_include_with_when_loop_and_vars(stage: Stage) -> None:
    stage.file(
        "sub/part.yml",
        """\
        - test.read: {value: "{{ item }} {{ word }}"}
          register: x
        - core.include_tasks: deeper.yml
        """,
    )
    stage.file("sub/deeper.yml", "- test.read: {value: 'deep {{ x.value }}'}\n")
    stage.tasks(
        """\
        - core.include_tasks: {file: sub/part.yml}
          loop: [1, 2, 3]
          when: item != 2
          vars: {word: hello}
        """
    )
    assert stage.did() == ["read 1 hello", "read deep 1 hello", "read 3 hello", "read deep 3 hello"]


def test_set_fact_is_a_variable_from_then_on(stage: Stage) -> None:
    stage.tasks(
        "- core.set_fact: {code: '001', n: 5, list: [a]}",
        "- test.read: {value: ['{{ code }}', '{{ n + 1 }}', '{{ list }}']}",
    )
    assert stage.did() == ["read ['001', 6, ['a']]"]


def test_precedence_from_group_to_command_line(stage: Stage) -> None:
    stage.hosts(
        """\
        all:
          vars: {a: all, b: all, c: all, d: all, e: all, f: all, g: all, h: all}
          children:
            outer:
              vars: {b: outer, c: outer, d: outer, e: outer, f: outer, g: outer, h: outer}
              children:
                inner:
                  vars: {c: inner, d: inner, e: inner, f: inner, g: inner, h: inner}
                  hosts:
                    PR1: {d: host, e: host, f: host, g: host, h: host}
        """
    )
    stage.run(
        """\
        - hosts: PR1
          vars: {e: play, f: play, g: play, h: play}
          tasks:
            - core.set_fact: {h: registered, i: registered}
            - vars: {f: block, g: block, h: block}
              block:
                - test.read: {value: "{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }} {{ g }} {{ h }} {{ i }}"}
                  vars: {g: task, h: task}
        """,
        extra={"i": "extra"},
    )
    assert stage.did() == ["read all outer inner host play block task registered extra"]


def test_variables_are_filled_in_on_use_and_hosts_answers_never(stage: Stage) -> None:
    stage.run(
        """\
        - hosts: PR1
          vars: {path: "{{ base }}/{{ name }}", name: "{{ inventory_hostname }}", base: D}
          tasks:
            - test.read: {value: "{{ '{{' }} 7*7 }}"}
              register: said
            - test.read: {value: "{{ path }} {{ said.value }}"}
              vars: {base: E}
        """,
        extra={"ext": "{{ inventory_hostname }}"},
    )
    assert stage.did()[-1] == "read E/PR1 {{ 7*7 }}"


def test_extra_variables_may_be_templates_and_hostvars_are_filled_in(stage: Stage) -> None:
    stage.hosts("all:\n  hosts:\n    PR1: {where: '{{ root }}/1'}\n    PR2: {where: '{{ root }}/2'}\n")
    stage.tasks(
        "- test.read: {value: \"{{ x }} {{ hostvars['PR2'].where }} {{ hostvars.PR2.root }}\"}",
        extra={"root": "D:", "x": "{{ where }}"},
    )
    assert stage.did() == ["read D:/1 D:/2 D:"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (_tags(), ["plain", "a", "b", "always"]),
        (_tags("a"), ["a", "always"]),
        (_tags("rare"), ["never", "always"]),
        (_tags("play"), ["plain", "a", "b", "never", "always"]),
        (_tags("all"), ["plain", "a", "b", "always"]),
        (_tags(skip=("a", "always")), ["plain", "b"]),
        (_tags("b", skip=("inner",)), ["always"]),
    ],
)
def test_tags(stage: Stage, selection: Selection, expected: list[str]) -> None:
    stage.run(
        """\
        - hosts: PR1
          tags: play
          tasks:
            - test.read: {value: plain}
            - test.read: {value: a}
              tags: a, other
            - tags: b
              when: undefined_by_tags is defined or true
              block:
                - test.read: {value: b}
                  tags: [inner]
            - test.read: {value: never}
              tags: [never, rare]
            - test.read: {value: always}
              tags: always
        """,
        selection=selection,
    )
    assert stage.did() == [f"read {one}" for one in expected]


def test_a_block_without_a_wanted_task_asks_nothing(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.read: {value: 1}\n  register: x\n  tags: first",
        "- block:\n    - test.read:\n  when: x.value == 1\n  tags: second",
        "- test.read: {value: 3}\n  tags: third",
        selection=_tags("third"),
    )
    assert stage.did() == ["read 3"]
    assert outcome.exit_code == 0


def test_a_tag_that_no_task_has_is_refused(stage: Stage) -> None:
    error = stage.refused("- hosts: PR1\n  tasks:\n    - test.read:\n      tags: backup\n", selection=_tags("bakcup"))
    assert (error.message, error.hint) == ("no task has the tag `bakcup`", "did you mean `backup`?")


def test_the_journal_and_the_events_tell_the_same(stage: Stage) -> None:
    stage.tasks("- test.change: {name: a}\n  name: a change", "- test.read: {value: 1}\n  register: x")
    told = [row.data for row in stage.rows("event")]
    assert told == [one.as_dict() for one in stage.events if not isinstance(one, events.Progressed)]
    (registered,) = stage.rows("registered")
    assert registered.data == {
        "name": "x",
        "value": {"changed": False, "msg": "read 1", "partial": "", "value": 1},
    }


@pytest.mark.parametrize(
    "selection", [_tags("tagged"), _tags("always"), _tags("never"), _tags(skip=("untagged",))], ids=str
)
def test_a_selection_of_no_task_is_refused(stage: Stage, selection: Selection) -> None:
    error = stage.refused("- hosts: sites\n  tasks:\n    - test.change: {name: x}\n", selection=selection)
    assert error.message == "--tags and --skip-tags leave no task to run"


def test_a_run_in_which_nothing_was_done_is_no_success(stage: Stage) -> None:
    book = "- hosts: sites\n  tasks:\n    - when: inventory_hostname == '{0}'\n      block:\n        - test.read:\n"
    outcome = stage.run(book.format("nobody"))
    assert (outcome.exit_code, [error.word for error in outcome.errors]) == (2, ["usage"])
    assert {one.status for one in stage.events if isinstance(one, events.HostEnded)} == {"skipped"}
    stage.events.clear()
    assert stage.run(book.format("PR1")).exit_code == 0
    ended = {one.host: one.status for one in stage.events if isinstance(one, events.HostEnded)}
    assert ended == {"CEN": "skipped", "PR1": "ok", "PR2": "skipped"}


def test_what_is_worth_less_says_where_and_what_to_do(stage: Stage) -> None:
    outcome = stage.run("- hosts: PR1\n  tasks:\n    - name: measure\n      test.read: {value: half}\n")
    assert outcome.exit_code == 20
    (ended,) = (one for one in stage.events if isinstance(one, events.HostEnded))
    assert (ended.status, ended.word) == ("partial", "partial")
    assert ended.error.startswith("error[partial]: it is half (host PR1, task 'measure')\n  --> ")
    assert ":4:" in ended.error
    assert "\n  hint: completed with less than requested" in ended.error


def test_text_that_is_no_unicode_harms_no_other_host(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = conftest.ReadModule.plan

    def unreadable(self: Any, ctx: Any, params: Any) -> Any:
        if ctx.host == "PR2":
            raise RemoteError("the host cannot read x\ud800y")  # NTFS takes any 16 bits as a letter
        return plan(self, ctx, params)

    monkeypatch.setattr(conftest.ReadModule, "plan", unreadable)
    outcome = stage.run("- hosts: sites\n  tasks:\n    - test.read:\n    - test.change: {name: x}\n")
    assert [host for host, one in outcome.hosts.items() if one.errors] == ["PR2"]
    assert stage.did("PR1") == ["read None", "made x"]
