"""The inventory: hosts, groups and their variables as Ansible mixes them, and which hosts a pattern names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.inventory import hierarchy
from sitekeeper.engine.origin import Origin


@dataclass(slots=True)
class Group:
    """A group with its own variables; children are groups inside it."""

    name: str
    origin: Origin
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    vars: dict[str, Any] = field(default_factory=dict)
    depth: int = 0

    @property
    def priority(self) -> int:
        """Ansible's ``ansible_group_priority``: of groups as deep as each other, the higher one wins."""
        value = self.vars.get("ansible_group_priority", 1)
        return value if isinstance(value, int) else 1


@dataclass(slots=True)
class Host:
    """A host with its own variables, before groups are mixed in."""

    name: str
    origin: Origin
    vars: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Origin] = field(default_factory=dict)
    """Where each variable, own or of a group, was given."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Hosts in the order of the file, groups, and the hierarchy of sites."""

    file: str
    hosts: Mapping[str, Host]
    groups: Mapping[str, Group]
    sites: Mapping[str, hierarchy.Site] = field(default_factory=dict)
    holds: dict[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)
    """Members of groups that were asked for: a thousand sites ask often."""

    def vars_of(self, name: str) -> dict[str, Any]:
        """A host's variables: all < parent group < child group < host."""
        host = self.hosts[name]
        mixed: dict[str, Any] = {}
        for group in self.groups_of(name):
            mixed.update(group.vars)
        mixed.update(host.vars)
        mixed["inventory_hostname"] = name
        mixed["group_names"] = sorted(group.name for group in self.groups_of(name) if group.name != "all")
        return mixed

    def groups_of(self, name: str) -> list[Group]:
        """Groups that hold a host, the outermost first."""
        held = [group for group in self.groups.values() if name in self._inside(group.name)]
        return sorted(held, key=lambda group: (group.depth, group.priority, group.name))

    def members(self, group: str) -> list[str]:
        """Hosts of a group and of the groups inside it, in the order of the file."""
        inside = self._inside(group)
        return [name for name in self.hosts if name in inside]

    def _inside(self, group: str) -> frozenset[str]:
        if group not in self.holds:
            inside: set[str] = set(self.hosts if group == "all" else ())
            todo, seen = [group], set()
            while todo:
                name = todo.pop()
                if name not in seen:
                    seen.add(name)
                    inside.update(self.groups[name].hosts)
                    todo += self.groups[name].children
            self.holds[group] = frozenset(inside)
        return self.holds[group]

    def origin_of(self, host: str, variable: str | None = None) -> Origin:
        """Where a host, or one of its variables, was given."""
        entry = self.hosts[host]
        return entry.places.get(variable, entry.origin) if variable else entry.origin

    def select(self, pattern: str, origin: Origin | None = None) -> list[str]:
        """Hosts by Ansible's patterns: ``a:b`` or ``a,b`` both, ``!a`` without, ``&a`` only those also in.

        A pattern of nothing but ``!a`` and ``&a`` starts from all hosts.

        Raises:
            UsageError: a name in it is neither a host nor a group.

        """
        parts = [part.strip() for part in re.split(r"[,:](?![^\[]*\])", pattern) if part.strip()]
        chosen: list[str] = list(self.hosts) if parts and all(part[0] in "!&" for part in parts) else []
        for part in sorted(parts, key=lambda word: "!&".find(word[0]) if word[0] in "&!" else -1):
            found = self._named(part.lstrip("!&"), origin)
            if part.startswith("!"):
                chosen = [name for name in chosen if name not in found]
            elif part.startswith("&"):
                chosen = [name for name in chosen if name in found]
            else:
                chosen += [name for name in found if name not in chosen]
        return [name for name in self.hosts if name in chosen]

    def _named(self, word: str, origin: Origin | None) -> list[str]:
        if word == "all" or word in self.groups:
            return self.members(word)
        if word in self.hosts:
            return [word]
        by_code = [site.host for site in self.sites.values() if site.code == word]
        if by_code:
            return by_code
        if any(letter in word for letter in "*?["):
            found = [name for name in self.hosts if fnmatch.fnmatchcase(name, word)]
            found += [name for group in self.groups if fnmatch.fnmatchcase(group, word) for name in self.members(group)]
            if found:
                return found
        near = get_close_matches(word, [*self.hosts, *self.groups], 1)
        raise UsageError(
            f"`{word}` is neither a host nor a group of {self.file}",
            origin=origin,
            hint=f"did you mean `{near[0]}`?" if near else "see: sitekeeper inventory list -i INVENTORY",
        )
