"""Values of keywords, refused at their line when they are not of their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import SecretError, UsageError
from sitekeeper.engine.origin import Origin, Origins
from sitekeeper.engine.templates import render
from sitekeeper.engine.types import parse_duration


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "text": (_is_text, "a text"),
    "pattern": (_is_text, "a text"),
    "order": (_is_text, "a text"),
    "word": (lambda value: _is_text(value) and value.isidentifier(), "a name of letters, digits and _"),
    "mapping": (lambda value: isinstance(value, dict), "a mapping"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "count": (lambda value: _is_number(value) and isinstance(value, int) and value >= 0, "an integer of 0 or more"),
    "percentage": (lambda value: _is_number(value) and 0 <= value <= 100, "a percentage from 0 to 100"),
    "undo": (lambda value: value in ("failure", "block", "play", "never"), "failure, block, play or never"),
    "windows": (lambda value: value in ("one", "any"), "one or any"),
    "list": (lambda value: isinstance(value, list | str), "a list"),
}
"""What a value of a kind is, and how an error calls it."""


def check_value(kind: str, key: str, value: Any, origins: Origins) -> Any:
    """A keyword's value, refused at its line when it is not of its kind.

    Raises:
        UsageError: it is not. SecretError: it is a secret, or holds a password in plain text.

    """
    origin = origins.of()

    def wrong(expected: str) -> UsageError:
        return UsageError(f"`{key}` must be {expected}", origin=origin)

    if isinstance(value, secrets.Secret):
        raise SecretError(f"`{key}` cannot be a secret", origin=origin)
    fits, expected = _SHAPES.get(kind, (lambda _: True, ""))
    if not fits(value):
        raise wrong(expected)
    if kind == "guard" and value == "none":
        return None
    if kind in {"duration", "guard"}:
        try:
            return parse_duration(value)
        except ValueError as error:
            raise UsageError(f"`{key}`: {error}", origin=origin) from None
    if kind == "words":
        words = value if isinstance(value, list) else [value]
        if not all(isinstance(word, str) for word in words):
            raise wrong("words")
        return frozenset(part.strip() for word in words for part in word.split(",") if part.strip())
    if kind == "condition":
        _check_condition(value, origin, wrong)
    if kind == "serial":
        _check_serial(value, wrong)
    if kind in {"mapping", "list"}:
        check_templates(value, origins)
    if key == "vars":
        _no_plain_secrets(value, origins)
    return value


def _check_condition(value: Any, origin: Origin, wrong: Callable[[str], UsageError]) -> None:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            render.check(one if render.is_template(one) else "{{ " + one + " }}", origin)
        elif not isinstance(one, bool):
            raise wrong("an expression")


def _no_plain_secrets(values: dict[str, Any], origins: Origins) -> None:
    for name, value in values.items():
        if secrets.named(name, value) and not isinstance(value, secrets.Secret) and not render.is_template(value):
            raise SecretError(
                f"`{name}` is plain text here, and the journal keeps the text of playbooks",
                origin=replace(origins.of(name), secret=True),
                hint="move it to the inventory, or write !vault, !env, !file",
            )


def _check_serial(value: Any, wrong: Callable[[str], UsageError]) -> None:
    for one in value if isinstance(value, list) else [value]:
        good = (isinstance(one, int) and not isinstance(one, bool) and one > 0) or (
            isinstance(one, str) and one.endswith("%") and one[:-1].isdigit() and 0 < int(one[:-1]) <= 100
        )
        if not good:
            raise wrong("a number of hosts, a percentage, or a list of them")


def check_templates(value: Any, origins: Origins) -> None:
    """Refuse a template that is none, anywhere inside a value, at its place."""
    if isinstance(value, str) and render.is_template(value):
        render.check(value, origins.of())
    elif isinstance(value, list):
        for number, one in enumerate(value):
            check_templates(one, origins.below(number))
    elif isinstance(value, dict):
        for key, one in value.items():
            check_templates(one, origins.below(key))
