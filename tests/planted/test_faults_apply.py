"""Every planted fault still has its place in the code and its test in `make test`: `make planted` runs them."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from .run_planted import ROOT, faults

FAULTS = faults()


@pytest.mark.parametrize("fault", FAULTS, ids=[one["id"] for one in FAULTS])
def test_it_can_be_planted_and_its_test_is_there(fault: dict[str, Any]) -> None:
    text = (ROOT / "modules/sitekeeper" / fault["file"]).read_text()
    assert text.count(fault["find"]) == 1
    assert fault["replace"] != fault["find"]
    ast.parse(text.replace(fault["find"], fault["replace"]))
    file, _, name = fault["caught_by"].partition("::")
    functions = {
        one.name: one for one in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(one, ast.FunctionDef)
    }
    assert "sweep" not in " ".join(ast.unparse(one) for one in functions[name].decorator_list)


def test_there_are_forty() -> None:
    assert len({one["id"] for one in FAULTS}) == len(FAULTS) >= 40
