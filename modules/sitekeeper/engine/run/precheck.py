"""What can be refused before any host is touched: undefined variables, and parameters that the inventory alone decides."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sitekeeper.engine.errors import SitekeeperError, UsageError
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.language.plays import Block, Play, Task
from sitekeeper.engine.language.validation import refuse_secrets, validate_params
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.origin import Key, Origins
from sitekeeper.engine.run.run_context import RunSettings
from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.layers import Layers, lazy
from sitekeeper.engine.templates.lazy import Lazy

ROUND = {"item", "item_index"}
CAUGHT = "ansible_failed_result"


def precheck(play: Play, hosts: list[str], inventory: Inventory, settings: RunSettings) -> None:
    """Walk the play as each host would see it.

    Raises:
        UsageError: an undefined variable or a wrong parameter. SecretError: a secret where none belongs.

    """
    for host in hosts:
        _Walk(play, host, inventory, settings).items(play.tasks, Layers(), _scope(play, host, inventory, settings))


def _scope(play: Play, host: str, inventory: Inventory, settings: RunSettings) -> set[str]:
    return {*settings.magic, *inventory.vars_of(host), *play.vars, *settings.extra}


class _Walk:
    def __init__(self, play: Play, host: str, inventory: Inventory, settings: RunSettings) -> None:
        self.host = host
        self.inventory = inventory
        self.extra = lazy(settings.extra)
        self.base = Layers(settings.magic, lazy(inventory.vars_of(host)), lazy(play.vars))
        self.later: set[str] = set()
        """Names that only the run itself will give a value."""

    def items(self, items: tuple[Task | Block, ...], layers: Layers, known: set[str]) -> None:
        for item in items:
            inside = {*known, *item.vars} | (ROUND if item.loop is not None else set())
            below = layers.over(lazy(item.vars))
            runs = self.condition(item.when, inside, item.body.below("when"), self.base.over(below, self.extra))
            if not runs:
                known |= self.registers(item)
                continue
            inside |= _find_asked(item.when)
            self.names(item.loop, inside, item.body.below("loop"))
            if isinstance(item, Task):
                self.task(item, below, inside)
                known |= self.gives(item)
                continue
            self.items(item.tasks, below, inside)
            inside.add(CAUGHT)
            self.items(item.rescue, below, inside)
            inside.remove(CAUGHT)
            self.items(item.always, below, inside)
            known |= inside - set(item.vars) - ROUND - _find_asked(item.when)

    def registers(self, item: Task | Block) -> set[str]:
        """Names that are registered even by what is skipped."""
        if isinstance(item, Task):
            given = {item.register} if item.register else set()
            self.later |= given
            return given
        return {name for part in (item.tasks, item.rescue, item.always) for one in part for name in self.registers(one)}

    def gives(self, task: Task) -> set[str]:
        """Names that a task leaves to those after it."""
        given = set(task.params) if task.module.name() == "core.set_fact" else set()
        self.later |= given
        return given | self.registers(task)

    def task(self, task: Task, layers: Layers, known: set[str]) -> None:
        judged = known | {"result"} | ({task.register} if task.register else set())
        for keyword, source in (("until", task.until), ("failed_when", task.failed_when)):
            for one in source if isinstance(source, list) else [source]:
                if isinstance(one, str):
                    self.names(_as_template(one), judged, task.body.below(keyword))
        self.names(task.uses, known, task.body.below("uses"))
        for key, value in task.params.items():
            self.names(value, known, task.origins.below(key))
        self.values(task, layers)

    def values(self, task: Task, layers: Layers) -> None:
        """Fill in and check what the inventory alone decides."""
        variables = self.base.over(layers, self.extra)
        ready: dict[str, Any] = {}
        for key, value in task.params.items():
            if self._decided(value, variables):
                try:
                    ready[key] = render.render(value, variables, task.origins.of(key))
                except SitekeeperError as error:
                    raise error.at(host=self.host) from None
        refuse_secrets(task.module, ready, task.origins)
        if len(ready) == len(task.params):
            self.whole(task.module, ready, task.origins)

    def _decided(self, value: Any, variables: Layers) -> bool:
        """Whether the inventory alone decides a value."""
        used = self._reached(value, variables)
        needed = {name for _, source in _sources(value) for name in render.names_in(source)}
        return not used & (self.later | ROUND | {CAUGHT}) and all(name in variables for name in needed)

    def whole(self, module: type[Module[Any, Any, Any]], values: dict[str, Any], origins: Origins) -> Params:
        try:
            return validate_params(module, values, origins)
        except SitekeeperError as error:
            raise error.at(host=self.host) from None

    def _reached(self, value: Any, variables: Layers, depth: int = 0) -> set[str]:
        """Names that a value uses, through the templates of the variables that it names."""
        names = {name for _, source in _sources(value) for name in render.names_in(source) | render.find_asked(source)}
        for name in list(names):
            if name in variables and depth < 20 and name not in self.later:
                held = variables[name]
                try:
                    names |= self._reached(held.value if isinstance(held, Lazy) else None, variables, depth + 1)
                except UsageError as error:  # the file is right, a variable of the inventory is not
                    raise error.at(host=self.host, origin=self.inventory.origin_of(self.host, name)) from None
        return names

    def condition(self, source: Any, known: set[str], origins: Origins, variables: Layers) -> bool:
        """Refuse undefined names; answers False where the inventory alone decides that it is false."""
        true = True
        for one in source if isinstance(source, list) else [source]:
            if isinstance(one, str):
                asked = _as_template(one)
                self.names(asked, known | _find_asked(source), origins)
                if not self._decided(asked, variables):
                    continue
                try:
                    true = render.condition(one, variables, origins.of())
                except SitekeeperError as error:
                    raise error.at(host=self.host) from None
            else:
                true = bool(one)
            if not true:
                return False
        return True

    def names(self, value: Any, known: set[str], origins: Origins) -> None:
        for path, source in _sources(value):
            for name in sorted(render.names_in(source) - known):
                near = get_close_matches(name, known, 1)
                raise UsageError(
                    f"`{name}` is undefined",
                    host=self.host,
                    origin=origins.of(*path),
                    hint=f"did you mean `{near[0]}`?" if near else "give it a value in vars, the inventory or -e",
                )


def _as_template(condition: str) -> str:
    return condition if render.is_template(condition) else "{{ " + condition + " }}"


def _find_asked(when: Any) -> set[str]:
    """Names that a condition asks for by ``is defined``: what it guards may use them."""
    conditions = when if isinstance(when, list) else [when]
    return {name for one in conditions if isinstance(one, str) for name in render.find_asked(_as_template(one))}


def _sources(value: Any, path: Key = ()) -> Iterator[tuple[Key, str]]:
    """All templates inside a value, and where in it they stand."""
    inside = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, one in inside:
        yield from _sources(one, (*path, key))
    if render.is_template(value):
        yield path, value
