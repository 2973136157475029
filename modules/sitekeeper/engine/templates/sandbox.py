"""Jinja's environment for playbooks: sandboxed, strict, true to types, closed to secrets, honest about what is unknown."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.plan import Unknown, UnknownValueError, unknowns
from sitekeeper.engine.templates.lazy import Lazy

if TYPE_CHECKING:
    from jinja2.compiler import Frame


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
        environment: Any = self.environment
        return environment.fill(value.value, {**self.parent, _DEPTH: depth + 1})


_DEPTH = "_sitekeeper_depth"
_JINJAS_OWN = (jinja2.runtime.Context, jinja2.nodes.EvalContext, jinja2.Environment)
"""What a filter may get before its values. A Context is a Mapping of all variables: no argument of the template's."""
_FALSE = frozenset({"false", "no", "off", "0"})
_TRUE = frozenset({"true", "yes", "on", "1"})


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates. ``fill`` fills in the templates inside a variable's value."""

    code_generator_class = _Generator
    context_class = _Context
    intercepted_binops = frozenset({"%"})

    def __init__(self, fill: Callable[[Any, Mapping[str, Any]], Any]) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.filters = {name: _secret_aware(name, function) for name, function in self.filters.items()}
        self.filters["bool"] = _secret_aware("bool", _as_bool)
        tests: Any = self.tests  # Jinja declares them as `function`
        self.tests = {name: _unknown_aware(name, function) for name, function in tests.items()}
        self.globals["lookup"] = _lookup
        self.fill = fill

    @staticmethod
    def joined(parts: tuple[Any, ...]) -> Any:
        return join_parts(list(parts))

    def call_binop(self, context: Any, operator_: str, left: Any, right: Any) -> Any:
        for unknown in unknowns([left, right]):
            raise UnknownValueError(unknown)
        if secrets.find([left, right]):
            return secrets.derive("%", operator.mod, (left, right), {})
        return super().call_binop(context, operator_, left, right)

    def call(self, context: Any, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        name = getattr(method, "__name__", "call")
        of_text = isinstance(getattr(method, "__self__", None), str) or name in {"format", "format_map"}
        for unknown in unknowns([*args, *kwargs.values()]) if of_text else ():
            raise UnknownValueError(unknown)
        if of_text and secrets.find([*args, *kwargs.values()]):
            return secrets.derive(name, method, args, kwargs)
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
            return secrets.derive(name, function, args, kwargs)
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


def join_parts(parts: list[Any]) -> Any:
    """Parts of a text as one: a Secret if one of them is, an Unknown if one of them is."""
    for part in parts:
        if isinstance(part, Unknown):
            return part
        if isinstance(part, jinja2.Undefined):
            str(part)  # raises: an undefined value never becomes a text
    if secrets.find(parts):
        return secrets.combine(parts)
    return "".join(str(part) for part in parts)
