"""Jinja2 for playbooks: sandboxed, strict, and true to types.

A template that is one expression yields that object unchanged; anything else is a string; nothing is ever evaluated as a
literal. Secrets pass through and stay Secrets.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import meta, nodes
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import SitekeeperError, UsageError
from sitekeeper.engine.lazy import Lazy
from sitekeeper.engine.plan import Unknown, UnknownValueError, unknowns

if TYPE_CHECKING:
    from jinja2.compiler import Frame

    from sitekeeper.engine.origin import Origin


class _Generator(NativeCodeGenerator):
    """Hands every expression's object on as it is: no folding of constants into text, no str()."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if isinstance(node, nodes.TemplateData):
            return str(super()._output_child_to_const(node, frame, finalize))
        raise nodes.Impossible

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - the name is Jinja's
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Context(jinja2.runtime.Context):
    """Fills in a variable's own templates when it is used."""

    def resolve_or_missing(self, key: str) -> Any:
        value = super().resolve_or_missing(key)
        if not isinstance(value, Lazy):
            return value
        depth = self.parent.get(_DEPTH, 0)
        if depth > 20:
            raise UsageError(f"`{key}` refers to itself")
        return _filled(value.value, {**self.parent, _DEPTH: depth + 1})


_DEPTH = "_sitekeeper_depth"
_JINJAS_OWN = (jinja2.runtime.Context, jinja2.nodes.EvalContext, jinja2.Environment)
"""What a filter may get before its values. A Context is a Mapping of all variables: no argument of the template's."""
_FALSE = frozenset({"false", "no", "off", "0"})
_TRUE = frozenset({"true", "yes", "on", "1"})


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Generator
    context_class = _Context
    intercepted_binops = frozenset({"%"})

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.filters = {name: _secret_aware(name, function) for name, function in self.filters.items()}
        self.filters["bool"] = _secret_aware("bool", _as_bool)
        tests: Any = self.tests  # Jinja declares them as `function`
        self.tests = {name: _unknown_aware(name, function) for name, function in tests.items()}
        self.globals["lookup"] = _lookup

    @staticmethod
    def joined(parts: tuple[Any, ...]) -> Any:
        return _join(list(parts))

    def call_binop(self, context: Any, operator_: str, left: Any, right: Any) -> Any:
        for unknown in unknowns([left, right]):
            raise UnknownValueError(unknown)
        if secrets.find([left, right]):
            return secrets.derived("%", operator.mod, (left, right), {})
        return super().call_binop(context, operator_, left, right)

    def call(self, context: Any, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        name = getattr(method, "__name__", "call")
        of_text = isinstance(getattr(method, "__self__", None), str) or name in {"format", "format_map"}
        for unknown in unknowns([*args, *kwargs.values()]) if of_text else ():
            raise UnknownValueError(unknown)
        if of_text and secrets.find([*args, *kwargs.values()]):
            return secrets.derived(name, method, args, kwargs)
        return super().call(context, method, *args, **kwargs)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, secrets.Secret):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Unknown):
            return obj
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Unknown):
            return obj
        return super().getitem(obj, argument)


def _secret_aware(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        given = [one for one in args if not isinstance(one, _JINJAS_OWN)]
        for one in given:
            if isinstance(one, Unknown):
                return one
        if name not in {"default", "d"} and secrets.find([*given, *kwargs.values()]):
            return secrets.derived(name, function, args, kwargs)
        return function(*args, **kwargs)

    return wrapped


def _unknown_aware(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A test of an Unknown is not answered, but for whether there is something at all."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        for one in args:
            if isinstance(one, Unknown) and name not in {"defined", "undefined"}:
                raise UnknownValueError(one)
        return function(*args, **kwargs)

    return wrapped


def _as_bool(value: Any) -> bool:
    """Ansible's ``bool`` filter; what is neither true nor false is refused."""
    text = str(value).lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError(f"{value!r} is neither true nor false")


def _lookup(kind: str, name: str) -> secrets.Secret:
    """Ansible's ``lookup('env', NAME)``, ``lookup('file', PATH)`` and ``lookup('pipe', COMMAND)``; each answers a Secret."""
    makers = {"env": secrets.from_env, "file": secrets.from_file, "pipe": secrets.from_command}
    if kind not in makers:
        raise UsageError(f"lookup('{kind}') is not available", hint="available: env, file, pipe")
    return makers[kind](name)


def _join(parts: list[Any]) -> Any:
    for part in parts:
        if isinstance(part, Unknown):
            return part
        if isinstance(part, jinja2.Undefined):
            str(part)  # raises: an undefined value never becomes a text
    if secrets.find(parts):
        return secrets.combine(parts)
    return "".join(str(part) for part in parts)


_ENVIRONMENT = _Environment()


@functools.lru_cache(maxsize=4096)
def _compiled(source: str) -> tuple[jinja2.Template, bool]:
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
    tree = _ENVIRONMENT.parse(source)
    return frozenset(meta.find_undeclared_variables(tree) - _guarded(tree) - set(_ENVIRONMENT.globals))


@functools.lru_cache(maxsize=4096)
def asked_for(source: str) -> frozenset[str]:
    """Variables of which a template asks whether there are such (``default``, ``is defined``)."""
    return frozenset(_guarded(_ENVIRONMENT.parse(source)))


def _guarded(tree: nodes.Template) -> set[str]:
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
        _compiled(source)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"not a template: {error.message}", origin=origin) from None


def render(value: Any, variables: Mapping[str, Any], origin: Origin) -> Any:
    """Fill in the templates in a value, deep inside lists and mappings.

    Raises:
        UsageError: a template is wrong or uses an undefined variable; points at ``origin``.

    """
    try:
        return _filled(value, variables)
    except UsageError as error:
        raise error.at(origin=origin) from None


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _rendered(value, variables) if is_template(value) else value
    if isinstance(value, list):
        return [_filled(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, variables) for key, one in value.items()}
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
            f"the condition is a text, not true or false: {source}", origin=origin,
            hint="compare it, or write `... | bool` or `... | length > 0`",
        )  # fmt: skip
    return bool(value)


def _rendered(source: str, variables: Mapping[str, Any]) -> Any:
    try:
        template, single = _compiled(source)
        context = template.new_context(dict(variables))
        parts = [_listed(part) for part in template.root_render_func(context)]
        if not (single and len(parts) == 1):
            return _join(parts)
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


def _listed(value: Any) -> Any:
    """A list out of what can be walked through only once, or is no list by its type alone."""
    return list(value) if isinstance(value, Iterator | range | KeysView | ValuesView | ItemsView) else value


def _no_undefined(value: Any) -> None:
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises, with Jinja's own words about what is undefined
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for one in inside:
        _no_undefined(one)
