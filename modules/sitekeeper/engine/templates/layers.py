"""Variables of a task: which layer wins, and templates in them that are filled in when they are used.

Precedence, the last wins: group < child group < host < play < block < task < registered < ``-e``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.lazy import Lazy


def lazy(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer from a file, its templates marked."""
    return {name: Lazy(value) if render.has_template(value) else value for name, value in layer.items()}


class Layers(Mapping[str, Any]):
    """Several layers seen as one; later ones win. Lazy values come out as they are (templating opens them)."""

    def __init__(self, *layers: Mapping[str, Any]) -> None:
        self._layers = layers

    def over(self, *layers: Mapping[str, Any]) -> Layers:
        """With more layers on top."""
        return Layers(*self._layers, *layers)

    def __getitem__(self, name: str) -> Any:
        for layer in reversed(self._layers):
            if name in layer:
                return layer[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name for layer in self._layers for name in layer})

    def __len__(self) -> int:
        return len({name for layer in self._layers for name in layer})


ROUND = "_sitekeeper_round"
"""Rounds of the loops of the blocks around a task, as ``2.0``."""


def round_of(variables: Mapping[str, Any]) -> str:
    """Which round of all its loops a task is in: with its path it names one execution of it."""
    outer, index = variables.get(ROUND, ""), variables.get("item_index")
    return outer if index is None else f"{outer}.{index}"
