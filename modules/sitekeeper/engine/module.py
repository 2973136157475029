"""The form of a module: one file, one name, three methods. Read ``plan``, ``apply``, ``undo``.

``plan`` reads and answers what would change; ``apply`` makes exactly that; ``undo`` takes it back from the intent alone,
after a half-made change, twice in a row, from another process, days later.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.plan import Covers, Plan, Record, Result
from sitekeeper.engine.session import Context

Allowed = tuple[str, ...] | str
"""Values, or a regular expression (of Python and .NET alike) that a whole value matches."""
UndoPolicy = Literal["failure", "block", "play", "never"]
AREAS = ("core", "site", "sql", "store", "windows")


class Params(BaseModel):
    """A module's parameters: frozen, no unknown names, no conversions but those of ``engine/types.py``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """What a module sends to a host. A session refuses everything else, and roles are generated from it."""

    cmdlets: Mapping[str, Mapping[str, Allowed]] = field(default_factory=dict)
    """Cmdlet -> parameter -> what may be given there."""
    functions: tuple[str, ...] = ()
    """Functions of ``powershell/``."""
    rights: str = ""
    """What the account must be allowed to do, in words."""

    def allows(self, command: str, arguments: Mapping[str, Any]) -> bool:
        """Whether a command was declared, and each of its arguments. Functions check theirs themselves."""
        if command in self.functions:
            return True
        declared = self.cmdlets.get(command)
        return declared is not None and all(
            name in declared
            and all(fits(one, declared[name]) for one in (value if isinstance(value, list) else [value]))
            for name, value in arguments.items()
        )


def fits(value: Any, allowed: Allowed) -> bool:
    """Whether an argument is one of the values, or matches the expression as a whole; neither minds upper and lower case."""
    text = str(value)
    if isinstance(allowed, str):
        return re.fullmatch(allowed, text, re.IGNORECASE) is not None
    return text.lower() in {one.lower() for one in allowed}


ParamsT = TypeVar("ParamsT", bound=Params)
IntentT = TypeVar("IntentT", bound=Record | None)
ResultT = TypeVar("ResultT", bound=Result)


class Module(Generic[ParamsT, IntentT, ResultT]):
    """Base of all modules; a subclass names its parameters, intent (None where undo needs nothing) and result in its header.

    Each attempt at a task has an instance of its own: what ``plan`` found and ``apply`` needs besides parameters and intent may
    be kept in it. ``undo`` must not need that: it may run in another process.
    """

    needs: ClassVar[Needs] = Needs()
    reversible: ClassVar[bool] = False
    """Whether ``undo`` exists. A reversible module is taken back on failure unless the task says otherwise."""
    on_host: ClassVar[bool] = True
    """Whether ``apply`` changes a host (then under its lease) and not only the control host."""
    stands_alone: ClassVar[bool] = False
    """Whether nothing else that a play does depends on it, nor on what is left of it. Then a lost connection is a failure of its
    task alone, and ``ignore_errors`` passes over a change that cannot be taken back at once: it is tried again at the play's end."""
    called: ClassVar[str] = ""
    """Name of a module from outside, set from its entry point."""
    params_type: ClassVar[type[Params]]
    intent_type: ClassVar[type[Record] | None]
    result_type: ClassVar[type[Result]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            if get_origin(base) is Module:
                cls.params_type, intent, cls.result_type = get_args(base)
                cls.intent_type = None if intent is type(None) else intent

    @classmethod
    def name(cls) -> str:
        """The name in playbooks: area and file, e.g. ``windows.service``; of others the name of their entry point."""
        if cls.called:
            return cls.called
        area, file = cls.__module__.rsplit(".", 2)[-2:]
        return f"{area}.{file.removesuffix('_')}"

    def covers(self, intent: IntentT) -> Covers:
        """What a guard around this change must take care of while we are not heard from."""
        return Covers()

    def leaves_down(self, params: Mapping[str, Any]) -> bool:
        """Whether services stay stopped after a task with these parameters (as written, templates unfilled) until it is undone."""
        return False

    def machines(self, params: ParamsT) -> tuple[str, ...]:
        """Identities of machines that belong to this play alone from now on: each is a limit of 1 by itself."""
        return ()

    def plan(self, ctx: Context, params: ParamsT) -> Plan[IntentT, ResultT]:
        """Look, touch nothing, and answer what would change."""
        raise NotImplementedError

    def apply(self, ctx: Context, params: ParamsT, plan: Plan[IntentT, ResultT]) -> ResultT:
        """Make the planned change; ``params`` are those that were planned."""
        raise NotImplementedError

    def in_place(self, ctx: Context, intent: IntentT, outcome: ResultT, generation: int) -> bool:
        """Whether a change is still what it was made to be, found out by looking: only then a resumed run builds on it.

        ``generation`` is the lease's now.
        """
        return False

    def made(self, ctx: Context, intent: IntentT) -> ResultT | None:
        """What a change came to that a dead process left without its outcome, where it is certain that it was made.

        For changes that cannot be taken back and must not be made twice.
        """
        return None

    def undo(self, ctx: Context, intent: IntentT, outcome: ResultT | None) -> str:
        """Take a change back; answers in words what was done.

        Raises:
            UndoError: it could not, or cannot tell; says what to look at.

        """
        raise NotImplementedError


@cache
def available() -> Mapping[str, type[Module[Any, Any, Any]]]:
    """All modules by name: the built-in ones by walking the package, others by entry point ``sitekeeper.modules``."""
    found: dict[str, type[Module[Any, Any, Any]]] = {}
    for area in AREAS:
        package = importlib.import_module(f"sitekeeper.{area}")
        for info in pkgutil.iter_modules(package.__path__):
            if info.ispkg:
                continue
            python = importlib.import_module(f"sitekeeper.{area}.{info.name}")
            for value in vars(python).values():
                if isinstance(value, type) and issubclass(value, Module) and value.__module__ == python.__name__:
                    found[value.name()] = value
    for entry in entry_points(group="sitekeeper.modules"):
        found[entry.name] = entry.load()
        found[entry.name].called = entry.name
    return found


def find(name: str) -> type[Module[Any, Any, Any]]:
    """A module by name.

    Raises:
        UsageError: there is none; names the nearest.

    """
    modules = available()
    if name in modules:
        return modules[name]
    near = get_close_matches(name, modules, 1) or [known for known in modules if known.endswith(f".{name}")]
    raise UsageError(
        f"no module `{name}`", hint=f"did you mean `{near[0]}`?" if near else "see: sitekeeper modules list"
    )
