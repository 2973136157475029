"""Values of keywords, refused at their line when they are not of their kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import SecretError, UsageError
from sitekeeper.engine.origin import Origins
from sitekeeper.engine.templates import render
from sitekeeper.engine.types import parse_duration


def checked(kind: str, key: str, value: Any, origins: Origins) -> Any:
    """A keyword's value, refused at its line when it is not of its kind."""
    origin = origins.of()

    def wrong(expected: str) -> UsageError:
        return UsageError(f"`{key}` must be {expected}", origin=origin)

    if isinstance(value, secrets.Secret):
        raise SecretError(f"`{key}` cannot be a secret", origin=origin)
    if kind in {"text", "pattern", "word", "order"} and not isinstance(value, str):
        raise wrong("a text")
    if kind == "word" and not str(value).isidentifier():
        raise wrong("a name of letters, digits and _")
    if kind == "mapping" and not isinstance(value, dict):
        raise wrong("a mapping")
    if kind == "flag" and not isinstance(value, bool):
        raise wrong("true or false")
    if kind == "count" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise wrong("a number")
    if kind == "percentage" and (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100
    ):
        raise wrong("a percentage from 0 to 100")
    if kind == "undo" and value not in ("failure", "block", "play", "never"):
        raise wrong("failure, block, play or never")
    if kind == "windows" and value not in ("one", "any"):
        raise wrong("one or any")
    if kind == "list" and not isinstance(value, list | str):
        raise wrong("a list")
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
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                render.check(one if render.is_template(one) else "{{ " + one + " }}", origin)
            elif not isinstance(one, bool):
                raise wrong("an expression")
    if kind == "serial":
        _check_serial(value, wrong)
    if kind in {"mapping", "list"}:
        check_templates(value, origins)
    if key == "vars":
        _no_plain_secrets(value, origins)
    return value


def _no_plain_secrets(values: dict[str, Any], origins: Origins) -> None:
    for name, value in values.items():
        if secrets.named(name, value) and not isinstance(value, secrets.Secret) and not render.is_template(value):
            raise SecretError(
                f"`{name}` stands here in plain text, and the journal keeps the text of playbooks",
                origin=replace(origins.of(name), secret=True),
                hint="put it into the inventory, or write !vault, !env, !file",
            )


def _check_serial(value: Any, wrong: Any) -> None:
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
