"""What every module promises: a file, a class and a name that agree, documented parameters, honest needs."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import pytest

import sitekeeper
from sitekeeper.engine import module as modules
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.module import Module
from sitekeeper.engine.plan import Record, Result
from sitekeeper_lab.engines.cmdlets import BASIC
from sitekeeper_lab.engines.items import ITEMS
from sitekeeper_lab.engines.wmi_cmdlets import WMI

MODULES = sorted(modules.available().items())
FUNCTIONS = {file.stem for file in (Path(sitekeeper.__file__).parent / "powershell").glob("*.ps1")}
CMDLETS = {cmdlet.name for cmdlet in (*BASIC, *ITEMS, *WMI)}
"""The lab has them from Windows' own metadata."""
AnyModule = type[Module[Any, Any, Any]]

every = pytest.mark.parametrize(("name", "found"), MODULES, ids=[name for name, _ in MODULES])


def test_there_are_modules() -> None:
    assert {"site.facts", "windows.service", "windows.snapshot", "store.pull", "core.debug"} <= dict(MODULES).keys()


@every
def test_name_file_and_class_agree(name: str, found: AnyModule) -> None:
    area, word = name.split(".")
    python = sys.modules[found.__module__]
    assert python.__file__ is not None
    assert Path(python.__file__).stem.removesuffix("_") == word
    assert Path(python.__file__).parent.name == area
    assert found.__name__ == "".join(part.capitalize() for part in word.split("_"))
    ours = [
        one
        for one in vars(python).values()
        if isinstance(one, type) and issubclass(one, Module) and one.__module__ == python.__name__
    ]
    assert ours == [found]
    assert modules.find(name) is found


@every
def test_purpose_is_one_sentence(name: str, found: AnyModule) -> None:
    purpose = (inspect.getdoc(sys.modules[found.__module__]) or "").split("\n\n", 1)[0]
    assert re.fullmatch(r"[A-Z][^\n]*\.", purpose), purpose


@every
def test_example_is_a_task_that_validates(name: str, found: AnyModule, tmp_path: Path) -> None:
    doc = inspect.getdoc(found) or ""
    head, _, example = doc.partition("\n\n")
    assert head == "Example::"
    tasks = example if example.lstrip().startswith("-") else ""
    assert tasks, "an example is a task"
    file = tmp_path / "example.yml"
    inset = "".join(f"        {line}\n" for line in dedent(tasks).splitlines())
    # In a block, since an example may say `undo: block`.
    file.write_text(f"- hosts: all\n  tasks:\n    - block:\n{inset}")
    used = [task.module for play in playbook_reader.load(file).plays for task, _ in play.walk()]
    assert found in used


@every
def test_every_parameter_and_result_is_documented(name: str, found: AnyModule) -> None:
    for kind in (found.params_type, found.result_type):
        assert (kind.__doc__ or "").strip()
    for word, field in found.params_type.model_fields.items():
        assert field.description, f"{word} says nothing"
        assert field.description.endswith("."), f"{word}: {field.description}"


@every
def test_needs_names_what_exists(name: str, found: AnyModule) -> None:
    for function in found.needs.functions:
        assert function in FUNCTIONS
    for cmdlet, arguments in found.needs.cmdlets.items():
        assert cmdlet in CMDLETS, f"{cmdlet} is no cmdlet that the lab knows of Windows"
        assert arguments
        assert cmdlet not in FUNCTIONS


@every
def test_a_change_is_taken_back_or_found_made(name: str, found: AnyModule) -> None:
    assert ("undo" in vars(found)) == found.reversible
    assert ("apply" in vars(found)) or not found.reversible
    assert "plan" in vars(found)
    assert ("made" in vars(found)) == (found.intent_type is not None and not found.reversible)
    if found.intent_type is None:
        assert not found.reversible
        return
    assert issubclass(found.intent_type, Record)
    version = found.intent_type.model_fields.get("version")
    assert version is not None, "an intent is read days later by another version"
    assert version.default in get_args(version.annotation)


@every
def test_nothing_goes_on_past_services(name: str, found: AnyModule) -> None:
    """What stands alone may be left as it is for a while: nothing that a site needs to run, and nothing that a guard covers."""
    if found.stands_alone:
        assert name in {"sql.backup", "store.pull_backup"}
        assert found.leaves_down is Module.leaves_down
        assert found.covers is Module.covers


@every
def test_types_are_frozen_and_strict(name: str, found: AnyModule) -> None:
    assert found.params_type.model_config.get("frozen")
    assert found.params_type.model_config.get("strict") or name == "core.set_fact"
    assert issubclass(found.result_type, Result)
    for kind in (found.result_type, found.intent_type or Result):
        assert kind.model_config.get("frozen")
        assert not {"failed", "skipped"} & set(kind.model_fields)


@every
def test_intent_comes_back_from_the_journal(name: str, found: AnyModule) -> None:
    """Every field of an intent is of a kind that JSON can bring back."""
    if found.intent_type is not None:
        schema = found.intent_type.model_json_schema(mode="validation")
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
