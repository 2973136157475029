"""``hostvars``: what the inventory says of other hosts, each variable filled in as that host itself would see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.layers import Layers, lazy
from sitekeeper.engine.templates.lazy import Lazy


class _Filled(Mapping[str, Any]):
    """One host's variables; templates are filled in when one is asked for."""

    def __init__(self, inventory: Inventory, host: str, extra: Mapping[str, Any]) -> None:
        self._layers = Layers(lazy(inventory.vars_of(host)), lazy(extra))
        self._inventory = inventory
        self._host = host

    def __getitem__(self, name: str) -> Any:
        value = self._layers[name]
        if not isinstance(value, Lazy):
            return value
        return render.render(value.value, self._layers, self._inventory.origin_of(self._host, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


class HostVars(Mapping[str, Mapping[str, Any]]):
    """All hosts of an inventory by name."""

    def __init__(self, inventory: Inventory, extra: Mapping[str, Any]) -> None:
        self._inventory = inventory
        self._extra = extra

    def __getitem__(self, host: str) -> Mapping[str, Any]:
        if host not in self._inventory.hosts:
            raise KeyError(host)
        return _Filled(self._inventory, host, self._extra)

    def __iter__(self) -> Iterator[str]:
        return iter(self._inventory.hosts)

    def __len__(self) -> int:
        return len(self._inventory.hosts)
