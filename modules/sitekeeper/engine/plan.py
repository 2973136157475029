"""What a task would do, found out by reading only. Check mode and diff are the plan and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NoReturn, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

ResultT = TypeVar("ResultT", bound="Result")
IntentT = TypeVar("IntentT", bound="Record | None")


class Record(BaseModel):
    """Base of everything that the journal keeps: frozen, complete, versioned by its class."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)


class Check(Record):
    """One thing that was looked at, and what came of it."""

    name: str
    status: Literal["ok", "warning", "failed"]
    said: str
    """What was found."""
    consequence: str = ""
    """What it means for whoever needs this one day, in plain words; where it is not ok."""
    hint: str = ""
    """What to do about it."""


class Result(Record):
    """What a task answers. ``register:`` gives it to later tasks."""

    changed: bool = False
    """Whether anything was changed."""
    msg: str = ""
    """What was done, or why there was nothing to do."""
    partial: str = ""
    """Why this is worth less than was asked for; the run then ends as a partial failure."""

    @property
    def failed(self) -> bool:
        """False: a task that failed (and went on with ``ignore_errors``) registers no result of its module."""
        return False

    @property
    def skipped(self) -> bool:
        """False: a task that was skipped registers no result of its module."""
        return False

    def summary(self) -> dict[str, Any]:
        """What the run's summary table shows of it."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Variables that it sets for later tasks of the host."""
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A value that only applying ``task`` can tell. It passes through templates unchanged.

    Whoever needs the value itself (to compare, count or judge it) gets an UnknownValueError, never a guess.
    """

    task: str

    def __str__(self) -> str:
        return f"known after {self.task}"

    def _needed(self, *_: object) -> NoReturn:
        raise UnknownValueError(self)

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _needed
    __iter__ = __len__ = __contains__ = __int__ = __float__ = _needed
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _needed
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __neg__ = __call__ = __fspath__ = _needed
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnknownValueError(self)


T = TypeVar("T")
Known: TypeAlias = T | Unknown
"""``Known[str]``: a field of a result whose value check mode may not know; ``known`` gives the value itself."""


class UnknownValueError(Exception):
    """A condition or parameter needs an Unknown's value now."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(str(unknown))
        self.unknown = unknown


def require_known(value: Known[T]) -> T:
    """The value itself.

    Raises:
        UnknownValueError: only applying can tell it.

    """
    if isinstance(value, Unknown):
        raise UnknownValueError(value)
    return value


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a diff: the thing, what it is, and what it would become."""

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Covers:
    """What a change needs the switch for."""

    services: tuple[str, ...] = ()
    """Services to be started again, in this order."""
    hosts: tuple[str, ...] = ()
    """Hosts on which something is left that must be dropped after the longer time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[IntentT, ResultT]):
    """A module's plan. Without ``changes`` there is nothing to do and ``result`` is the task's result."""

    result: ResultT
    """The result, as far as reading can tell it."""
    changes: tuple[Change, ...] = ()
    intent: IntentT | None = None
    """What ``undo`` will need if nothing else is ever written: journaled before ``apply``."""

    @property
    def intended(self) -> IntentT:
        """The intent of a plan that has changes.

        Raises:
            ValueError: the module planned changes and no intent: a bug of the module.

        """
        if self.intent is None:
            raise ValueError("a plan with changes has no intent")
        return self.intent


def unknowns(value: Any) -> list[Unknown]:
    """All Unknowns inside a value: lists, mappings and results."""
    if isinstance(value, Unknown):
        return [value]
    if isinstance(value, list | tuple):
        return [found for one in value for found in unknowns(one)]
    if isinstance(value, Mapping):
        return [found for one in value.values() for found in unknowns(one)]
    if isinstance(value, BaseModel):
        return [found for one in value.__dict__.values() for found in unknowns(one)]
    return []
