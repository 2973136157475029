"""Which of many cases of one kind run in `make test`, and which only in `make sweeps`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest


def first_then_sweeps(cases: Iterable[Any], name: Callable[[Any], str] = str, plain: int = 1) -> list[Any]:
    """The first cases as they are, the others marked as sweeps."""
    return [
        pytest.param(one, id=name(one), marks=() if number < plain else pytest.mark.sweep)
        for number, one in enumerate(cases)
    ]


def some_then_sweeps(cases: Iterable[Any], name: Callable[[Any], str] = str, step: int = 4) -> list[Any]:
    """Every so many-th case as it is, the others marked as sweeps."""
    return [
        pytest.param(one, id=name(one), marks=pytest.mark.sweep if number % step else ())
        for number, one in enumerate(cases)
    ]


def these_then_sweeps(cases: Iterable[Any], plain: Collection[str], name: Callable[[Any], str] = str) -> list[Any]:
    """The named cases as they are, the others marked as sweeps."""
    made = [pytest.param(one, id=name(one), marks=() if name(one) in plain else pytest.mark.sweep) for one in cases]
    missing = set(plain) - {str(one.id) for one in made}
    assert not missing, f"no case {', '.join(sorted(missing))}"
    return made
