"""What can be refused before any host is touched: undefined variables, and parameters that the inventory alone decides."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sitekeeper.engine import templating
from sitekeeper.engine.errors import SitekeeperError, UsageError
from sitekeeper.engine.hostplay import Settings
from sitekeeper.engine.inventory import Inventory
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.origin import Origin, Origins
from sitekeeper.engine.playbook import Block, Play, Task
from sitekeeper.engine.validation import refuse_secrets, validated
from sitekeeper.engine.variables import Layers, lazy


def precheck(play: Play, hosts: list[str], inventory: Inventory, settings: Settings) -> None:
    """Walk the play as each host would see it.

    Raises:
        UsageError: an undefined variable or a wrong parameter. SecretError: a secret where none belongs.

    """
    for host in hosts:
        _Walk(play, host, inventory, settings).items(play.tasks, Layers(), _scope(play, host, inventory, settings))


def _scope(play: Play, host: str, inventory: Inventory, settings: Settings) -> set[str]:
    return {*settings.magic, *inventory.vars_of(host), *play.vars, *settings.extra}


class _Walk:
    def __init__(self, play: Play, host: str, inventory: Inventory, settings: Settings) -> None:
        self.host = host
        self.extra = settings.extra
        self.base = Layers(settings.magic, lazy(inventory.vars_of(host)), lazy(play.vars))
        self.later: set[str] = set()
        """Names that only the run itself will give a value."""

    def items(self, items: tuple[Task | Block, ...], layers: Layers, known: set[str]) -> None:
        for item in items:
            inside = {*known, *item.vars} | ({"item", "item_index"} if item.loop is not None else set())
            below = layers.over(lazy(item.vars))
            self.condition(item.when, inside, item.origin)
            self.names(item.loop, inside, item.origin)
            if isinstance(item, Task):
                self.task(item, below, inside)
                known |= self.gives(item)
                continue
            self.items(item.tasks, below, inside)
            self.items(item.rescue, below, inside | {"ansible_failed_result"})
            self.items(item.always, below, inside)
            known |= inside - set(item.vars) - {"item", "item_index"}

    def gives(self, task: Task) -> set[str]:
        """Names that a task leaves to those after it."""
        given = set(task.params) if task.module.name() == "core.set_fact" else set()
        given |= {task.register} if task.register else set()
        self.later |= given
        return given

    def task(self, task: Task, layers: Layers, known: set[str]) -> None:
        judged = known | {"result"} | ({task.register} if task.register else set())
        for source in (task.until, task.failed_when):
            if source is not None:
                self.condition(source, judged, task.origin)
        for key, value in task.params.items():
            self.names(value, known, task.origins.of(key), task.origins.below(key))
        self.values(task, layers, loop=task.loop is not None)

    def values(self, task: Task, layers: Layers, *, loop: bool) -> None:
        """Fill in and check what the inventory alone decides."""
        variables = self.base.over(layers, self.extra)
        ready: dict[str, Any] = {}
        for key, value in task.params.items():
            used = self._reached(value, variables)
            if used & self.later or (loop and used & {"item", "item_index"}) or "ansible_failed_result" in used:
                continue
            ready[key] = templating.render(value, variables, task.origins.of(key))
        refuse_secrets(task.module, ready, task.origins)
        if len(ready) == len(task.params):
            self.whole(task.module, ready, task.origins)

    def whole(self, module: type[Module[Any, Any]], values: dict[str, Any], origins: Origins) -> Params:
        try:
            return validated(module, values, origins)
        except SitekeeperError as error:
            raise error.at(host=self.host) from None

    def _reached(self, value: Any, variables: Layers, depth: int = 0) -> set[str]:
        """Names that a value uses, through the templates of the variables that it names."""
        names = {name for source in _sources(value) for name in templating.names_in(source)}
        for name in list(names):
            if name in variables and depth < 20 and name not in self.later:
                held = variables[name]
                names |= self._reached(getattr(held, "value", None), variables, depth + 1)
        return names

    def condition(self, source: Any, known: set[str], origin: Origin) -> None:
        for one in source if isinstance(source, list) else [source]:
            if isinstance(one, str):
                self.names(one if templating.is_template(one) else "{{ " + one + " }}", known, origin)

    def names(self, value: Any, known: set[str], origin: Origin, origins: Origins | None = None) -> None:
        for source in _sources(value):
            for name in sorted(templating.names_in(source) - known):
                near = get_close_matches(name, known, 1)
                raise UsageError(
                    f"`{name}` is undefined", host=self.host, origin=origins.of() if origins else origin,
                    hint=f"did you mean `{near[0]}`?" if near else "give it a value in vars, the inventory or -e",
                )  # fmt: skip


def _sources(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _sources(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _sources(one)
    elif templating.is_template(value):
        yield value
