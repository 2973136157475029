"""What a task makes of its checks: the error of one that refuses, and the warnings in a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.plan import Check

E = TypeVar("E", bound=SitekeeperError)


def find_failed(checks: Sequence[Check]) -> list[Check]:
    """The checks that failed."""
    return [one for one in checks if one.status == "failed"]


def build_refusal(kind: type[E], text: str, checks: Sequence[Check], hint: str | None = None) -> E:
    """The error of a task that refuses: ``text``, then every check that failed; the report shows all of them."""
    refused = kind(f"{text}: " + "; ".join(f"{one.name}: {one.said}" for one in find_failed(checks)), hint=hint)
    refused.checks = tuple(checks)
    return refused


def show_warnings(checks: Sequence[Check]) -> str:
    """``; warning: clock: 90 s apart`` for each warning, to be put behind a message."""
    return "".join(f"; warning: {one.name}: {one.said}" for one in checks if one.status == "warning")
