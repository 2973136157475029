"""``inventory``, ``modules``, ``--version`` and wrong arguments."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from sitekeeper.engine import module

from .conftest import Done


def test_version(sitekeeper: Callable[..., Done]) -> None:
    done = sitekeeper("--version")
    assert (done.code, done.out) == (0, f"sitekeeper {version('sitekeeper')}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nothing",),
        ("run",),
        ("run", "x.yml"),
        ("inventory",),
        ("inventory", "tree"),
        ("inventory", "graph"),
        ("backups", "list"),
        ("modules", "doc"),
        ("runs", "show"),
        ("lab",),
        ("backups", "show", "--store", "x"),
    ],
    ids=" ".join,
)
def test_wrong_arguments(sitekeeper: Callable[..., Done], arguments: tuple[str, ...]) -> None:
    done = sitekeeper(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "usage: sitekeeper" in done.err


def test_inventory_graph(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = sitekeeper("inventory", "graph", "-i", place / "hosts.yml")
    assert done.out.splitlines() == [
        "CAS  cas  server-a",
        "  001  primary  server-b",
        "    SE1  secondary  server-c",
        "(sql-1)",
    ]
    assert sitekeeper("inventory", "graph", "-i", place / "hosts.yml", "--json").json[1] == {
        "code": "001",
        "host": "server-b",
        "type": "primary",
        "parent": "CAS",
    }


def test_inventory_list(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = sitekeeper("inventory", "list", "-i", place / "hosts.yml")
    assert "server-a" in done.out
    assert "127.0.0.9" in done.out
    rows = sitekeeper("inventory", "list", "-i", place / "hosts.yml", "--json").json
    assert [row["host"] for row in rows] == ["server-a", "server-b", "server-c", "sql-1"]
    assert rows[1]["groups"] == ["sites"]
    assert rows[1]["vars"]["site_code"] == "001"
    assert rows[1]["vars"]["ansible_password"].startswith("<secret inline:")
    assert "hunter2" not in done.out


def test_inventory_errors(sitekeeper: Callable[..., Done], place: Path) -> None:
    (place / "hosts.yml").write_text(
        "all:\n  hosts:\n    a: {site_code: AAA, parent: BBB, ansible_password: hunter2}\n"
    )
    done = sitekeeper("inventory", "graph", "-i", place / "hosts.yml")
    assert (done.code, done.out) == (3, "")
    assert "error[inventory]: parent BBB of site AAA is not a site of this inventory (host a)" in done.err
    assert "hunter2" not in done.err
    assert f"--> {place / 'hosts.yml'}:3:33" in done.err


def test_a_vault_password_from_a_file_or_the_environment(
    sitekeeper: Callable[..., Done], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "hosts.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n")
    done = sitekeeper("inventory", "list", "-i", place / "hosts.yml")
    assert (done.code, "no vault password was given" in done.err) == (4, True)
    monkeypatch.setenv("SITEKEEPER_VAULT_PASSWORD", "x")
    done = sitekeeper("inventory", "list", "-i", place / "hosts.yml")
    assert (done.code, "the vault envelope is damaged" in done.err) == (4, True)


def test_modules_list(sitekeeper: Callable[..., Done]) -> None:
    rows = sitekeeper("modules", "list", "--json").json
    assert [row["module"] for row in rows] == sorted([*module.available(), "core.include_tasks"])
    assert all(row["does"].endswith(".") for row in rows)
    out = sitekeeper("modules", "list").out
    assert "windows.service" in out


@pytest.mark.parametrize("name", [*sorted(module.available()), "core.include_tasks"])
def test_modules_doc(sitekeeper: Callable[..., Done], name: str) -> None:
    done = sitekeeper("modules", "doc", name)
    assert done.code == 0
    assert done.out.startswith(f"{name}: ")
    assert "Example::" in done.out
    about = sitekeeper("modules", "doc", name, "--json").json
    assert about["module"] == name
    for parameter, field in about["params"].items():
        assert f"  {parameter} (" in done.out
        assert field["doc"]
        assert field["doc"] in done.out


def test_doc_of_keywords_and_of_nothing(sitekeeper: Callable[..., Done]) -> None:
    rows = sitekeeper("modules", "doc", "keywords", "--json").json
    assert {row["keyword"]: row["on"] for row in rows}["guard"] == "block"
    assert "max_fail_percentage" in sitekeeper("modules", "doc", "keywords").out
    done = sitekeeper("modules", "doc", "windows.servic")
    assert (done.code, "did you mean `windows.service`?" in done.err) == (2, True)


def test_a_bug_is_told_without_its_values(
    sitekeeper: Callable[..., Done], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr("sitekeeper.cli.inventory._branch", bug)
    done = sitekeeper("inventory", "graph", "-i", place / "hosts.yml")
    assert done.code == 70
    assert "error[internal]: a bug in sitekeeper" in done.err
    assert "ZeroDivisionError" in done.err
    monkeypatch.setattr("sitekeeper.cli.inventory._branch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert sitekeeper("inventory", "graph", "-i", place / "hosts.yml").code == 14
