"""Whether what is sent exists: by our lists (``known_cmdlets.yml``), and by the metadata of Windows' own cmdlets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .checking_2 import known
from .powershell import Script
from .sent import Given, Sent

ACTIONS = {"stop", "continue", "silentlycontinue"}
"""Values of ErrorAction that 2.0 has; Ignore came with 3.0."""
_COMMON = {"ErrorAction", "ErrorVariable"}
"""The common parameters that are sent; all cmdlets and advanced functions of 2.0 have them (about_CommonParameters)."""
_FITS = {
    "text": {"String", "String[]", "Object", "Object[]", "PSObject", "PSObject[]"},
    "format": {"String", "String[]", "Object", "Object[]", "PSObject", "PSObject[]"},
    "texts": {"String[]", "Object[]"},
    "Int32": {"Int32", "Int64", "Double", "Object", "Object[]", "String", "PSObject"},
    "Boolean": {"Boolean", "Object", "PSObject"},
    "ScriptBlock": {"ScriptBlock", "ScriptBlock[]", "Object", "PSObject"},
    "Hashtable": {"Hashtable", "IDictionary", "Object"},
    "switch": {"SwitchParameter"},
}
"""Kinds of constants, and types of parameters that they are fit for."""


def functions_of(scripts: Iterable[Script]) -> dict[str, dict[str, str]]:
    """Our functions: the parameters of each with their types."""
    return {
        script.name: {name: kind for kind, name in (fact.text.split() for fact in script.of("parameter"))}
        for script in scripts
        if "-Sk" in script.name
    } | {"Get-SkRole": {}}  # made together with an endpoint: jea/files.py


def complaints(sent: Iterable[Sent], functions: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong with commands, by our functions' own parameters and by the lists."""
    cmdlets = known("known_cmdlets")
    found = []
    for one in sent:
        if one.command in functions:
            wrong = list(_by_function(one, functions[one.command]))
        elif one.command in cmdlets:
            wrong = list(_by_list(one, cmdlets[one.command]))
        else:
            wrong = ["is in no list of cmdlets that are known to exist"]
        found += [f"{one.where}: {one.command} {text}" for text in wrong]
    return found


def _common(name: str | int, value: Given) -> Iterator[str]:
    if value.kind != "text" or value.text.lower() not in ACTIONS:
        yield f"-{name} {value.text} is not one of 2.0"


def _by_function(one: Sent, parameters: Mapping[str, str]) -> Iterator[str]:
    for name, value in one.given:
        if name == "ErrorAction":
            yield from _common(name, value)
        elif name not in parameters:
            yield f"has no parameter {name}"
        elif not fits(value, parameters[str(name)]):
            yield f"-{name} takes {parameters[str(name)]}, not {value.kind} {value.text}"


def _by_list(one: Sent, cmdlet: Mapping[str, Any]) -> Iterator[str]:
    given = dict(one.given)
    given.pop("ErrorVariable", None)  # takes any name
    if "ErrorAction" in given:
        yield from _common("ErrorAction", given.pop("ErrorAction"))
    sets = [_placed(names) for names in cmdlet["sets"]]
    if not any(_lies_in(set(given), names) for names in sets):
        yield f"{' '.join(f'-{name}' for name in given)}: no parameter set has these, with all that it must have"
    for name, value in given.items():
        values = cmdlet.get("values", {}).get(name)
        if values and value.kind == "text" and value.text not in values:
            yield f"-{name} {value.text} is not one of its values"
        if {str(name), *_names_at(name, sets)} & set(cmdlet.get("script_blocks", ())) and value.kind != "ScriptBlock":
            yield f"-{name} {value.text} is the simplified syntax of 3.0"


def _placed(names: Iterable[str]) -> dict[str, tuple[int | None, bool]]:
    """A set of the list: name -> place, mandatory."""
    found = {}
    for text in names:
        place, _, name = text.rpartition(":")
        found[name.rstrip("!")] = (int(place) if place else None, name.endswith("!"))
    return found


def _names_at(place: str | int, sets: Iterable[Mapping[str, tuple[int | None, bool]]]) -> set[str]:
    return {name for names in sets for name, (at, _) in names.items() if at == place}


def _lies_in(given: set[str | int], names: Mapping[str, tuple[int | None, bool]]) -> bool:
    bound = {name if isinstance(name, str) else next(iter(_names_at(name, [names])), None) for name in given}
    return bound <= set(names) and {name for name, (_, must) in names.items() if must} <= bound


def fits(value: Given, kind: str) -> bool:
    """Whether a constant is fit for a parameter's type; of what is no constant nothing can be told."""
    return value.kind not in _FITS or kind.rpartition(".")[2] in _FITS[value.kind]


def by_metadata(one: Sent, cmdlet: Mapping[str, Any]) -> list[str]:
    """What is wrong with a command, by the metadata of a Windows build's assemblies (``cmdlets.json``)."""
    parameters = cmdlet["parameters"]
    given = {_resolved(one.command, name): value for name, value in one.given if name not in _COMMON}
    unknown = [name for name in given if name not in parameters]
    if unknown:
        return [f"{one.where}: {one.command} has no parameter {' '.join(map(str, unknown))}"]
    found = []
    names = {entry["set"] for parameter in parameters.values() for entry in parameter["sets"]} - {"*"}
    if not any(_in_set(name, given, parameters) for name in names or {"*"}):
        found.append(f"{one.where}: {one.command}: no parameter set has {' '.join(given)}, with all that it must have")
    for name, value in given.items():
        allowed = parameters[name].get("validate_set")
        if allowed and value.kind == "text":
            if value.text not in allowed:
                found.append(f"{one.where}: {one.command} -{name} {value.text} is not one of its values")
        elif not fits(value, parameters[name]["type"]):
            found.append(f"{one.where}: {one.command} -{name} takes {parameters[name]['type']}, not {value.kind}")
    return found


def _resolved(command: str, name: str | int) -> str:
    """A parameter by its name, or by its place in the first set of the list that has one there."""
    if isinstance(name, str):
        return name
    sets = [_placed(names) for names in known("known_cmdlets")[command]["sets"]]
    return next((key for names in sets for key in _names_at(name, [names])), f"number {name}")


def _in_set(name: str, given: Mapping[str, Given], parameters: Mapping[str, Any]) -> bool:
    def entry(key: str) -> Mapping[str, Any] | None:
        return next((one for one in parameters[key]["sets"] if one["set"] in (name, "*")), None)

    must = {key for key in parameters if (found := entry(key)) and found.get("mandatory")}
    return must <= set(given) and all(entry(key) for key in given)
