"""Playbooks read from files. Everything that can be refused by reading is refused here, before any host."""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sitekeeper.engine import module as modules
from sitekeeper.engine import yaml_file
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.language.keyword_values import check_templates, check_value
from sitekeeper.engine.language.keywords import KEYWORDS, ansible_only
from sitekeeper.engine.language.plays import Block, Play, Playbook, Task, walk
from sitekeeper.engine.language.validation import parameter_error
from sitekeeper.engine.module import Module, UndoPolicy
from sitekeeper.engine.origin import Origins
from sitekeeper.engine.secrets import Secret
from sitekeeper.engine.templates import render

ORDERS = ("inventory", "reverse_inventory", "sorted", "reverse_sorted", "shuffle", "children_first", "parents_first")
INCLUDE = "core.include_tasks"
INCLUDE_TAKES = ("name", "when", "loop", "vars", "tags")


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

    def document(self, file: Path) -> yaml_file.Document:
        document = yaml_file.load(file, vault_password=self.vault_password)
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
            raise UsageError(
                f"`{order}` is not an order", origin=origins.of("order"), hint=f"one of {', '.join(ORDERS)}"
            )
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
            branch_windows=keys.get("branch_windows", "one"),
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

        made = Block(
            path=path,
            name=keys.get("name", "block"),
            origin=origins.of(),
            body=origins,
            tasks=part("block", in_block=True),
            rescue=part("rescue", in_block=False),
            always=part("always", in_block=False),
            vars=keys.get("vars", {}),
            tags=keys.get("tags", frozenset()),
            when=keys.get("when", True),
            deadline=keys.get("deadline"),
            guard=keys.get("guard"),
            keep=keys.get("keep", timedelta(hours=6)),
            window="guard" in keys,
        )
        if made.window:
            _no_machines(made)
            _all_up_at_the_end(made)
        return made

    def task(self, body: dict[str, Any], origins: Origins, path: str, file: Path, *, in_block: bool) -> Task | Block:
        names = [key for key in body if key not in KEYWORDS]
        for key in names:
            _refuse_ansibles(key, origins)
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
            path=path,
            name=keys.get("name", name),
            module=found,
            params=params,
            origins=origins.below(name),
            origin=origins.of_key(name),
            body=origins,
            vars=keys.get("vars", {}),
            tags=keys.get("tags", frozenset()),
            when=keys.get("when", True),
            register=keys.get("register"),
            loop=keys.get("loop"),
            retries=keys.get("retries", 3 if "until" in keys else 0),
            until=keys.get("until"),
            delay=keys.get("delay", timedelta(seconds=5)),
            failed_when=keys.get("failed_when"),
            ignore_errors=keys.get("ignore_errors", False),
            undo=undo,
            uses=self.uses_of(keys, found, origins),
            deadline=keys.get("deadline"),
        )

    def uses_of(self, keys: dict[str, Any], found: type[Module[Any, Any, Any]], origins: Origins) -> Any:
        """A task that takes whole machines for its play must not wait for them while it holds something else."""
        if "uses" in keys and found.machines is not Module.machines:
            raise UsageError(
                f"{found.name()} takes its machines by itself and cannot be used with `uses`",
                origin=origins.of_key("uses"),
                hint="put `uses` on the tasks that need it",
            )
        return keys.get("uses", ())

    def refuse_extra(self, names: list[str], origins: Origins) -> None:
        unknown = [name for name in names if name != INCLUDE and name not in modules.available()]
        wrong = unknown[0] if unknown else names[1]
        near = get_close_matches(wrong, [*KEYWORDS, *modules.available()], 1)
        raise UsageError(
            f"`{wrong}` is neither a keyword nor a module"
            if unknown
            else f"one task, one module: `{wrong}` is a second one",
            origin=origins.of_key(wrong),
            hint=f"did you mean `{near[0]}`?" if near else None,
        )

    def include(
        self, params: Any, keys: dict[str, Any], origins: Origins, path: str, file: Path, *, in_block: bool
    ) -> Block:
        target = params.get("file") if isinstance(params, dict) and set(params) == {"file"} else params
        origin = origins.of(INCLUDE)
        if not isinstance(target, str) or render.is_template(target):
            raise UsageError("core.include_tasks takes the name of a file, written out", origin=origin)
        for key in keys:
            if key not in INCLUDE_TAKES:
                raise UsageError(
                    f"`{key}` cannot be used with core.include_tasks",
                    origin=origins.of_key(key),
                    hint=f"it takes {', '.join(INCLUDE_TAKES)}; put the others on the tasks in the file",
                )
        included = (file.parent / target).resolve()
        if included in self.including:
            raise UsageError(f"{target} includes itself", origin=origin)
        self.including += (included,)
        try:
            document = self.document(file.parent / target)
        except UsageError as error:
            raise (error if error.origin and error.origin.line else UsageError(error.message, origin=origin)) from None
        items = document.value if document.value is not None else []
        tasks = self.tasks(items, document.origins, f"{path}.include", file.parent / target, in_block=in_block)
        self.including = self.including[:-1]
        return Block(
            path=path,
            name=keys.get("name", f"include {target}"),
            tasks=tasks,
            origin=origin,
            body=origins,
            scoped=False,
            vars=keys.get("vars", {}),
            tags=keys.get("tags", frozenset()),
            when=keys.get("when", True),
            loop=keys.get("loop"),
        )

    def undo_of(
        self, keys: dict[str, Any], found: type[Module[Any, Any, Any]], origins: Origins, *, in_block: bool
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

    def check_params(self, found: type[Module[Any, Any, Any]], params: dict[str, Any], origins: Origins) -> None:
        """Refuse unknown names, templates that are none, and written-out values of the wrong type."""
        open_fields = {key for key, value in params.items() if render.has_template(value)}
        for key, value in params.items():
            check_templates(value, origins.below(key))
        try:
            found.params_type.model_validate(params)
        except ValidationError as error:
            left = [one for one in error.errors() if not one["loc"] or one["loc"][0] not in open_fields]
            if left:
                raise parameter_error(found, left, origins) from None

    def keywords(self, body: Any, origins: Origins, level: str) -> dict[str, Any]:
        """The keywords of a play, block or task, each checked by its kind."""
        if not isinstance(body, dict):
            raise UsageError(f"a {level} is a mapping", origin=origins.of())
        taken: dict[str, Any] = {}
        for key, value in body.items():
            keyword = KEYWORDS.get(key)
            _refuse_ansibles(key, origins)
            if keyword is None:
                near = get_close_matches(str(key), KEYWORDS, 1)
                hint = f"did you mean `{near[0]}`?" if near else None
                raise UsageError(f"`{key}` is not a keyword of a {level}", origin=origins.of_key(str(key)), hint=hint)
            if level not in keyword.levels:
                raise UsageError(
                    f"`{key}` cannot be used on a {level}",
                    origin=origins.of_key(key),
                    hint=f"it belongs on a {' or '.join(sorted(keyword.levels))}",
                )
            taken[key] = check_value(keyword.kind, key, value, origins.below(key))
        return taken


def _no_machines(window: Block) -> None:
    """Who has a window open must not wait for a machine: its holder may wait for that window to close."""
    for task, _ in walk(window.tasks):
        if task.module.machines is not Module.machines:
            raise UsageError(
                f"{task.module.name()} takes whole machines and may wait for them, which must not happen while a site is down",
                origin=task.origin,
                hint="put it before the guarded block",
            )


def _all_up_at_the_end(guarded: Block) -> None:
    """With the block's end its guard goes: what it stopped must run again by then, however the block ends."""
    for task, _ in walk(guarded.tasks):
        if task.undo != "block" and task.module().leaves_down(task.params):
            raise UsageError(
                f"{task.module.name()} leaves services stopped, and the guard of the block around it goes with the block's end",
                origin=task.origin,
                hint="add `undo: block`",
            )


def _refuse_ansibles(key: Any, origins: Origins) -> None:
    hint = ansible_only(str(key))
    if hint is not None:
        raise UsageError(f"`{key}` does not exist here", origin=origins.of_key(str(key)), hint=hint)
