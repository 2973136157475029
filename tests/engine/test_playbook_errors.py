"""What is wrong in a playbook is told at its line and column, with the line itself and a hint, and nothing is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine.errors import SecretError, SitekeeperError, UsageError
from sitekeeper.engine.language.keywords import ANSIBLE_ONLY, KEYWORDS, ansible_only

from .conftest import Stage

PLAY = "- hosts: PR1\n  tasks:\n"


def _at(error: SitekeeperError) -> tuple[int, int]:
    assert error.origin is not None
    return error.origin.line, error.origin.column


CASES: list[tuple[str, str, tuple[int, int], str, str]] = [
    # name, tasks, line and column, message, hint
    (
        "misspelt parameter",
        "- test.change: {nmae: a}",
        (3, 21),
        "`nmae` is not a parameter of test.change",
        "did you mean `name`?",
    ),
    ("missing parameter", "- test.change:", (3, 19), "test.change needs `name`", ""),
    (
        "unknown module",
        "- windows.servise: {}",
        (3, 7),
        "no module `windows.servise`",
        "did you mean `windows.service`?",
    ),
    ("unknown module by its short name", "- debug: {}", (3, 7), "no module `debug`", "did you mean `core.debug`?"),
    (
        "misspelt keyword",
        "- test.read:\n      regster: x",
        (4, 7),
        "`regster` is neither a keyword",
        "did you mean `register`?",
    ),
    (
        "two modules",
        "- test.read:\n      core.debug:",
        (4, 7),
        "one task, one module: `core.debug` is a second one",
        "",
    ),
    ("no module", "- name: nothing", (3, 7), "this task names no module", "see: sitekeeper modules list"),
    ("wrong type", "- test.change: {name: 5}", (3, 27), "`name` of test.change: Input should be a valid string", ""),
    ("wrong choice", "- test.change: {name: a, fails: maybe}", (3, 37), "`fails` of test.change: Input should be", ""),
    (
        "wrong type from a variable",
        "- test.change: {name: '{{ n }}'}\n      vars: {n: 5}",
        (3, 27),
        "`name` of test.change: Input",
        "",
    ),
    (
        "undefined variable",
        "- test.read: {value: '{{ stie }}'}\n      vars: {site: 1}",
        (3, 26),
        "`stie` is undefined",
        "mean `site`?",
    ),
    (
        "undefined deep inside",
        "- test.read:\n        value:\n          - a: [1, '{{ nope }}']",
        (5, 20),
        "`nope` is undefined",
        "a value",
    ),
    ("undefined in when", "- test.read:\n      when: nope == 1", (4, 13), "`nope` is undefined", ""),
    ("undefined in loop", "- test.read:\n      loop: '{{ nope }}'", (4, 13), "`nope` is undefined", ""),
    ("undefined in until", "- test.read:\n      until: nope", (4, 14), "`nope` is undefined", ""),
    (
        "registered only later",
        "- test.read: {value: '{{ x }}'}\n    - test.read:\n      register: x",
        (3, 26),
        "`x` is undefined",
        "",
    ),
    ("not a template", "- test.read: {value: '{{ a + }}'}", (3, 26), "not a template", ""),
    ("not an expression", "- test.read:\n      when: a ==", (4, 13), "not a template", ""),
    ("unknown filter", "- test.read: {value: '{{ 1 | nofilter }}'}", (3, 26), "not a template: No filter named", ""),
    ("undo without undo", "- test.once: {name: a}\n      undo: play", (4, 13), "test.once has nothing to undo", ""),
    (
        "undo: block outside",
        "- test.change: {name: a}\n      undo: block",
        (4, 13),
        "`undo: block` outside of a block",
        "use play",
    ),
    (
        "undo in rescue",
        "- block: []\n      rescue:\n        - test.change: {name: a}\n          undo: block",
        (6, 17),
        "outside",
        "",
    ),
    (
        "wrong undo",
        "- test.change: {name: a}\n      undo: always",
        (4, 13),
        "`undo` must be failure, block, play or never",
        "",
    ),
    ("wrong flag", "- test.read:\n      ignore_errors: yes", (4, 22), "`ignore_errors` must be true or false", ""),
    ("wrong duration", "- test.read:\n      delay: 5", (4, 14), "`delay`: a duration is written like", ""),
    ("wrong count", "- test.read:\n      retries: -1", (4, 16), "`retries` must be an integer of 0 or more", ""),
    ("wrong register", "- test.read:\n      register: a b", (4, 17), "`register` must be a name", ""),
    ("wrong condition", "- test.read:\n      when: {a: b}", (4, 13), "`when` must be an expression", ""),
    (
        "keyword of a play on a task",
        "- test.read:\n      serial: 1",
        (4, 7),
        "`serial` cannot be used on a task",
        "it belongs on a play",
    ),
    (
        "keyword of a task on a block",
        "- block: []\n      register: x",
        (4, 7),
        "`register` cannot be used on a block",
        "on a task",
    ),
    (
        "guard on a task",
        "- test.read:\n      guard: 15m",
        (4, 7),
        "`guard` cannot be used on a task",
        "it belongs on a block",
    ),
    ("wrong guard", "- block: []\n      guard: 15", (4, 14), "`guard`: a duration is written like", ""),
    (
        "machines in a window",
        "- guard: none\n      block:\n        - store.set: {site: '{{ {} }}'}",
        (5, 11),
        "takes whole machines",
        "",
    ),
    ("parameters as text", "- test.read: a=b", (3, 18), "parameters of test.read are written as a mapping", ""),
    ("include without file", "- core.include_tasks: nowhere.yml", (3, 27), "cannot read", ""),
    (
        "include of a template",
        "- core.include_tasks: '{{ x }}.yml'",
        (3, 27),
        "takes the name of a file, written out",
        "",
    ),
    (
        "include with an unknown word",
        "- core.include_tasks: {file: a.yml, apply: b}",
        (3, 27),
        "takes the name of a file",
        "",
    ),
    (
        "include that registers",
        "- core.include_tasks: a.yml\n      register: x",
        (4, 7),
        "`register` cannot be used",
        "it takes name",
    ),
    (
        "password in plain text",
        "- test.read:\n      vars: {ansible_password: hunter2}",
        (4, 32),
        "is plain text here",
        "!vault",
    ),
    ("a task that is none", "- just words", (3, 7), "a task is a mapping", ""),
    ("duplicate key", "- test.read:\n      when: true\n      when: false", (5, 7), "`when` is defined twice here", ""),
]


@pytest.mark.parametrize(
    ("tasks", "place", "message", "hint"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_told_at_its_place(stage: Any, tasks: str, place: Any, message: str, hint: str) -> None:
    error = stage.refused(PLAY + "    " + tasks + "\n")
    assert message in error.message
    assert hint in (error.hint or "")
    assert _at(error) == place
    assert error.exit_code == (4 if "plain text" in message else 2)
    assert "hunter2" not in error.render()
    shown = error.render().splitlines()
    assert any(line.startswith(f"  --> {stage.root / 'play.yml'}:{place[0]}:{place[1]}") for line in shown)
    if error.origin.secret:
        assert not any("|" in line for line in shown)
        return
    caret = next(line for line in shown if line.rstrip().endswith("^"))
    assert caret.index("^") - caret.index("|") - 2 == place[1] - 1


PLAYS: list[tuple[str, str, tuple[int, int], str]] = [
    ("no list", "hosts: PR1\n", (1, 1), "a playbook is a list of plays"),
    ("empty", "", (0, 1), "a playbook is a list of plays"),
    ("no hosts", "- tasks: []\n", (1, 3), "a play needs `hosts`"),
    ("no tasks", "- hosts: PR1\n", (1, 3), "a play needs `tasks`"),
    ("unknown host", "- hosts: PR1:PR9\n  tasks: []\n", (1, 10), "`PR9` is neither a host nor a group"),
    ("unknown word", "- hosts: PR1\n  taks: []\n", (2, 3), "`taks` is not a keyword of a play"),
    ("wrong order", "- hosts: PR1\n  order: random\n  tasks: []\n", (2, 10), "`random` is not an order"),
    ("wrong serial", "- hosts: PR1\n  serial: 0\n  tasks: []\n", (2, 11), "`serial` must be a number of hosts"),
    ("wrong percentage", "- hosts: PR1\n  max_fail_percentage: 101\n  tasks: []\n", (2, 24), "must be a percentage"),
    ("tasks no list", "- hosts: PR1\n  tasks: {a: b}\n", (2, 10), "expected a list of tasks"),
    ("not YAML", "- hosts: [PR1\n  tasks: []\n", (2, 8), "not YAML"),
    ("roles", "- hosts: PR1\n  roles: [a]\n", (2, 3), "`roles` does not exist here"),
    ("import_playbook", "- import_playbook: other.yml\n", (1, 3), "`import_playbook` does not exist here"),
]


@pytest.mark.parametrize(("text", "place", "message"), [case[1:] for case in PLAYS], ids=[case[0] for case in PLAYS])
def test_a_play_is_told_at_its_place(stage: Stage, text: str, place: tuple[int, int], message: str) -> None:
    error = stage.refused(text)
    assert message in error.message
    assert _at(error) == place


@pytest.mark.parametrize("level", ["play", "block", "task"])
@pytest.mark.parametrize("key", [*ANSIBLE_ONLY, "with_items", "with_fileglob"])
def test_every_ansible_keyword_gets_its_named_error(stage: Stage, key: str, level: str) -> None:
    text = {
        "play": f"- hosts: PR1\n  {key}: x\n  tasks: []\n",
        "block": f"- hosts: PR1\n  tasks:\n    - {key}: x\n      block: []\n",
        "task": f"- hosts: PR1\n  tasks:\n    - {key}: x\n      test.read:\n",
    }[level]
    error = stage.refused(text)
    assert isinstance(error, UsageError)
    assert error.message == f"`{key}` does not exist here"
    assert error.hint == ansible_only(key)
    assert _at(error)[0] in {1, 2, 3}


ANSIBLES = """
any_errors_fatal become become_exe become_flags become_method become_user check_mode collections connection debugger diff
environment fact_path force_handlers gather_facts gather_subset gather_timeout handlers hosts ignore_errors ignore_unreachable
max_fail_percentage module_defaults name no_log order port post_tasks pre_tasks remote_user roles run_once serial strategy tags
tasks throttle timeout validate_argspec vars vars_files vars_prompt always block delegate_facts delegate_to notify rescue when
action args async changed_when delay failed_when local_action loop loop_control poll register retries until listen
"""
# Ansible documentation, "Playbook Keywords" (ansible-core 2.19): play, block, task and handler.


def test_every_keyword_of_ansible_is_known() -> None:
    assert [word for word in ANSIBLES.split() if word not in KEYWORDS and word not in ANSIBLE_ONLY] == []
    assert not set(KEYWORDS) & set(ANSIBLE_ONLY)


def test_a_secret_where_none_belongs(stage: Stage) -> None:
    for value in (
        "!env PW",
        "'{{ ansible_password }}'",
        "['{{ ansible_password | upper }}']",
        "{a: 'x{{ ansible_password }}'}",
    ):
        stage.hosts("all:\n  hosts:\n    PR1: {ansible_password: hunter2}\n")
        error = stage.refused(PLAY + "    - core.debug:\n        msg: " + value + "\n")
        assert isinstance(error, SecretError)
        assert error.message == "`msg` of core.debug would show a secret"
        assert _at(error) == (4, 14)
        assert "hunter2" not in error.render()


def test_a_secret_where_one_belongs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "hunter2")
    assert stage.tasks("- test.key: {key: !env PW}").exit_code == 0
    assert stage.did() == ["key hunter2"]


def test_an_error_in_an_included_file_is_told_there(stage: Any) -> None:
    part = stage.file("sub/part.yml", "- test.read:\n- test.reed:\n")
    error = stage.refused(PLAY + "    - core.include_tasks: sub/part.yml\n")
    assert (error.origin.file, error.origin.line) == (str(part), 2)


def test_a_file_that_includes_itself_by_any_path(stage: Stage) -> None:
    stage.file("sub/part.yml", "- core.include_tasks: ../sub/part.yml\n")
    error = stage.refused(PLAY + "    - core.include_tasks: sub/part.yml\n")
    assert "includes itself" in error.message


def test_what_a_condition_rules_out_is_not_refused(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.read: {value: '{{ wan }}'}\n  when: wan is defined",
        "- test.read: {value: '{{ wan.link }}'}\n  when: [inventory_hostname == 'CEN']\n  vars: {wan: {}}",
        "- test.read: {value: 1}\n  register: x\n  when: inventory_hostname == 'CEN'",
        "- test.read: {value: '{{ x.value }} {{ wan }}'}\n  when: [not x.skipped, wan is defined]",
        "- block:\n    - test.read: {value: '{{ wan }}'}\n  when: wan is defined\n",
        "- test.read: {value: \"{{ wan | default('none') }}\"}",
    )
    assert outcome.exit_code == 0
    assert stage.did() == ["read none"]


def test_what_rescue_registers_is_known_later(stage: Stage) -> None:
    outcome = stage.tasks(
        """\
        - block:
            - core.fail:
          rescue:
            - test.read: {value: rescued}
              register: how
          always:
            - test.read: {value: "{{ how.value }}"}
        - test.read: {value: "{{ how.value }}"}
        """
    )
    assert outcome.exit_code == 0


def test_a_default_of_what_is_registered_is_left_to_the_run(stage: Stage) -> None:
    outcome = stage.tasks(
        "- test.read: {value: a}\n  register: x", "- test.change: {name: '{{ x.value | default(none) }}'}"
    )
    assert outcome.exit_code == 0
    assert stage.did() == ["read a", "made a"]


def test_every_host_is_looked_at_before_the_first_is_touched(stage: Stage) -> None:
    stage.hosts("all:\n  hosts:\n    PR1: {link: fast}\n    PR2:\n")
    error = stage.refused("- hosts: all\n  tasks:\n    - test.read: {value: '{{ link }}'}\n")
    assert (error.host, error.message) == ("PR2", "`link` is undefined")


def test_a_playbook_that_is_not_there(stage: Stage, tmp_path: Path) -> None:
    from sitekeeper.engine.language import playbook_reader  # noqa: PLC0415 - the stage must have its modules in place

    with pytest.raises(UsageError, match="cannot read"):
        playbook_reader.load(tmp_path / "no.yml")


def test_a_variable_of_the_inventory_that_is_no_template_is_told_there(stage: Stage) -> None:
    hosts = stage.hosts("all:\n  hosts:\n    PR1: {path: '{{ base }}/x', base: '{{ a + }}', unused: '{{ b + }}'}\n")
    for task in ("test.read: {value: '{{ path }}'}", "{test.read: , when: path is defined}"):
        error = stage.refused(PLAY + f"    - {task}\n")
        assert error.message.startswith("not a template")
        assert str(error.origin) == f"{hosts}:3:39"
    assert stage.tasks("- test.read: {value: 1}").exit_code == 0
