"""The PowerShell that we ship, read by PowerShell's own parser (``walk.ps1``): one process for all of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "modules" / "sitekeeper" / "powershell"
PATIENCE = pytest.mark.timeout(300)
"""For tests that start a PowerShell: on a busy machine that alone takes a while."""
NO_POWERSHELL = "no PowerShell: neither SITEKEEPER_PWSH nor pwsh on PATH"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that stands in a script."""

    kind: str
    """Such as node, operator, type, read or written (a variable), member, oddity: ``Add-Fact`` in ``walk.ps1`` has them all."""
    line: int
    text: str
    number: int | None
    """Of a method call, or a new object: how many arguments."""


@dataclass(frozen=True, slots=True)
class Element:
    """One thing behind a command's name: a parameter, or a value."""

    parameter: str | None
    kind: str
    """Of a value: text, Int32, ScriptBlock, Variable, Paren, Array ..."""
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is called in a script."""

    line: int
    name: str
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A script as the parser read it."""

    name: str
    errors: tuple[str, ...]
    facts: tuple[Fact, ...]
    commands: tuple[Command, ...]

    def of(self, *kinds: str) -> list[Fact]:
        """The facts of these kinds."""
        return [fact for fact in self.facts if fact.kind in kinds]


def pwsh() -> str:
    """The PowerShell; without one the test is skipped."""
    found = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
    if found is None:
        pytest.skip(NO_POWERSHELL)
    return found


def run(script: Path, *arguments: str, given: str = "", seconds: int = 250) -> str:
    """What a script file of ours prints."""
    done = subprocess.run(
        [pwsh(), "-NoLogo", "-NoProfile", "-NonInteractive", "-File", str(script), *arguments],
        input=given,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shipped() -> dict[str, str]:
    """Every PowerShell text that we ship, by name: the functions, and what an operator is told to type."""
    texts = {path.stem: path.read_text("utf-8") for path in sorted(FUNCTIONS.glob("*.ps1"))}
    for page in sorted((ROOT / "docs").glob("**/*.md")):
        for number, block in enumerate(re.findall(r"```powershell\n(.*?)```", page.read_text("utf-8"), re.DOTALL), 1):
            texts[f"{page.name} block {number}"] = block
    return texts


def read(texts: Mapping[str, str]) -> list[Script]:
    """These texts as the parser reads them."""
    given = json.dumps([{"name": name, "text": text} for name, text in texts.items()])
    answers: list[dict[str, Any]] = json.loads(run(Path(__file__).parent / "walk.ps1", given=given))
    return [
        Script(
            one["name"],
            tuple(one["errors"]),
            tuple(Fact(fact["kind"], fact["line"], fact["text"], fact["number"]) for fact in one["facts"]),
            tuple(
                Command(
                    command["line"],
                    command["name"],
                    tuple(Element(e.get("parameter"), e["kind"], e["text"]) for e in command["elements"]),
                )
                for command in one["commands"]
            ),
        )
        for one in answers
    ]


@cache
def scripts() -> tuple[Script, ...]:
    """Everything that we ship, read once."""
    return tuple(read(shipped()))
