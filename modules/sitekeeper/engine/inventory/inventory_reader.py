"""Inventories read from files: Ansible's YAML form with group_vars/ and host_vars/, vaults and secrets included."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sitekeeper.engine import secrets, yaml_file
from sitekeeper.engine.errors import InventoryError
from sitekeeper.engine.inventory import hierarchy
from sitekeeper.engine.inventory.hosts import Group, Host, Inventory
from sitekeeper.engine.origin import Origin, Origins
from sitekeeper.engine.templates import render

__all__ = ["Inventory", "load"]
_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")
_SUFFIXES = {".yml", ".yaml", ".json", ""}
TEXT_VARIABLES = frozenset(
    {
        "site_code",
        "parent",
        "ansible_user",
        "ansible_psrp_user",
        "sql_user",
        *secrets.SECRET_VARIABLES,
    }
)
"""Variables taken from the source text: site codes YES, 001 and 1E5 exist, and so do such passwords."""


def load(path: Path, vault_password: secrets.Secret | None = None) -> Inventory:
    """Read an inventory file, or a folder of them, with the group_vars/ and host_vars/ beside it.

    Raises:
        InventoryError: it cannot be read or makes no sense; points at the line.

    """
    if not path.exists():
        raise InventoryError(f"no inventory at {path}", origin=Origin(str(path)))
    folder = path if path.is_dir() else path.parent
    files = sorted(f for f in path.iterdir() if f.is_file() and f.suffix in _SUFFIXES) if path.is_dir() else [path]
    reader = _InventoryReader(vault_password)
    for file in files:
        document = yaml_file.load(file, vault_password=vault_password, wrong=InventoryError)
        reader.document(document)
    if not reader.hosts:
        raise InventoryError(f"no hosts in {path}", origin=Origin(str(path)))
    reader.variable_files(folder)
    reader.depths()
    plain = Inventory(str(path), reader.hosts, reader.groups)
    reader.place_group_vars(plain)
    return Inventory(str(path), reader.hosts, reader.groups, hierarchy.of(plain))


class _InventoryReader:
    """Collects groups and hosts from documents."""

    def __init__(self, vault_password: secrets.Secret | None) -> None:
        self.vault_password = vault_password
        self.hosts: dict[str, Host] = {}
        self.groups: dict[str, Group] = {"all": Group("all", Origin("all"))}
        self.group_places: dict[str, dict[str, Origin]] = {}

    def document(self, document: yaml_file.Document) -> None:
        if document.value is None:
            return
        if not isinstance(document.value, dict):
            raise InventoryError("an inventory is a mapping of groups", origin=document.origins.of())
        for name, body in document.value.items():
            self.group(document, document.origins.below(name), str(name), body)

    def group(self, document: yaml_file.Document, origins: Origins, name: str, body: Any) -> None:
        group = self.groups.setdefault(name, Group(name, origins.of()))
        if body is None:
            return
        if not isinstance(body, dict):
            raise InventoryError(f"group `{name}` must be a mapping of hosts, children and vars", origin=origins.of())
        for key in body:
            if key not in {"hosts", "children", "vars"}:
                raise InventoryError(
                    f"`{key}` is not part of a group",
                    origin=origins.of_key(key),
                    hint="a group has hosts, children and vars",
                )
        for pattern, variables in self.mapping(body.get("hosts"), origins.below("hosts")).items():
            for host in _expand(str(pattern), origins.below("hosts").of_key(str(pattern))):
                entry = self.hosts.setdefault(host, Host(host, origins.below("hosts").of_key(str(pattern))))
                place = origins.below("hosts", pattern)
                self.variables(document, place, variables, entry.vars, entry.places)
                if host not in group.hosts:
                    group.hosts.append(host)
        for child, child_body in self.mapping(body.get("children"), origins.below("children")).items():
            if child not in group.children:
                group.children.append(child)
            self.group(document, origins.below("children", child), child, child_body)
        places = self.group_places.setdefault(name, {})
        self.variables(document, origins.below("vars"), body.get("vars"), group.vars, places)

    def mapping(self, value: Any, origins: Origins) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InventoryError("expected a mapping here", origin=origins.of())
        return value

    def variables(
        self,
        document: yaml_file.Document,
        origins: Origins,
        given: Any,
        into: dict[str, Any],
        places: dict[str, Origin],
    ) -> None:
        for key, value in self.mapping(given, origins).items():
            place = origins.of(key)
            text = document.texts.get((*origins.at, key))
            taken = text if key in TEXT_VARIABLES and text is not None and value is not None else value
            if document.hidden and not _is_plain(key):
                taken = document.secret(value, *origins.at, key)
            if secrets.named(key, taken):
                place = replace(place, secret=True)
                if taken is not None and not isinstance(taken, secrets.Secret) and not render.is_template(taken):
                    taken = secrets.inline(str(taken), str(place))
            into[key] = taken
            places[key] = place

    def variable_files(self, folder: Path) -> None:
        for kind, names in (("group_vars", list(self.groups)), ("host_vars", list(self.hosts))):
            for name in names:
                for file in _files_of(folder / kind, name):
                    document = yaml_file.load(file, vault_password=self.vault_password, wrong=InventoryError)
                    if kind == "group_vars":
                        places = self.group_places.setdefault(name, {})
                        self.variables(document, document.origins, document.value, self.groups[name].vars, places)
                    else:
                        host = self.hosts[name]
                        self.variables(document, document.origins, document.value, host.vars, host.places)

    def depths(self) -> None:
        """How deep each group lies inside others; a circle is an error."""

        def visit(name: str, depth: int, above: tuple[str, ...]) -> None:
            group = self.groups[name]
            if name in above:
                raise InventoryError(
                    f"group `{name}` contains itself: {' > '.join((*above, name))}", origin=group.origin
                )
            group.depth = max(group.depth, depth)
            for child in group.children:
                visit(child, depth + 1, (*above, name))

        for name in self.groups:
            visit(name, 0 if name == "all" else 1, ())

    def place_group_vars(self, inventory: Inventory) -> None:
        for name, host in self.hosts.items():
            own = dict(host.places)
            for group in inventory.groups_of(name):
                host.places.update(self.group_places.get(group.name, {}))
            host.places.update(own)


def _is_plain(name: str) -> bool:
    """Connection and hierarchy variables are read as they are, even from a vault; passwords among them are not."""
    known = name.startswith(("ansible_", "sql_")) or name in TEXT_VARIABLES | {"site_type", "database_host", "store"}
    return known and name not in secrets.SECRET_VARIABLES


def _files_of(folder: Path, name: str) -> Iterator[Path]:
    for candidate in (folder / name, folder / f"{name}.yml", folder / f"{name}.yaml"):
        if candidate.is_file():
            yield candidate
        elif candidate.is_dir():
            yield from sorted(file for file in candidate.iterdir() if file.suffix in _SUFFIXES and file.is_file())


def _expand(pattern: str, origin: Origin) -> list[str]:
    """``web[01:03]`` and ``db-[a:c]`` as Ansible expands them."""
    pieces: list[list[str]] = []
    at = 0
    for match in _RANGE.finditer(pattern):
        pieces += [[pattern[at : match.start()]], _series(match, origin)]
        at = match.end()
    pieces.append([pattern[at:]])
    return ["".join(parts) for parts in itertools.product(*pieces)]


def _series(match: re.Match[str], origin: Origin) -> list[str]:
    first, last, step = match[1], match[2], int(match[3] or 1)
    if step < 1:
        raise InventoryError(f"not a range: {match[0]}", origin=origin, hint="the step is at least 1")
    if first.isdigit() and last.isdigit() and int(first) <= int(last):
        width = len(first) if first.startswith("0") else 0
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1, step)]
    if len(first) == len(last) == 1 and first.isalpha() and last.isalpha() and first <= last:
        return [chr(code) for code in range(ord(first), ord(last) + 1, step)]
    raise InventoryError(f"not a range: {match[0]}", origin=origin, hint="write [01:20] or [a:f]")
