"""What our functions and modules send: every command with its parameters, read from the scripts and from the Python text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .powershell import ROOT, Command, Script

PRODUCT = ROOT / "modules" / "sitekeeper"
AREAS = ("site", "store", "windows", "transport")
VERB_NOUN = re.compile(r"[A-Z][A-Za-z]+-[A-Z]\w+")
_SENDERS = {"call": 0, "change": 0, "stream": 0, "raw": 0, "ask": 0, "change_beside": 1}
"""Methods of a session, and which of their arguments is the command."""


@dataclass(frozen=True, slots=True)
class Given:
    """An argument: the kind of its value (text, Int32, Boolean, ScriptBlock ...; else what stands there), and a constant's text."""

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that is sent, with its arguments by parameter; a number is a place."""

    where: str
    command: str
    given: tuple[tuple[str | int, Given], ...]

    @property
    def names(self) -> set[str | int]:
        """The parameters and places."""
        return {name for name, _ in self.given}


def by_scripts(scripts: Iterable[Script]) -> list[Sent]:
    """Every command of scripts, native tools left out."""
    return [
        Sent(f"{script.name} line {command.line}", command.name, tuple(_arguments(command)))
        for script in scripts
        for command in script.commands
        if VERB_NOUN.fullmatch(command.name)
    ]


def _arguments(command: Command) -> Iterator[tuple[str | int, Given]]:
    waiting: str | None = None
    place = 0
    for element in command.elements:
        if element.parameter is not None:
            if waiting is not None:
                yield waiting, Given("switch")
            waiting = element.parameter
        elif waiting is not None:
            yield waiting, Given(element.kind, element.text)
            waiting = None
        else:
            place += 1
            yield place, Given(element.kind, element.text)
    if waiting is not None:
        yield waiting, Given("switch")


@cache
def tree(file: Path) -> ast.Module:
    """A Python file of ours."""
    return ast.parse(file.read_text("utf-8"))


def files() -> list[Path]:
    """The Python files that send anything."""
    return sorted(file for area in AREAS for file in (PRODUCT / area).rglob("*.py"))


def by_modules() -> list[Sent]:
    """Every command that Python text sends with its name written out."""
    return [one for file in files() for one in in_node(tree(file), file.stem)]


def in_node(node: ast.AST, where: str) -> Iterator[Sent]:
    """The commands that a piece of Python text sends."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Name) and call.func.id == "Call" and isinstance(call.args[0], ast.Constant):
            inside = call.args[1] if len(call.args) > 1 else ast.Dict([], [])
            assert isinstance(inside, ast.Dict), f"{where}: arguments that are not written out"
            pairs = list(_pairs(inside))
        elif isinstance(call.func, ast.Attribute) and call.func.attr in _SENDERS:
            pairs = [pair for word in call.keywords if word.arg != "deadline" for pair in _spread(word, node)]
        else:
            continue
        place = _SENDERS.get(call.func.attr, 0) if isinstance(call.func, ast.Attribute) else 0
        command = call.args[place] if len(call.args) > place else None
        if isinstance(command, ast.Constant) and VERB_NOUN.fullmatch(str(command.value)):
            given = tuple((str(name), _given(value)) for name, value in pairs)
            yield Sent(f"{where} line {call.lineno}", str(command.value), given)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "change_beside":
            yield Sent(f"{where} line {call.lineno}", "Write-Output", (("InputObject", Given("text")),))
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("ps.read"):
            yield Sent(f"{where} line {call.lineno}", "Write-Output", (("InputObject", Given("text")),))


def _pairs(given: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(given.keys, given.values, strict=True):
        yield (str(key.value) if isinstance(key, ast.Constant) else "**"), value


def _spread(word: ast.keyword, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """A keyword; of ``**name`` those of the dict that is assigned to the name."""
    if word.arg is not None:
        yield word.arg, word.value
        return
    found = [
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Assign | ast.AnnAssign)
        and ast.unparse(word.value)
        in (ast.unparse(target) for target in (one.targets if isinstance(one, ast.Assign) else [one.target]))
    ]
    for value in found or [None]:
        if isinstance(value, ast.Dict):
            yield from _pairs(value)
        else:
            yield "**", word.value


def _given(value: ast.expr) -> Given:
    if isinstance(value, ast.Constant):
        return Given({str: "text", bool: "Boolean", int: "Int32"}.get(type(value.value), "?"), str(value.value))
    if isinstance(value, ast.JoinedStr):
        return Given(
            "format", "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)
        )
    if isinstance(value, ast.List) and all(isinstance(item, ast.Constant) for item in value.elts):
        return Given("texts", " ".join(str(item.value) for item in value.elts if isinstance(item, ast.Constant)))
    return Given("?", ast.unparse(value))


def named_otherwise() -> set[tuple[str, str]]:
    """Commands that stand in Python text other than as a session's call or in ``needs``: file and command."""
    found = set()
    for file in files():
        calls = {one.command for one in in_node(tree(file), file.stem)}
        needs = [
            node for node in ast.walk(tree(file)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Needs"
        ]
        skipped = {id(inner) for node in needs for inner in ast.walk(node)}
        texts = [
            node.value
            for node in ast.walk(tree(file))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
        ]
        found |= {(file.stem, text) for text in texts if VERB_NOUN.fullmatch(text) and text not in calls}
    return found
