"""From playbooks and an inventory to the roles of its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import SpaceError, UsageError
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.language.plays import Play, Playbook
from sitekeeper.engine.module import Module
from sitekeeper.jea.files import files_of
from sitekeeper.jea.page import page_of
from sitekeeper.jea.role import SCRATCH, Role, role_of
from sitekeeper.model.site import STOPPED_FOR_BACKUP
from sitekeeper.site.task.following import SERVICE as TASK

_NOT_THERE = {
    "SQL host": frozenset(
        {
            "windows.registry",
            "windows.service",
            "site.maintenance",
            "site.backup_task",
            "site.save",
            "site.setup",
            "site.stage",
            "site.target",
            "store.collect",
            "store.publish_task",
        }
    )
}
"""What is never asked of a database server of its own."""
DRILL = "sql.scratch"
"""A play with this module works on the scratch server, and never contacts the site's."""
ROOTS = ("sql_work_dir", "restore_dir")
"""Variables that name the folders of a host in which the work-folder functions write."""
AnyModule = type[Module[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Built:
    """A role, and where its files were written."""

    role: Role
    hosts: tuple[str, ...]
    folder: Path


def kinds_of(inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Site servers, database servers of their own, scratch servers and management servers of an inventory."""
    values = {name: inventory.vars_of(name) for name in inventory.hosts}
    sites = [name for name, one in values.items() if "site_code" in one]
    sql = {str(values[name]["database_host"]) for name in sites if values[name].get("database_host")}
    monitoring = [values[name].get("maintenance") for name in sites]
    management = {
        str(one["management_server"]) for one in monitoring if isinstance(one, dict) and "management_server" in one
    }
    scratch = {name for name, one in values.items() if one.get("scratch") is True} - set(sites)
    found = {
        "site server": tuple(sites),
        "SQL host": tuple(sorted(sql - set(sites))),
        SCRATCH: tuple(sorted(scratch)),
        "management server": tuple(sorted(management)),
    }
    return {kind: hosts for kind, hosts in found.items() if hosts}


def modules_in(plays: Iterable[Play]) -> tuple[AnyModule, ...]:
    """Every module that a task of these plays uses, once."""
    return tuple(dict.fromkeys(task.module for play in plays for task, _ in play.walk()))


def modules_for(playbooks: Iterable[Playbook]) -> Mapping[str, tuple[AnyModule, ...]]:
    """What runs on each kind of host: a drill on its scratch server alone, everything else on the site's own hosts."""
    plays = [play for book in playbooks for play in book.plays]
    drills = [play for play in plays if any(one.name() == DRILL for one in modules_in([play]))]
    others = modules_in(play for play in plays if play not in drills)
    return {
        "site server": others,
        "SQL host": tuple(one for one in others if one.name() not in _NOT_THERE["SQL host"]),
        SCRATCH: modules_in(drills),
        "management server": others,
    }


def roots_of(inventory: Inventory, hosts: Iterable[str]) -> tuple[str, ...]:
    """The folders that these hosts' inventory names for our files, as the modules send them."""
    named = [inventory.vars_of(host).get(variable) for host in hosts for variable in ROOTS]
    return tuple(dict.fromkeys(one.rstrip("\\") for one in named if isinstance(one, str) and one))


def build(playbooks: Sequence[Playbook], inventory: Inventory, folder: Path, group: str) -> list[Built]:
    """Write the roles of an inventory below a folder, which must be empty or new.

    Raises:
        UsageError: the folder has something in it, or there is no site in the inventory. SpaceError: it cannot be written.

    """
    try:
        if any(folder.iterdir()):
            raise UsageError(
                f"{folder} is not empty", hint="name a new folder: what is installed should come from one build"
            )
    except FileNotFoundError:
        pass  # made with the first file
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", hint="name a new folder") from None
    kinds = dict(kinds_of(inventory))
    if "site server" not in kinds:
        raise UsageError("no host of this inventory has a site_code: there is nothing to make a role for")
    used = modules_for(playbooks)
    if SCRATCH in kinds and not used[SCRATCH]:
        del kinds[SCRATCH]  # nothing is done there
    services = (
        *STOPPED_FOR_BACKUP,
        *((TASK,) if any(one.name() == "site.backup_task" for one in used["site server"]) else ()),
    )
    built = []
    for kind, hosts in kinds.items():
        role = role_of(kind, used[kind], services, roots_of(inventory, hosts))
        where = folder / kind.replace(" ", "-").lower()
        _write(where, {**files_of(role, group), "README.md": page_of(role, hosts, group)})
        built.append(Built(role, hosts, where))
    return built


def _write(where: Path, files: Mapping[str, str]) -> None:
    try:
        for path, text in files.items():
            (where / path).parent.mkdir(parents=True, exist_ok=True)
            (where / path).write_text(text, "utf-8", newline="\r\n" if path.endswith((".ps1", ".pssc")) else None)
    except OSError as error:
        raise SpaceError(
            f"{where} cannot be written: {error.strerror}", hint="name a folder where this user may write"
        ) from None
