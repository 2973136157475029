"""What a module can send is exactly what its ``needs`` declare: a session refuses the rest, and roles are made from them.

Followed by name through our Python text, from the module's class on: every function, class and constant that it names, and
what those name. Refusing at run time is tested with the session; here nothing has to run first.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine import module as modules
from sitekeeper.engine.module import Module

from .checking_native import wmi_classes
from .counting import Row, count
from .sent import PRODUCT, VERB_NOUN, Sent, in_node, tree

AREAS = ("core", "site", "sql", "store", "windows")
MODULES = sorted(modules.available().items())
Place = tuple[str, str]
"""A name at the top of a file: the file's dotted name, and the name."""


def _file(dotted: str) -> Path:
    return PRODUCT.parent / Path(*dotted.split(".")).with_suffix(".py")


def _defined(text: ast.Module) -> dict[str, ast.AST]:
    """What stands at the top of a file."""
    found: dict[str, ast.AST] = {}
    for node in text.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                found[ast.unparse(target)] = node
    return found


def _imported(text: ast.Module) -> dict[str, Place]:
    """Names of our areas that a file imports; a whole file has an empty name."""
    found = {}
    for node in ast.walk(text):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split(".")[1:2]
            and node.module.split(".")[1] in AREAS
        ):
            for one in node.names:
                whole = f"{node.module}.{one.name}"
                found[one.asname or one.name] = (whole, "") if _file(whole).is_file() else (node.module, one.name)
    return found


@cache
def _names(dotted: str) -> tuple[dict[str, ast.AST], dict[str, Place]]:
    text = tree(_file(dotted))
    return _defined(text), _imported(text)


def _next(place: Place, node: ast.AST) -> Iterator[Place]:
    defined, imported = _names(place[0])
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            if one.id in defined:
                yield place[0], one.id
            elif one.id in imported and imported[one.id][1]:
                yield imported[one.id]
        elif isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id in imported:
            yield imported[one.value.id][0], one.attr


def can_send(start: Place, replaced: Mapping[Place, ast.AST] | None = None) -> set[Sent]:
    """The commands in everything that can be reached by name; ``replaced`` stands in for what is in the files."""
    sent: set[Sent] = set()
    seen: set[Place] = set()
    todo = [start]
    while todo:
        place = todo.pop()
        node = (replaced or {}).get(place) or _names(place[0])[0].get(place[1])
        if place in seen or node is None:
            continue
        seen.add(place)
        todo += _next(place, node)
        sent |= set(in_node(node, place[0]))
        declared = {
            id(inner)
            for one in ast.walk(node)
            if isinstance(one, ast.Call) and ast.unparse(one.func) == "Needs"
            for inner in ast.walk(one)
        }
        for one in ast.walk(node):
            if (
                isinstance(one, ast.Constant)
                and isinstance(one.value, str)
                and id(one) not in declared
                and VERB_NOUN.fullmatch(one.value)
            ):
                sent.add(Sent(place[0], one.value, ()))  # handed to a function that sends it
    return sent


@pytest.mark.parametrize(("name", "found"), MODULES, ids=[name for name, _ in MODULES])
def test_a_module_declares_what_it_can_send_and_no_more(name: str, found: type[Module[Any, Any, Any]]) -> None:
    sent = can_send((found.__module__, found.__name__))
    assert {one.command for one in sent} == {*found.needs.cmdlets, *found.needs.functions}
    words = str(found.needs.cmdlets)
    assert set(re.findall(r"(?:Win32|CIM)_[A-Za-z0-9]+", words)) == {name for one in sent for name in wmi_classes(one)}


def test_a_cmdlet_missing_in_needs_is_caught() -> None:
    found = modules.find("site.preflight")
    text = (PRODUCT / "site" / "readiness" / "site_checks.py").read_text("utf-8")
    planted = text.replace(
        'where.ps.call("Get-WmiObject", Class="Win32_ShadowStorage")', 'where.ps.call("Get-Process", Name="x")'
    )
    assert planted != text
    place = ("sitekeeper.site.readiness.site_checks", "room")
    sent = can_send((found.__module__, found.__name__), {place: _defined(ast.parse(planted))["room"]})
    assert {one.command for one in sent} - {*found.needs.cmdlets, *found.needs.functions} == {"Get-Process"}
    count(Row.PLANTED, 1, "a cmdlet missing in needs")
