"""What an endpoint of one kind of host must allow: the needs of the modules that run there, and of the run itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sitekeeper.engine.module import Allowed, Module, Needs
from sitekeeper.transport.psrp import functions
from sitekeeper.transport.wmi import reading

ANY = ".*"
SCRATCH = "scratch SQL host"
"""The kind of host on which restores are tried."""
RUN = Needs(
    cmdlets={"Get-WmiObject": reading("Win32_OperatingSystem"), "Write-Output": {"InputObject": ANY}},
    functions=("Assert-SkLease", "Clear-SkFence", "Enter-SkLease", "Exit-SkLease", "Read-SkLease"),
)
"""What the run itself sends to every host that it changes: lease and fence."""
GUARD = Needs(functions=("Register-SkGuard", "Send-SkBeat", "Test-SkGuard", "Unregister-SkGuard"))
"""What it sends where services of a site may be stopped."""
BESIDE = ("Get-SkMaintenance", "Start-SkMaintenance", "Stop-SkMaintenance")
"""What is asked of a management server, and of no other host."""
OLD = ("New-SkShadowCopy", "New-SkVshadow", "Test-SkVshadow")
"""For Server 2003, which has no such endpoints."""
OF_SITE = r"root\\sms\\site_[A-Z0-9]{3}"
"""The SMS Provider's namespace, the only one but Windows' own."""
ROLE = "Get-SkRole"
"""Answers which role an endpoint has; made with it."""


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of host: what a session there may call."""

    kind: str
    """Site server, SQL host, scratch SQL host, management server."""
    cmdlets: Mapping[str, Mapping[str, Allowed]]
    functions: Mapping[str, Mapping[str, Allowed]]
    """Function -> parameters that are held to values; the others are checked by the function itself."""
    rights: tuple[str, ...]
    """In words, of the modules."""
    roots: tuple[str, ...] = ()
    """The folders to which ``Root`` of its functions is held."""

    @property
    def name(self) -> str:
        """As PowerShell writes it: Sitekeeper.SiteServer."""
        return "Sitekeeper." + "".join(word[:1].upper() + word[1:] for word in self.kind.split())


def role_of(
    kind: str, modules: Iterable[type[Module[Any, Any, Any]]], services: Iterable[str], roots: Sequence[str] = ()
) -> Role:
    """The role for a kind of host on which these modules run.

    ``services`` are those that may be stopped and started, ``roots`` the folders that the hosts' inventory names for our files.
    Without any, the functions that write there are left out: nobody could call them.
    """
    needs = [RUN, *([GUARD] if kind != SCRATCH else []), *(one.needs for one in modules)]
    beside = kind == "management server"
    if beside:
        needs = [Needs(functions=BESIDE)]
    cmdlets: dict[str, dict[str, Allowed]] = {}
    for one in needs:
        for name, arguments in one.cmdlets.items():
            known = cmdlets.setdefault(name, {})
            for parameter, allowed in arguments.items():
                if parameter != "Query":
                    known[parameter] = _either(known.get(parameter), allowed)
    wanted = tuple(services)
    if "Invoke-WmiMethod" in cmdlets:
        cmdlets["Invoke-WmiMethod"]["Path"] = tuple(f"Win32_Service.Name='{name}'" for name in wanted)
    left_out = OLD if beside else (*OLD, *BESIDE)
    names = sorted({name for one in needs for name in one.functions if name not in left_out})
    if "Get-WmiObject" in cmdlets:
        classes = dict.fromkeys((*cmdlets["Get-WmiObject"]["Class"], *_classes_in(inside(names))))
        cmdlets["Get-WmiObject"] |= reading(*classes)
        if any("-Namespace" in functions.sources()[name] for name in inside(names)):
            cmdlets["Get-WmiObject"]["Namespace"] = OF_SITE
    rooted = {name for name in names if "Root" in parameters_of(name)}
    if not roots:
        names = [name for name in names if name not in rooted]
    held: dict[str, dict[str, Allowed]] = {name: {"Root": tuple(roots)} if name in rooted else {} for name in names}
    if "Register-SkGuard" in held:
        held["Register-SkGuard"]["Service"] = wanted
    return Role(kind, cmdlets, held, tuple(dict.fromkeys(one.rights for one in needs if one.rights)), tuple(roots))


def parameters_of(function: str) -> list[str]:
    """The names in a function's ``param`` block, in its order."""
    block = re.search(r"\n    param\((.*?)\)\n", functions.sources()[function])
    return re.findall(r"\$(\w+)", block[1]) if block else []


def _either(one: Allowed | None, other: Allowed) -> Allowed:
    if one is None or one == other:
        return other
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(dict.fromkeys((*one, *other)))
    raise TypeError(f"two expressions for one parameter: {one} and {other}")


def _classes_in(names: Iterable[str]) -> list[str]:
    """The WMI classes that functions read: where a role limits a cmdlet, it limits it for the functions of the role, too."""
    sources = functions.sources()
    return [found for name in names for found in re.findall(r"Get-WmiObject -Class (\w+)", sources[name])]


def inside(names: Iterable[str]) -> tuple[str, ...]:
    """These functions and all that they call, of ours: what the role's module must hold."""
    sources = functions.sources()
    todo, found = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name not in found and name in sources:
            found.add(name)
            todo += re.findall(r"\b[A-Z][a-z]+-Sk\w+", sources[name])
    return tuple(sorted(found))
