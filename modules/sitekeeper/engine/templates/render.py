"""Jinja2 for playbooks: sandboxed, strict, and true to types.

A template that is one expression yields that object unchanged; anything else is a string; nothing is ever evaluated as a
literal. Secrets pass through and stay Secrets.
"""

from __future__ import annotations

import functools
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import meta, nodes

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import SitekeeperError, UsageError
from sitekeeper.engine.plan import Unknown, UnknownValueError
from sitekeeper.engine.templates.sandbox import Sandbox, join_parts

if TYPE_CHECKING:
    from sitekeeper.engine.origin import Origin


@functools.lru_cache(maxsize=4096)
def _compile(source: str) -> tuple[jinja2.Template, bool]:
    """A template ready to run, and whether it is one expression and nothing else."""
    tree = _ENVIRONMENT.parse(source)
    body = tree.body
    single = (
        len(body) == 1
        and isinstance(body[0], nodes.Output)
        and len(body[0].nodes) == 1
        and not isinstance(body[0].nodes[0], nodes.TemplateData)
    )
    return _ENVIRONMENT.from_string(source), single


@functools.lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """Variables that a template cannot do without: not those that it asks for with ``default`` or ``is defined``."""
    tree = _parse(source)
    return frozenset(meta.find_undeclared_variables(tree) - _guard(tree) - set(_ENVIRONMENT.globals))


@functools.lru_cache(maxsize=4096)
def find_asked(source: str) -> frozenset[str]:
    """Variables of which a template asks whether there are such (``default``, ``is defined``)."""
    return frozenset(_guard(_parse(source)))


def _parse(source: str) -> nodes.Template:
    try:
        return _ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"not a template: {error.message}") from None


def _guard(tree: nodes.Template) -> set[str]:
    optional: set[int] = set()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if isinstance(node, nodes.Filter | nodes.Test) and node.name in {"default", "d", "defined", "undefined"}:
            optional |= {id(name) for name in node.find_all(nodes.Name)}
    return {name.name for name in tree.find_all(nodes.Name) if id(name) in optional}


def has_template(value: Any) -> bool:
    """Whether there is anything to be filled in anywhere inside a value."""
    if isinstance(value, list):
        return any(has_template(one) for one in value)
    if isinstance(value, dict):
        return any(has_template(one) for one in value.values())
    return is_template(value)


def is_template(value: Any) -> bool:
    """Whether a value has anything to be filled in."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


def check(source: str, origin: Origin) -> None:
    """Refuse a template that is no Jinja, before anything is started."""
    try:
        _compile(source)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"not a template: {error.message}", origin=origin) from None


def render(value: Any, variables: Mapping[str, Any], origin: Origin) -> Any:
    """Fill in the templates in a value, deep inside lists and mappings.

    Raises:
        UsageError: a template is wrong or uses an undefined variable; points at ``origin``.

    """
    try:
        return _fill(value, variables)
    except UsageError as error:
        raise error.at(origin=origin) from None


def _fill(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _render(value, variables) if is_template(value) else value
    if isinstance(value, list):
        return [_fill(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: _fill(one, variables) for key, one in value.items()}
    return value


def condition(source: Any, variables: Mapping[str, Any], origin: Origin) -> bool:
    """The truth of a bare expression, as in ``when:`` (a YAML boolean is itself, a list means all of them).

    Raises:
        UnknownValueError: in check mode, when it depends on what only applying can tell.

    """
    if isinstance(source, list):
        return all(condition(one, variables, origin) for one in source)
    if isinstance(source, bool):
        return source
    if not isinstance(source, str):
        raise UsageError(f"a condition must be an expression, not {source!r}", origin=origin)
    text = source if is_template(source) else "{{ " + source + " }}"
    value = render(text, variables, origin)
    if isinstance(value, Unknown):
        raise UnknownValueError(value)
    if isinstance(value, str | secrets.Secret):  # "false" would be true
        raise UsageError(
            f"the condition is a text, not true or false: {source}",
            origin=origin,
            hint="compare it, or write `... | bool` or `... | length > 0`",
        )
    return bool(value)


def _render(source: str, variables: Mapping[str, Any]) -> Any:
    try:
        template, single = _compile(source)
        context = template.new_context(dict(variables))
        parts = [_list(part) for part in template.root_render_func(context)]
        if not (single and len(parts) == 1):
            return join_parts(parts)
        _no_undefined(parts[0])
        return parts[0]
    except UnknownValueError as error:
        return error.unknown
    except SitekeeperError:
        raise
    except jinja2.UndefinedError as error:
        raise UsageError(str(error.message), hint="check the name, or give it a value in vars") from None
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"not a template: {error.message}") from None
    except jinja2.exceptions.SecurityError as error:
        raise UsageError(f"refused in a template: {error.message}") from None
    except Exception as error:  # noqa: BLE001 - filters and methods raise anything; it is the template's failure
        raise UsageError(f"template failed: {type(error).__name__}: {error}") from None


def _list(value: Any) -> Any:
    """A list out of what can be walked through only once, or is no list by its type alone."""
    return list(value) if isinstance(value, Iterator | range | KeysView | ValuesView | ItemsView) else value


def _no_undefined(value: Any) -> None:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, with Jinja's own words about what is undefined
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for one in inside:
        _no_undefined(one)


_ENVIRONMENT = Sandbox(_fill)
