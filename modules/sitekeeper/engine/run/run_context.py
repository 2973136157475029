"""What all hosts of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.events import Bus
from sitekeeper.engine.holding.limits import Limits
from sitekeeper.engine.inventory.hierarchy import Site
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.language.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a run was asked for; known before anything is started."""

    run_id: str
    check: bool
    selection: Selection
    extra: Mapping[str, Any]
    magic: Mapping[str, Any]
    """``run``, ``groups``, ``hostvars``."""
    sites: Mapping[str, Site]
    """The hierarchy: whose windows exclude each other."""
    until: float | None = None
    """When the run must be over (monotonic seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """Where a run, or the rollback of one, writes what happens, and by which clock."""

    journal: Journal
    bus: Bus
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Handed to every host's play as one thing."""

    settings: RunSettings
    inventory: Inventory
    log: RunLog
    limits: Limits
