"""CONTRIBUTING.md is true: the module that it shows works in the lab, and what it names is there."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.cli.main import main
from sitekeeper.engine import module
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of the page, as if it stood in ``windows/room.py``."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code.count("\n") <= 60
    (tmp_path / "room.py").write_text(code, "utf-8")
    spec = importlib.util.spec_from_file_location("sitekeeper.windows.room", tmp_path / "room.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sitekeeper.windows.room", made)
    spec.loader.exec_module(made)
    known = {**module.available(), "windows.room": made.Room}
    monkeypatch.setattr(module, "available", lambda: known)


@pytest.mark.usefixtures("room")
def test_the_module_of_the_page_works_in_the_lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = hosts_of_the_lab("PR2")
    data["hosts"]["PR2"]["address"] = "127.81.93.3"
    with Lab(Hierarchy.model_validate(data), tmp_path / "lab") as lab:
        for least, code, said in (("1GiB", 0, "bytes free"), ("100000GiB", 9, "are needed"), ("nonsense", 2, "least")):
            tasks = f"- hosts: PR2\n  tasks:\n    - windows.room: {{drive: D, least: {least}}}\n"
            (tmp_path / "p.yml").write_text(tasks, "utf-8")
            words = [
                "run",
                str(tmp_path / "p.yml"),
                "-i",
                str(lab.folder / "hosts.yml"),
                "--runs",
                str(tmp_path / "runs"),
            ]
            assert main([*words, "--json"]) == code
            assert said in capsys.readouterr().out


def test_what_the_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)", TEXT)) <= targets
    pages = TEXT + (ROOT / "docs" / "architecture.md").read_text("utf-8")
    product = ROOT / "modules" / "sitekeeper"
    for name in set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", pages)):
        assert any((top / name).exists() for top in (product, ROOT, ROOT / "modules" / "sitekeeper_lab")), name
