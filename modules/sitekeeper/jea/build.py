"""From playbooks and an inventory to the roles of its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.inventory import Inventory
from sitekeeper.engine.module import Module
from sitekeeper.engine.plays import Playbook
from sitekeeper.jea.files import files_of
from sitekeeper.jea.page import page_of
from sitekeeper.jea.role import Role, role_of
from sitekeeper.site._task_run import SERVICE as TASK
from sitekeeper.site.facts import STOPPED_FOR_BACKUP

_NOT_THERE = {
    "SQL host": frozenset(
        {
            "windows.registry",
            "windows.service",
            "site.maintenance",
            "site.backup_task",
            "store.collect",
            "store.publish_task",
        }
    )
}
"""What is never asked of a database server of its own."""
AnyModule = type[Module[Any, Any]]


@dataclass(frozen=True, slots=True)
class Built:
    """A role, and where its files were written."""

    role: Role
    hosts: tuple[str, ...]
    folder: Path


def kinds_of(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Site servers, database servers of their own, and management servers of an inventory."""
    values = {name: inventory.vars_of(name) for name in inventory.hosts}
    sites = [name for name, one in values.items() if "site_code" in one]
    sql = {str(values[name]["database_host"]) for name in sites if values[name].get("database_host")}
    monitoring = [values[name].get("maintenance") for name in sites]
    management = {
        str(one["management_server"]) for one in monitoring if isinstance(one, dict) and "management_server" in one
    }
    found = {
        "site server": tuple(sites),
        "SQL host": tuple(sorted(sql - set(sites))),
        "management server": tuple(sorted(management)),
    }
    return {kind: hosts for kind, hosts in found.items() if hosts}


def modules_in(playbooks: Iterable[Playbook]) -> tuple[AnyModule, ...]:
    """Every module that a task of these playbooks uses, once."""
    tasks = (task for book in playbooks for play in book.plays for task, _ in play.walk())
    return tuple(dict.fromkeys(task.module for task in tasks))


def build(playbooks: Sequence[Playbook], inventory: Inventory, folder: Path, group: str) -> list[Built]:
    """Write the roles of an inventory below a folder, which must be empty or new.

    Raises:
        UsageError: the folder has something in it, or there is no site in the inventory.

    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty", hint="name a new folder: what is installed should come from one build"
        )
    kinds = kinds_of(inventory)
    if "site server" not in kinds:
        raise UsageError("no host of this inventory has a site_code: there is nothing to make a role for")
    used = modules_in(playbooks)
    services = (*STOPPED_FOR_BACKUP, *((TASK,) if any(one.name() == "site.backup_task" for one in used) else ()))
    built = []
    for kind, hosts in kinds.items():
        modules = [one for one in used if one.name() not in _NOT_THERE.get(kind, frozenset())]
        role = role_of(kind, modules, services)
        where = folder / kind.replace(" ", "-").lower()
        for path, text in {**files_of(role, group), "README.md": page_of(role, hosts, group)}.items():
            (where / path).parent.mkdir(parents=True, exist_ok=True)
            (where / path).write_text(text, "utf-8", newline="\r\n" if path.endswith((".ps1", ".pssc")) else None)
        built.append(Built(role, hosts, where))
    return built
