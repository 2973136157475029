"""What the tasks of a play see on one host: variables in their layers, what earlier tasks registered, the rounds of a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sitekeeper.engine.errors import SitekeeperError, UsageError
from sitekeeper.engine.language.plays import Block, Task
from sitekeeper.engine.plan import Unknown, UnknownValueError
from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.layers import Layers, lazy


class Scope:
    """The variables of a host, from the outermost layer to ``-e``."""

    def __init__(self, *outer: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        self._outer = Layers(*outer)
        self._extra = lazy(extra)
        self.registered: dict[str, Any] = {}
        """Results that tasks gave a name, and facts."""

    def variables(self, layers: Mapping[str, Any]) -> Layers:
        """Everything that is seen from inside these layers of blocks and tasks."""
        return self._outer.over(layers, self.registered, self._extra)

    def holds(self, item: Task | Block, layers: Mapping[str, Any]) -> bool:
        """Whether the item's ``when`` is true.

        Raises:
            UnknownValueError: it depends on something that check mode cannot know.
            UsageError: it cannot be evaluated.

        """
        return render.condition(item.when, self.variables(layers), item.body.of("when"))

    def rounds(self, item: Task | Block, layers: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Variables for each round of the item's loop; one round without any where there is no loop.

        Raises:
            UsageError: the loop is no list, or cannot be evaluated.

        """
        if item.loop is None:
            return [{}]
        variables = self.variables(layers)
        try:
            values = render.render(item.loop, variables, item.body.of("loop"))
        except UsageError:
            # Ansible's way: what is not to be run may be undefined.
            if not self._surely_false(item, variables):
                raise
            values = []
        if isinstance(values, Unknown):
            return [{"item": values, "item_index": values}]
        if not isinstance(values, list | tuple):
            raise UsageError("`loop` is not a list", origin=item.body.of("loop"))
        return [{"item": value, "item_index": number} for number, value in enumerate(values)]

    @staticmethod
    def _surely_false(item: Task | Block, variables: Layers) -> bool:
        try:
            return not render.condition(item.when, variables, item.origin)
        except (SitekeeperError, UnknownValueError):
            return False
