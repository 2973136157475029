"""What in a script PowerShell 2.0 or .NET 2.0 to 3.5 lacks, by the list of what they are known to have (``known_2_0.yml``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .powershell import Fact, Script

HERE = Path(__file__).parent


@cache
def known(name: str) -> dict[str, Any]:
    """One of the lists beside this file."""
    found: dict[str, Any] = yaml.safe_load((HERE / f"{name}.yml").read_text("utf-8"))
    return found


def _folded(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


@cache
def wmi_properties() -> frozenset[str]:
    """Properties and out parameters of the WMI classes that we use, lower case."""
    classes = known("known_windows")["wmi"].values()
    return frozenset(_folded(name for one in classes for name in (*one["properties"], *one.get("out", ()))))


def violations(scripts: Iterable[Script]) -> list[str]:
    """Everything that is not known to exist in 2.0, with its place."""
    scripts = list(scripts)
    own = _folded(fact.text.strip("'") for script in scripts for fact in script.of("key"))
    return [
        f"{script.name} line {fact.line}: {wrong}"
        for script in scripts
        for fact in script.facts
        for wrong in _wrong(fact, script, own)
    ]


def _wrong(fact: Fact, script: Script, own: set[str]) -> Iterator[str]:
    lists = known("known_2_0")
    text, low = fact.text, fact.text.lower()
    match fact.kind:
        case "oddity":
            yield f"{text} is newer than 2.0, or what it does cannot be read"
        case "nothing":
            yield f"foreach over {text}: where that is $null, 2.0 goes through it once"
        case "node" | "operator" | "attribute" | "redirection" | "type":
            names = {"node": "nodes", "operator": "operators", "attribute": "attributes", "redirection": "redirections"}
            if low not in _folded(lists[names.get(fact.kind, "types")]):
                yield f"{fact.kind} {text} is not known to exist in 2.0"
        case "number":
            if not re.fullmatch(lists["numbers"], text):
                yield f"number {text} is not one of 2.0"
        case "read":
            written = _folded(other.text for other in script.of("written"))
            if low not in written | _folded(lists["variables"]) | _folded(lists["own_variables"]):
                yield f"variable ${text}: nobody sets it, and 2.0 does not"
        case "static" | "created":
            counts = {name.lower(): found for name, found in lists[fact.kind].items()}.get(low)
            if counts is None or (fact.number is None) != (counts == []) or fact.number not in (None, *counts):
                yield f"[{text}] with {fact.number} arguments is not known to exist in .NET 2.0"
        case "member" if fact.number is not None:
            method = {name.lower(): found[0] for name, found in lists["methods"].items()}.get(low)
            if method is None or fact.number not in method:
                yield f".{text}() with {fact.number} arguments is not known to exist in .NET 2.0"
        case "member":
            if low not in _folded(lists["properties"]) | own | wmi_properties():
                yield f".{text} is not known to exist in .NET 2.0, in WMI or in an object of ours"
