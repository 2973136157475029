"""Templates: true to types, strict, sandboxed, and closed to secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import SecretError, UsageError
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.plan import Result
from sitekeeper.engine.secrets import Secret
from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.layers import Layers, lazy

AT = Origin("x.yml", 3, 7)


def _render(source: Any, **variables: Any) -> Any:
    return render.render(source, variables, AT)


VALUES = [123, "123", "1E5", "001", True, None, 1.5, [1, "2"], {"a": (1,)}, "", "[1, 2]", "{'a': 1}"]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_one_expression_is_its_object_unchanged(value: Any) -> None:
    found = _render("{{ v }}", v=value)
    assert found == value
    assert type(found) is type(value)


def test_a_result_is_itself() -> None:
    result = Result(msg="x")
    assert _render("{{ r }}", r=result) is result
    assert _render("{{ r.msg }}{{ r.changed }}", r=result) == "xFalse"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ 1 }}{{ 2 }}", "12"),
        (" {{ 1 }}", " 1"),
        ("{{ 1 }}\n", "1\n"),
        ("{{ '1' ~ '2' }}", "12"),
        ("{{ 1 + 1 }}", 2),
        ("{{ [1, 2] }}", [1, 2]),
        ("{{ '[1, 2]' }}", "[1, 2]"),
        ("{% if true %}5{% endif %}", "5"),
        ("{# note #}", ""),
        ("{{ ['a', 'b'] | map('upper') }}", ["A", "B"]),
        ("{{ {'a': 1}.items() }}", [("a", 1)]),
        ("{{ none }}", None),
        ("{{ [1, 2, 3] | select('odd') | list }}", [1, 3]),
        ("{{ '7' | int }}", 7),
        ("{{ 'yes' | bool }}", True),
        ("{{ 0 | bool }}", False),
        ("no template", "no template"),
        (5, 5),
        (["{{ 1 }}", {"a": "{{ 2 }}"}], [1, {"a": 2}]),
    ],
)
def test_rendered(source: Any, value: Any) -> None:
    found = _render(source)
    assert found == value
    assert type(found) is type(value)


def test_variables_are_filled_in_when_used() -> None:
    layers = Layers(
        lazy({"a": "{{ b }}/x", "b": "{{ c }}", "c": "low", "unused": "{{ nowhere }}"}), lazy({"c": "high"})
    )
    assert render.render("{{ a }}", layers, AT) == "high/x"
    assert render.render("{{ [a] | first }}", layers, AT) == "high/x"


def test_what_is_no_variable_of_a_file_is_never_filled_in() -> None:
    assert render.render("{{ said }}", Layers({"said": "{{ 7 * 7 }}"}), AT) == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ nope }}", "'nope' is undefined"),
        ("{{ d.nope }}", "has no attribute 'nope'"),
        ("{{ [d.nope] }}", "no attribute"),
        ("{{ {'a': [d.nope]} }}", "no attribute"),
        ("x{{ nope }}", "'nope' is undefined"),
        ("{{ d.a.b.c }}", "no attribute 'b'"),
        ("{{ d['nope'] }}", "no attribute 'nope'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 'a' + 1 }}", "TypeError"),
        ("{{ 5 | dictsort }}", "AttributeError"),
        ("{{ 'maybe' | bool }}", "neither true nor false"),
        ("{{ a + }}", "not a template"),
        ("{{ [] | first }}", "No first item"),
        ("{{ 1 | batch }}", "TypeError"),
        ("{{ x }}", "` refers to itself"),
        ("{{ lookup('url', 'x') }}", "lookup('url') is not available"),
        ("{{ d | groupby }}", "TypeError"),
    ],
)
def test_a_wrong_template_is_an_error_at_its_place(source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        render.render(source, Layers(lazy({"x": "{{ y }}", "y": "{{ x }}", "d": {"a": 1}})), AT)
    assert message in caught.value.message
    assert caught.value.origin == AT


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ x.append(1) }}",
        "{{ ''['__class__'] }}",
        "{{ f.__code__ }}",
        "{{ d.update({'a': 1}) }}",
        "{{ range(10**9) }}",
        "{{ d.pop('a') }}",
        "{{ self.__dict__ }}",
        "{{ x | attr('__class__') }}",
        "{% import 'os' as os %}{{ os }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    values: list[int] = []
    with pytest.raises(UsageError):
        _render(source, x=values, d={"a": 1}, f=test_the_sandbox_holds)
    assert values == []


PW = "hunter2"


@pytest.mark.parametrize(
    "source",
    [
        "{{ s }}",
        "x{{ s }}",
        "{{ s }}{{ s }}",
        "{{ 'x' ~ s }}",
        "{{ 'x' + s }}",
        "{{ s + 'x' }}",
        "{{ s | upper }}",
        "{{ s | string }}",
        "{{ '%s' % s }}",
        "{{ '%s-%s' % (1, s) }}",
        "{{ '{}'.format(s) }}",
        "{{ '{a}'.format(a=s) }}",
        "{{ '%s' | format(s) }}",
        "{{ [s] | join(',') }}",
        "{{ ','.join([s]) }}",
        "{{ s | default('x') }}",
        "{{ s | d('x') }}",
        "{{ nope | default(s) }}",
        "{{ s | tojson }}",
        "{{ s | replace('h', 'x') }}",
        "{{ 'a'.replace('a', s) }}",
        "{% set x = s %}{{ x }}",
        "{% if s %}{{ s }}{% endif %}",
        "{{ s | length }}",
        "{{ [s, s] | first }}",
        "{{ s | trim | title }}",
        "{% for c in [s] %}{{ c }}{% endfor %}",
        "{{ s | attr('reveal') }}",
        "{{ s | e }}",
        "{{ '<' ~ (s | e) }}",
    ],
)
def test_what_is_made_of_a_secret_is_one(source: str) -> None:
    found = _render(source, s=secrets.inline(PW, "here"))
    assert isinstance(found, Secret)
    assert PW not in f"{found} {found!r} {found.reference}".lower()


def test_the_values_are_right_when_revealed() -> None:
    secret = secrets.inline(PW, "here")
    for source, value in (
        ("{{ s | upper }}", "HUNTER2"),
        ("a{{ s }}b", "ahunter2b"),
        ("{{ '%s-%s' % (1, s) }}", "1-hunter2"),
        ("{{ '{a}'.format(a=s) }}", "hunter2"),
        ("{{ nope | default(s) }}", "hunter2"),
        ("{{ ','.join(['a', s]) }}", "a,hunter2"),
        ("{{ s | length }}", "7"),
        ("{{ (s | e) ~ '!' }}", "hunter2!"),
    ):
        assert _render(source, s=secret).reveal() == value


def test_a_filter_that_makes_no_text_of_a_secret_says_so() -> None:
    found = _render("{{ [s] | map('upper') }}", s=secrets.inline(PW, "here"))
    with pytest.raises(SecretError, match="does not return text for a secret"):
        found.reveal()


@pytest.mark.parametrize(
    "source", ["{{ s.reveal() }}", "{{ s._resolve() }}", "{{ s['reveal'] }}", "{% for c in s %}{% endfor %}"]
)
def test_no_template_reaches_a_secret(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        _render(source, s=secrets.inline(PW, "here"))
    assert PW not in caught.value.render()


def test_other_values_are_not_made_secret_by_a_secret_nearby() -> None:
    """Filters that get the context (map, select ...) see all variables: those are no arguments of theirs."""
    found = _render("{{ xs | map('upper') | list }}", xs=["a"], ansible_password=secrets.inline(PW, "here"))
    assert found == ["A"]
    found = _render(
        "{{ xs | selectattr('a') | list | length }}", xs=[{"a": 1}], ansible_password=secrets.inline(PW, "here")
    )
    assert found == 1
    assert _render("{{ d.get('x', s) }}", d={"x": 1}, s=secrets.inline(PW, "here")) == 1


def test_lookups_are_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SK_LOOK", "up")
    assert _render("{{ lookup('env', 'SK_LOOK') }}").reveal() == "up"
    assert _render("{{ lookup('pipe', 'echo up') }}").reveal() == "up"


def test_a_secret_is_never_written() -> None:
    import copy  # noqa: PLC0415 - two ways of writing, used once
    import pickle  # noqa: PLC0415

    secret = secrets.inline(PW, "here")
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(SecretError):
            write(secret)
    assert f"{secret:>60}" == "<secret inline:here>"


@pytest.mark.parametrize(
    ("source", "names", "asked"),
    [
        ("{{ a.b[c] }}", {"a", "c"}, set()),
        ("{{ a | default(b) }}", set(), {"a", "b"}),
        ("{{ a if b is defined else c }}", {"a", "c"}, {"b"}),
        ("{% for x in xs %}{{ x }}{% endfor %}", {"xs"}, set()),
        ("{{ lookup('env', n) }}{{ range(3) }}", {"n"}, set()),
    ],
)
def test_names_in_a_template(source: str, names: set[str], asked: set[str]) -> None:
    assert render.names_in(source) == names
    assert render.find_asked(source) == asked


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (True, True),
        ("a == 1", True),
        (["a == 1", "a == 2"], False),
        ([], True),
        ("{{ a == 1 }}", True),
        ("none", False),
        ("[]", False),
    ],
)
def test_conditions(source: Any, value: bool) -> None:
    assert render.condition(source, {"a": 1}, AT) is value


@pytest.mark.parametrize("source", ["'false'", "s", "'{{ a }}x'", 5, "{{ 'a' }}{{ 1 }}"])
def test_a_condition_must_not_be_a_text_nor_a_secret(source: Any) -> None:
    with pytest.raises(UsageError) as caught:
        render.condition(source, {"a": 1, "s": secrets.inline(PW, "here")}, AT)
    assert caught.value.origin == AT
