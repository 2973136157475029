"""PowerShell's own parser reads every PowerShell text that we ship or send, and finds no error."""

from __future__ import annotations

import ast

from .counting import Row, count
from .powershell import PATIENCE, ROOT, read, scripts, shipped

pytestmark = PATIENCE


def test_every_script_parses() -> None:
    errors = [f"{script.name} line {error}" for script in scripts() for error in script.errors]
    assert not errors, "\n".join(errors)
    assert {script.name for script in scripts()} == set(shipped())
    count(Row.PARSED, len(scripts()), f"{len(scripts())} texts")


def test_nothing_else_is_sent_as_script_text() -> None:
    """Script text goes out in one place, and what goes out there are the files that were parsed."""
    marked = []
    for file in sorted((ROOT / "modules" / "sitekeeper").rglob("*.py")):
        if "lab" in file.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                marked += [f"{file.stem}: {ast.unparse(node)}" for word in node.keywords if word.arg == "is_script"]
                if isinstance(node.func, ast.Attribute) and node.func.attr in {"add_script", "execute_ps", "run_ps"}:
                    marked.append(f"{file.stem}: {ast.unparse(node)}")
    assert marked == ["session: Statement(Call(text), is_script=True)"]
    session = (ROOT / "modules/sitekeeper/transport/psrp/session.py").read_text("utf-8")
    assert "Statement(Call(text), is_script=True) for text in functions.sources().values()" in session


def test_the_parser_would_complain() -> None:
    text = shipped()["Read-SkLease"].replace("if (-not", "if (-not (", 1)
    (script,) = read({"Read-SkLease": text})
    assert script.errors
