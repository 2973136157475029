"""Nothing judges by English text of Windows: a German or French host must be understood as well.

Every text of three letters and more that a script or a Python module compares something with is in ``known_texts.yml``, under
the reason why it is the same in every language. In Python only what could be text that a host wrote: what is looked for within
a text, patterns where they are written out, and words as Windows writes them, with a capital letter or a space.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from .checking_2 import known
from .counting import Row, count
from .powershell import FUNCTIONS, PATIENCE, Script, read, run, scripts, shipped
from .sent import PRODUCT, tree

pytestmark = PATIENCE

AREAS = ("model", "site", "sql", "store", "transport", "windows")
_LOOKING = {
    "startswith",
    "endswith",
    "find",
    "index",
    "count",
    "match",
    "search",
    "fullmatch",
    "compile",
    "split",
    "partition",
    "findall",
    "finditer",
    "sub",
    "removeprefix",
    "removesuffix",
}
_AS_WINDOWS_WRITES = re.compile(r"[A-Z][a-z]{2}|[A-Za-z]{3} [A-Za-z]")
_REGEX = re.compile(r"\\[A-Za-z]|\[[^\]]*\]|\(\?P?<\w+>|\{[0-9a-f-]{36}\}")
"""Of a pattern, what is no text that it looks for; and GUIDs."""


@cache
def allowed() -> frozenset[str]:
    """The texts of the list."""
    return frozenset(str(text) for group in known("known_texts")["groups"] for text in group["texts"])


def _has_words(text: str) -> bool:
    return bool(re.search(r"[A-Za-z]{3}", _REGEX.sub(" ", text)))


def in_scripts(found: Iterable[Script]) -> list[str]:
    """Texts that scripts compare with, and that are not in the list."""
    return [
        f"{script.name} line {fact.line}: {text}"
        for script in found
        for fact in script.of("compared")
        for text in [fact.text.split(" ", 1)[1]]
        if _has_words(text) and text not in allowed()
    ]


def in_python(text: ast.AST, where: str) -> list[str]:
    """Texts that Python compares with, and that are not in the list."""
    return [
        f"{where} line {line}: {text}" for line, text in _compared(text) if _has_words(text) and text not in allowed()
    ]


def _compared(text: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(text):
        if isinstance(node, ast.Compare):
            within = isinstance(node.ops[0], ast.In | ast.NotIn)
            for one in _constants(node.left):
                if within or _AS_WINDOWS_WRITES.search(one):
                    yield node.lineno, one
            for side in node.comparators:
                yield from ((node.lineno, one) for one in _constants(side) if _AS_WINDOWS_WRITES.search(one))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKING:
            yield from ((node.lineno, one) for one in _constants(node.args[0] if node.args else node))
        elif isinstance(node, ast.MatchValue):
            yield from ((node.value.lineno, one) for one in _constants(node.value) if _AS_WINDOWS_WRITES.search(one))


def _constants(node: ast.AST) -> Iterator[str]:
    """Texts in an expression; not those that only choose a key: ``row["Name"]`` and ``row.get("Name")``."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
        return
    keyed = isinstance(node, ast.Subscript) or (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"get", "removeprefix"}
    )
    for child in ast.iter_child_nodes(node):
        if not keyed or child is getattr(node, "value", None) or child is getattr(node, "func", None):
            yield from _constants(child)


def _python_files() -> list[Path]:
    return sorted(file for area in AREAS for file in (PRODUCT / area).rglob("*.py"))


def test_no_script_judges_by_english_text() -> None:
    assert not in_scripts(scripts())


def test_no_module_judges_by_english_text() -> None:
    wrong = [one for file in _python_files() for one in in_python(tree(file), file.stem)]
    assert not wrong, "\n".join(wrong)


OURS = {
    "guard 1 of run-1.",
    "set {",  # both in files of our own
    "SHADOW_SET_ID={",  # a variable of a batch file for other programs (vshadow's SETVAR script)
}


def test_the_guards_script_looks_for_no_english_text() -> None:
    for lines in json.loads(run(Path(__file__).parent / "guard_script.ps1", "-Functions", str(FUNCTIONS))):
        looked_for = re.findall(r'find\.exe (?:/i )?"([^"]*)"', "\n".join(lines))
        assert looked_for
        for text in looked_for:
            assert not _has_words(text) or text in OURS, text


def test_every_listed_text_is_compared_with() -> None:
    used = {fact.text.split(" ", 1)[1] for script in scripts() for fact in script.of("compared")}
    used |= {text for file in _python_files() for _, text in _compared(tree(file))}
    assert not allowed() - used


def test_an_english_text_match_is_caught() -> None:
    right = shipped()["Get-SkVssWriter"]
    wrong = right.replace(
        "$global:LASTEXITCODE = -1", "if ($said -match 'No error') { return }\n    $global:LASTEXITCODE = -1"
    )
    assert in_scripts(read({"Get-SkVssWriter": wrong})) == ["Get-SkVssWriter line 3: No error"]
    file = PRODUCT / "windows" / "vss" / "tool_texts.py"
    text = (
        file.read_text("utf-8")
        + "\n\ndef _failed(text: str) -> bool:\n    return 'failed' in text or text == 'Access is denied.'\n"
    )
    assert [one.split(": ", 1)[1] for one in in_python(ast.parse(text), "tool_texts")] == [
        "failed",
        "Access is denied.",
    ]
    count(Row.PLANTED, 1, "an English text match")
