"""The tree obeys its rule: in an area a file is a playbook word, a folder is how it is done."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sitekeeper.engine.module import AREAS, Module, available

MODULES = Path(__file__).resolve().parents[2] / "modules"
PRODUCT, LAB = MODULES / "sitekeeper", MODULES / "sitekeeper_lab"


def imports_of(file: Path) -> set[str]:
    """Dotted names that a file imports, names out of packages included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(MODULES).with_suffix("").parts)


WORDS = {dotted(file) for area in AREAS for file in (PRODUCT / area).glob("*.py") if file.name != "__init__.py"}


def test_a_file_of_an_area_is_a_playbook_word() -> None:
    assert len(WORDS) > 30
    files = {f"{area}.{name}" for area, name in (word.split(".")[1:] for word in WORDS)}
    assert {file.removesuffix("_") for file in files} == set(available())
    for word, module in available().items():
        assert issubclass(module, Module)
        assert module.__module__.removesuffix("_") == f"sitekeeper.{word}"


def test_no_file_hides_behind_an_underscore() -> None:
    hidden = [
        file.relative_to(MODULES)
        for tree in (PRODUCT, LAB)
        for file in tree.rglob("_*.py")
        if file.name not in {"__init__.py", "__main__.py"}
    ]
    assert hidden == []


@pytest.mark.parametrize("area", AREAS)
def test_no_room_of_an_area_imports_a_word_and_no_word_another(area: str) -> None:
    for file in (PRODUCT / area).rglob("*.py"):
        others = WORDS & imports_of(file) - {dotted(file)}
        assert not others, f"{dotted(file)} imports {', '.join(sorted(others))}: lend it from a folder"


def test_nobody_else_imports_a_word_either() -> None:
    for tree in ("engine", "transport", "model", "jea", "report", "cli"):
        for file in (PRODUCT / tree).rglob("*.py"):
            assert not WORDS & imports_of(file), dotted(file)


def test_every_file_says_what_it_is() -> None:
    for tree in (PRODUCT, LAB):
        for file in tree.rglob("*.py"):
            text = file.read_text("utf-8")
            assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{dotted(file)} has no docstring"


OPENS_SECRETS = ("engine/secrets.py", "engine/vault.py")
"""Besides ``transport/``: the type itself, which combines secrets, and the vault password, which opens vaults."""


def test_only_transport_opens_a_secret() -> None:
    for file in PRODUCT.rglob("*.py"):
        name = file.relative_to(PRODUCT).as_posix()
        if not name.startswith("transport/") and name not in OPENS_SECRETS:
            assert ".reveal(" not in file.read_text("utf-8"), name
