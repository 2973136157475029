"""Our functions under Pester, PowerShell's own test framework: ``functions.Tests.ps1``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .counting import Row, count
from .powershell import FUNCTIONS, PATIENCE, run

pytestmark = PATIENCE


def test_the_pester_tests_pass() -> None:
    said = run(Path(__file__).parent / "run_pester.ps1", "-Functions", str(FUNCTIONS))
    if not said.strip():
        pytest.skip("no Pester beside this PowerShell")
    tests = json.loads(said)
    assert len(tests) > 30
    assert not [f"{one['name']}: {one['result']} {one['error']}" for one in tests if one["result"] != "Passed"]
    count(Row.CONTRACT, len(tests), f"{len(tests)} Pester tests of functions")
