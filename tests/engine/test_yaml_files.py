"""YAML 1.2 with places: what scalars are, what is refused, and where everything stands."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine import yaml_file
from sitekeeper.engine.errors import InventoryError, SecretError, UsageError
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.secrets import Secret


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("nil", "nil"),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1E5", 1e5),
        ("1e-2", 0.01),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("001", 1),
        ("1.2.3", "1.2.3"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!str true", "true"),
        ("!!int 12", 12),
        ("=", "="),
        ("|\n  12\n", "12\n"),
        (">-\n  true\n", "true"),
    ],
)
def test_scalars_by_the_core_schema(text: str, value: Any) -> None:
    found = yaml_file.loads(f"a: {text}", "x.yml").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(yaml_file.loads(".NaN", "x.yml").value)


def test_keys_are_their_text_and_source_texts_are_kept() -> None:
    document = yaml_file.loads("yes: 1E5\n001: [0o17, '1E5']\n", "x.yml")
    assert document.value == {"yes": 1e5, "001": [15, "1E5"]}
    assert document.text("yes") == "1E5"
    assert document.text("001", 0) == "0o17"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "`a` is defined twice here"),
        ("a: {b: 1, b: 2}\n", 1, 11, "`b` is defined twice here"),
        ("a: !secret x\n", 1, 4, "unknown tag"),
        ("a: !!timestamp 2024-01-01\n", 1, 4, "unknown tag"),
        ("a: !!binary aGk=\n", 1, 4, "unknown tag"),
        ("a: !vault [x]\n", 1, 4, "this tag cannot be used on a list or mapping"),
        ("a: !env {x: y}\n", 1, 4, "this tag cannot be used on a list or mapping"),
        ("b: &b {c: 1}\na:\n  <<: *b\n", 3, 3, "merge keys"),
        ("? [a, b]\n: 1\n", 1, 3, "a key must be a word"),
        ("a: &a [*a]\n", 1, 4, "this alias is part of the value it refers to"),
        ("a: [1, 2\nb: 3\n", 2, 2, "not YAML"),
        ("a: b: c\n", 1, 5, "not YAML"),
        ("a: *hunter2\n", 1, 4, "not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, 1, "not YAML"),
        ("a: " + "9" * 5000 + "\n", 1, 4, "the number has too many digits"),
    ],
)
def test_refused_at_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        yaml_file.loads(text, "x.yml", wrong=InventoryError)
    assert caught.value.message.startswith(message)
    assert caught.value.origin == Origin("x.yml", line, column)
    assert "hunter2" not in caught.value.render()


def test_nested_without_end() -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        yaml_file.loads("[" * 5000, "x.yml")


def test_aliases_are_copies_with_the_place_of_their_anchor() -> None:
    document = yaml_file.loads("a: &x [1, 2]\nb: *x\n", "x.yml")
    assert document.value == {"a": [1, 2], "b": [1, 2]}
    assert document.origins.of("b", 1) == Origin("x.yml", 1, 11)


def test_origins_of_values_keys_and_what_is_unknown() -> None:
    origins = yaml_file.loads("play:\n  - name: x\n    list: [a, {b: c}]\n", "x.yml").origins
    assert str(origins.of("play", 0, "list", 1, "b")) == "x.yml:3:19"
    assert str(origins.below("play", 0).of_key("list")) == "x.yml:3:5"
    assert str(origins.of("play", 0, "list", 7, "z")) == "x.yml:3:11"
    assert str(origins.of("nothing")) == "x.yml:1:1"


def test_excerpt_shows_the_line_and_a_caret(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("one: 1\ntwo: 2\n")
    assert Origin(str(file), 2, 6).excerpt().splitlines() == [
        f"  --> {file}:2:6",
        "  1 | one: 1",
        "  2 | two: 2",
        "    |      ^",
    ]
    assert Origin(str(file), 9).excerpt() == f"  --> {file}:9:1"
    assert Origin(str(tmp_path / "gone"), 1).excerpt().endswith("gone:1:1")


SECRETS = [
    "ansible_password: hunter2\nx: 1\n",
    "PR1: {ansible_password: hunter2, x: 1}\nx: 1\n",
    "PR1: {x: 1, 'sql_password': hunter2}\nx: 1\n",
    "api_token : hunter2\nx: 1\n",
    "ansible_ssh_pass: |\n  hunter2\nx: 1\n",
    "db:\n  password: >-\n    first\n\n    hunter2\n  x: 1\n",
    "passwords:\n  - hunter2\nx: 1\n",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_excerpt_shows_a_password(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.yml"
    file.write_text(text)
    for line in range(1, text.count("\n") + 1):
        assert "hunter2" not in Origin(str(file), line).excerpt()
    assert "x: 1" in Origin(str(file), text.count("\n")).excerpt()


def test_secret_tags_are_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("from the file\nsecond line\n")
    key.chmod(0o600)
    monkeypatch.setenv("SK_PW", "from the environment")
    value = yaml_file.loads(f"a: !env SK_PW\nb: !file {key}\nc: !command echo from 'the command'\n", "x.yml").value
    assert all(isinstance(one, Secret) for one in value.values())
    assert [one.reveal() for one in value.values()] == ["from the environment", "from the file", "from the command"]
    assert str(value["a"]) == "<secret env:SK_PW>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!env SK_NOT_SET", "environment variable SK_NOT_SET is not set"),
        ("!file /nowhere/at/all", "No such file"),
        ("!command 'false'", "ended with 1"),
        ("!command no-such-program-at-all", "FileNotFoundError"),
        ('!command "unbalanced \'"', "ValueError"),
        ("!command ''", "IndexError"),
    ],
)
def test_a_secret_that_cannot_be_had(text: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        yaml_file.loads(f"a: {text}\n", "x.yml").value["a"].reveal()


def test_a_secret_file_that_others_may_read_or_that_is_no_text(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"\xff\xfe\n")
    key.chmod(0o644)
    secret = yaml_file.loads(f"!file {key}", "x.yml").value
    with pytest.raises(SecretError, match="may be read by others"):
        secret.reveal()
    key.chmod(0o600)
    with pytest.raises(SecretError, match="not UTF-8"):
        secret.reveal()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        yaml_file.load(tmp_path)
    (tmp_path / "x.yml").write_bytes(b"a: \xff\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        yaml_file.load(tmp_path / "x.yml")
    (tmp_path / "y.yml").write_text("a: \x07\n")
    with pytest.raises(UsageError, match="not YAML"):
        yaml_file.load(tmp_path / "y.yml")
