"""Scripts of other clients that the engine knows by their hash: those of pypsrp, whose twins live beside the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sitekeeper.lab.engines.api import Command, Sink
from sitekeeper.lab.host import Host

ScriptTwin = Callable[[Host, Command, Iterable[Any], Sink], Iterator[Any]]


def script_twins() -> dict[str, ScriptTwin]:
    """Twins by the sha256 of the script's text."""
    return {}
