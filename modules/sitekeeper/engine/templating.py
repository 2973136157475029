"""Jinja2 for playbooks: sandboxed, strict, and true to types.

A template that is one expression yields that object unchanged; anything else is a string; nothing is ever evaluated as a
literal. Secrets pass through and stay Secrets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import meta, nodes
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.lazy import Lazy
from sitekeeper.engine.plan import Unknown, UnknownValueError

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


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Generator
    context_class = _Context

    def __init__(self) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
        self.filters = {name: _secret_aware(name, function) for name, function in self.filters.items()}
        self.globals["lookup"] = _lookup

    @staticmethod
    def joined(parts: tuple[Any, ...]) -> Any:
        return _join(list(parts))

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
        for one in args:
            if isinstance(one, Unknown):
                return one
        if secrets.find([*args, *kwargs.values()]):
            if name == "default" and args and isinstance(args[0], secrets.Secret):
                return args[0]
            return secrets.derived(name, function, args, kwargs)
        return function(*args, **kwargs)

    return wrapped


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


def names_in(source: str) -> set[str]:
    """Variables that a template cannot do without: not those that it asks for with ``default`` or ``is defined``."""
    tree = _ENVIRONMENT.parse(source)
    optional: set[int] = set()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if isinstance(node, nodes.Filter | nodes.Test) and node.name in {"default", "d", "defined", "undefined"}:
            optional |= {id(name) for name in node.find_all(nodes.Name)}
    guarded = {name.name for name in tree.find_all(nodes.Name) if id(name) in optional}
    return meta.find_undeclared_variables(tree) - guarded - set(_ENVIRONMENT.globals)


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
    if isinstance(value, str) and is_template(source):
        raise UsageError(f"the condition is a text, not true or false: {source}", origin=origin)
    return bool(value)


def _rendered(source: str, variables: Mapping[str, Any]) -> Any:
    try:
        template, single = _compiled(source)
        context = template.new_context(dict(variables))
        parts = list(template.root_render_func(context))
        if not (single and len(parts) == 1):
            return _join(parts)
    except UnknownValueError as error:
        return error.unknown
    except jinja2.UndefinedError as error:
        raise UsageError(str(error.message), hint="check the name, or give it a value in vars") from None
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"not a template: {error.message}") from None
    except jinja2.exceptions.SecurityError as error:
        raise UsageError(f"refused in a template: {error.message}") from None
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise UsageError(f"template failed: {error}") from None
    value = parts[0]
    if isinstance(value, jinja2.Undefined):
        raise UsageError(
            f"`{value._undefined_name}` is undefined",  # noqa: SLF001 - Jinja has no public name for it
            hint="check the name, or give it a value in vars",
        )
    return value
