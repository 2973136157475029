"""Playbooks as frozen values with origins. Everything that can be refused by reading is refused here, before any host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sitekeeper.engine import module as modules
from sitekeeper.engine import templating, yamlfile
from sitekeeper.engine.errors import SecretError, UsageError
from sitekeeper.engine.keywords import ANSIBLE_ONLY, KEYWORDS
from sitekeeper.engine.module import Module, UndoPolicy
from sitekeeper.engine.origin import Origin, Origins
from sitekeeper.engine.secrets import Secret
from sitekeeper.engine.types import parse_duration
from sitekeeper.engine.validation import parameter_error

ORDERS = ("inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle", "children_first", "parents_first")
INCLUDE = "core.include_tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task: a module with its parameters, and the keywords around it."""

    path: str
    """Where it is in the playbook, e.g. ``0.tasks.4.block.1``: the journal's name for it."""
    name: str
    module: type[Module[Any, Any]]
    params: dict[str, Any]
    origins: Origins
    """Looks from the parameters."""
    origin: Origin
    vars: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    when: Any = True
    register: str | None = None
    loop: Any = None
    retries: int = 0
    until: Any = None
    delay: timedelta = timedelta(seconds=5)
    failed_when: Any = None
    ignore_errors: bool = False
    undo: UndoPolicy = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Tasks that share keywords; an include is a block of the included file's tasks."""

    path: str
    name: str
    tasks: tuple[Task | Block, ...]
    rescue: tuple[Task | Block, ...] = ()
    always: tuple[Task | Block, ...] = ()
    origin: Origin
    vars: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    when: Any = True
    loop: Any = None
    scoped: bool = True
    """False for an include: ``undo: block`` in it belongs to the block around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Tasks for some hosts."""

    path: str
    name: str
    hosts: str
    tasks: tuple[Task | Block, ...]
    origin: Origin
    origins: Origins
    vars: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    order: str = "inventory"
    serial: tuple[str | int, ...] = ()
    max_fail_percentage: float = 100.0

    def walk(self) -> Iterator[tuple[Task, tuple[Block, ...]]]:
        """Every task with the blocks around it, in the order of the file."""
        yield from _walk(self.tasks, ())


@dataclass(frozen=True, slots=True)
class Playbook:
    """A file of plays."""

    file: str
    plays: tuple[Play, ...]
    texts: dict[str, str]
    """Source text of every file it is made of, by name."""


def _walk(items: tuple[Task | Block, ...], around: tuple[Block, ...]) -> Iterator[tuple[Task, tuple[Block, ...]]]:
    for item in items:
        if isinstance(item, Task):
            yield item, around
        else:
            for part in (item.tasks, item.rescue, item.always):
                yield from _walk(part, (*around, item))


def load(file: Path, vault_password: Secret | None = None) -> Playbook:
    """Read and check a playbook.

    Raises:
        UsageError: anything in it is wrong; points at the line.

    """
    return _Reader(vault_password).playbook(file)


class _Reader:
    def __init__(self, vault_password: Secret | None) -> None:
        self.vault_password = vault_password
        self.texts: dict[str, str] = {}
        self.including: tuple[Path, ...] = ()

    def document(self, file: Path) -> yamlfile.Document:
        document = yamlfile.load(file, vault_password=self.vault_password)
        self.texts[str(file)] = file.read_text(encoding="utf-8")
        return document

    def playbook(self, file: Path) -> Playbook:
        document = self.document(file)
        if not isinstance(document.value, list) or not document.value:
            raise UsageError("a playbook is a list of plays", origin=document.origins.of())
        plays = tuple(
            self.play(body, document.origins.below(number), str(number), file)
            for number, body in enumerate(document.value)
        )
        return Playbook(str(file), plays, self.texts)

    def play(self, body: Any, origins: Origins, path: str, file: Path) -> Play:
        keys = self.keywords(body, origins, "play")
        if "hosts" not in keys:
            raise UsageError("a play needs `hosts`", origin=origins.of())
        if "tasks" not in keys:
            raise UsageError("a play needs `tasks`", origin=origins.of())
        order = keys.get("order", "inventory")
        if order not in ORDERS:
            raise UsageError(f"`{order}` is no order", origin=origins.of("order"), hint=f"one of {', '.join(ORDERS)}")
        serial = keys.get("serial", ())
        return Play(
            path=path,
            name=keys.get("name", keys["hosts"]),
            hosts=keys["hosts"],
            tasks=self.tasks(body["tasks"], origins.below("tasks"), f"{path}.tasks", file, in_block=False),
            origin=origins.of(),
            origins=origins,
            vars=keys.get("vars", {}),
            tags=keys.get("tags", frozenset()),
            order=order,
            serial=tuple(serial) if isinstance(serial, list | tuple) else (serial,),
            max_fail_percentage=float(keys.get("max_fail_percentage", 100.0)),
        )

    def tasks(self, items: Any, origins: Origins, path: str, file: Path, *, in_block: bool) -> tuple[Task | Block, ...]:
        if not isinstance(items, list):
            raise UsageError("expected a list of tasks", origin=origins.of())
        return tuple(
            self.task_or_block(item, origins.below(number), f"{path}.{number}", file, in_block=in_block)
            for number, item in enumerate(items)
        )

    def task_or_block(self, body: Any, origins: Origins, path: str, file: Path, *, in_block: bool) -> Task | Block:
        if not isinstance(body, dict):
            raise UsageError("a task is a mapping", origin=origins.of())
        return (
            self.block(body, origins, path, file)
            if "block" in body
            else self.task(body, origins, path, file, in_block=in_block)
        )

    def block(self, body: dict[str, Any], origins: Origins, path: str, file: Path) -> Block:
        keys = self.keywords(body, origins, "block")

        def part(name: str, *, in_block: bool) -> tuple[Task | Block, ...]:
            if name not in body:
                return ()
            return self.tasks(body[name], origins.below(name), f"{path}.{name}", file, in_block=in_block)

        return Block(
            path=path, name=keys.get("name", "block"), origin=origins.of(),
            tasks=part("block", in_block=True), rescue=part("rescue", in_block=False), always=part("always", in_block=False),
            vars=keys.get("vars", {}), tags=keys.get("tags", frozenset()), when=keys.get("when", True),
        )  # fmt: skip

    def task(self, body: dict[str, Any], origins: Origins, path: str, file: Path, *, in_block: bool) -> Task | Block:
        names = [key for key in body if key not in KEYWORDS]
        for key in names:
            if key in ANSIBLE_ONLY:
                raise UsageError(f"`{key}` does not exist here", origin=origins.of_key(key), hint=ANSIBLE_ONLY[key])
        if not names:
            raise UsageError("this task names no module", origin=origins.of(), hint="see: sitekeeper modules list")
        if len(names) > 1:
            self.refuse_extra(names, origins)
        name = names[0]
        keys = self.keywords({key: value for key, value in body.items() if key != name}, origins, "task")
        params = body[name] if body[name] is not None else {}
        if name == INCLUDE:
            return self.include(params, keys, origins, path, file, in_block=in_block)
        try:
            found = modules.find(name)
        except UsageError as error:
            near = get_close_matches(name, KEYWORDS, 1)
            hint = f"did you mean the keyword `{near[0]}`?" if near and "." not in name else error.hint
            raise UsageError(error.message, origin=origins.of_key(name), hint=hint) from None
        if not isinstance(params, dict):
            raise UsageError(f"parameters of {name} are written as a mapping", origin=origins.of(name))
        self.check_params(found, params, origins.below(name))
        undo = self.undo_of(keys, found, origins, in_block=in_block)
        return Task(
            path=path, name=keys.get("name", name), module=found, params=params, origins=origins.below(name),
            origin=origins.of_key(name), vars=keys.get("vars", {}), tags=keys.get("tags", frozenset()),
            when=keys.get("when", True), register=keys.get("register"), loop=keys.get("loop"),
            retries=keys.get("retries", 3 if "until" in keys else 0), until=keys.get("until"),
            delay=keys.get("delay", timedelta(seconds=5)), failed_when=keys.get("failed_when"),
            ignore_errors=keys.get("ignore_errors", False), undo=undo,
        )  # fmt: skip

    def refuse_extra(self, names: list[str], origins: Origins) -> None:
        unknown = [name for name in names if name != INCLUDE and name not in modules.available()]
        wrong = unknown[0] if unknown else names[1]
        near = get_close_matches(wrong, [*KEYWORDS, *modules.available()], 1)
        raise UsageError(
            f"`{wrong}` is neither a keyword nor a module" if unknown else f"one task, one module: `{wrong}` is a second one",
            origin=origins.of_key(wrong), hint=f"did you mean `{near[0]}`?" if near else None,
        )  # fmt: skip

    def include(
        self, params: Any, keys: dict[str, Any], origins: Origins, path: str, file: Path, *, in_block: bool
    ) -> Block:
        target = params.get("file") if isinstance(params, dict) else params
        origin = origins.of(INCLUDE)
        if not isinstance(target, str) or templating.is_template(target):
            raise UsageError("core.include_tasks takes the name of a file, written out", origin=origin)
        included = file.parent / target
        if included in self.including:
            raise UsageError(f"{target} includes itself", origin=origin)
        self.including += (included,)
        try:
            document = self.document(included)
        except UsageError as error:
            raise (
                error.at() if error.origin and error.origin.line else UsageError(error.message, origin=origin)
            ) from None
        tasks = self.tasks(document.value or [], document.origins, f"{path}.include", included, in_block=in_block)
        self.including = self.including[:-1]
        return Block(
            path=path, name=keys.get("name", f"include {target}"), tasks=tasks, origin=origin, scoped=False,
            vars=keys.get("vars", {}), tags=keys.get("tags", frozenset()), when=keys.get("when", True), loop=keys.get("loop"),
        )  # fmt: skip

    def undo_of(
        self, keys: dict[str, Any], found: type[Module[Any, Any]], origins: Origins, *, in_block: bool
    ) -> UndoPolicy:
        if "undo" not in keys:
            return "failure" if found.reversible else "never"
        policy: UndoPolicy = keys["undo"]
        if not found.reversible and policy != "never":
            raise UsageError(f"{found.name()} has nothing to undo", origin=origins.of("undo"))
        if policy == "block" and not in_block:
            raise UsageError(
                "`undo: block` outside of a block",
                origin=origins.of("undo"),
                hint="use play, or put the task into a block",
            )
        return policy

    def check_params(self, found: type[Module[Any, Any]], params: dict[str, Any], origins: Origins) -> None:
        """Refuse unknown names, templates that are none, and written-out values of the wrong type."""
        open_fields = {key for key, value in params.items() if templating.has_template(value)}
        for key, value in params.items():
            _check_templates(value, origins.below(key))
        try:
            found.params_type.model_validate(params)
        except ValidationError as error:
            left = [one for one in error.errors() if not one["loc"] or one["loc"][0] not in open_fields]
            if left:
                raise parameter_error(found, left[0], origins) from None

    def keywords(self, body: Any, origins: Origins, level: str) -> dict[str, Any]:
        """The keywords of a play, block or task, each checked by its kind."""
        if not isinstance(body, dict):
            raise UsageError(f"a {level} is a mapping", origin=origins.of())
        taken: dict[str, Any] = {}
        for key, value in body.items():
            keyword = KEYWORDS.get(key)
            if key in ANSIBLE_ONLY:
                raise UsageError(f"`{key}` does not exist here", origin=origins.of_key(key), hint=ANSIBLE_ONLY[key])
            if keyword is None:
                near = get_close_matches(str(key), KEYWORDS, 1)
                hint = f"did you mean `{near[0]}`?" if near else None
                raise UsageError(f"`{key}` is no keyword of a {level}", origin=origins.of_key(str(key)), hint=hint)
            if not keyword.ready:
                raise UsageError(f"`{key}` is not yet available", origin=origins.of_key(key))
            if level not in keyword.levels:
                raise UsageError(
                    f"`{key}` does not belong on a {level}", origin=origins.of_key(key),
                    hint=f"it belongs on a {' or '.join(sorted(keyword.levels))}",
                )  # fmt: skip
            taken[key] = _checked(keyword.kind, key, value, origins.below(key))
        return taken


def _checked(kind: str, key: str, value: Any, origins: Origins) -> Any:
    """A keyword's value, refused at its line when it is not of its kind."""
    origin = origins.of()

    def wrong(expected: str) -> UsageError:
        return UsageError(f"`{key}` must be {expected}", origin=origin)

    if isinstance(value, Secret):
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
    if kind == "list" and not isinstance(value, list | str):
        raise wrong("a list")
    if kind == "duration":
        try:
            return parse_duration(value)
        except ValueError as error:
            raise UsageError(f"`{key}`: {error}", origin=origin) from None
    if kind == "words":
        words = value if isinstance(value, list) else [value]
        if not all(isinstance(word, str) for word in words):
            raise wrong("words")
        return frozenset(words)
    if kind == "condition":
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                templating.check(one if templating.is_template(one) else "{{ " + one + " }}", origin)
            elif not isinstance(one, bool):
                raise wrong("an expression")
    if kind == "serial":
        _check_serial(value, wrong)
    if kind in {"mapping", "list"}:
        _check_templates(value, origins)
    return value


def _check_serial(value: Any, wrong: Any) -> None:
    for one in value if isinstance(value, list) else [value]:
        good = (isinstance(one, int) and not isinstance(one, bool) and one > 0) or (
            isinstance(one, str) and one.endswith("%") and one[:-1].isdigit() and 0 < int(one[:-1]) <= 100
        )
        if not good:
            raise wrong("a number of hosts, a percentage, or a list of them")


def _check_templates(value: Any, origins: Origins) -> None:
    if isinstance(value, str) and templating.is_template(value):
        templating.check(value, origins.of())
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _check_templates(one, origins.below(number))
    elif isinstance(value, dict):
        for key, one in value.items():
            _check_templates(one, origins.below(key))
