"""YAML with origins: plain values, and for each the place where it stands.

Scalars resolve by the YAML 1.2 core schema: ``yes`` and ``off`` are words, ``012`` is twelve, ``1E5`` a number; a
duplicate key is an error. The source text of every scalar is kept too: a site code ``001`` or ``1E5`` is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from sitekeeper.engine import secrets, vault
from sitekeeper.engine.errors import SecretError, SitekeeperError, UsageError
from sitekeeper.engine.origin import Key, Origin, Origins

if TYPE_CHECKING:
    from pathlib import Path

_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
} | {f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))
_PLAIN = "?"
_TEXT = "tag:yaml.org,2002:str"
_TYPED = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


class _Loader(yaml.SafeLoader):
    """Marks plain scalars instead of resolving them by YAML 1.1: what they are is ``resolve``'s to say."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # the stubs leave it untyped


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as values, origins, and the source text of its scalars."""

    value: Any
    origins: Origins
    texts: dict[Key, str]
    """Source text of every plain or quoted scalar, by path."""
    hidden: bool = False
    """The whole file was a vault: what stands in it is secret."""

    def text(self, *path: str | int) -> str | None:
        """What stands in the file for a scalar, or None when it is none."""
        return self.texts.get((*self.origins.at, *path))

    def secret(self, value: Any, *at: str | int) -> Any:
        """A value of a file that is a vault as a whole: every text and number in it is a secret."""
        if isinstance(value, list):
            return [self.secret(one, *at, number) for number, one in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.secret(one, *at, key) for key, one in value.items()}
        if value is None or isinstance(value, bool | secrets.Secret):
            return value
        text = self.texts[at]
        return secrets.Secret(f"vault:{self.origins.places[at]}", lambda: text)


def load(
    file: Path,
    *,
    vault_password: secrets.Secret | None = None,
    wrong: Callable[..., SitekeeperError] = UsageError,
) -> Document:
    """Read a YAML file (or an Ansible Vault that holds one).

    Raises:
        wrong: it cannot be read or is no YAML; the error points at the line.
        SecretError: it is a vault that cannot be opened.

    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise wrong(f"cannot read {file}: {error.strerror}", origin=Origin(str(file))) from None
    except UnicodeDecodeError:
        raise wrong(f"{file} is not UTF-8 text", origin=Origin(str(file))) from None
    hidden = vault.is_vault(text)
    if hidden:
        try:
            text = vault.decrypt(text, vault_password, str(file))
        except SecretError as error:
            raise error.at(origin=Origin(str(file))) from None
    return loads(text, str(file), vault_password=vault_password, wrong=wrong, hidden=hidden)


def loads(
    text: str,
    name: str,
    *,
    vault_password: secrets.Secret | None = None,
    wrong: Callable[..., SitekeeperError] = UsageError,
    hidden: bool = False,
) -> Document:
    """Parse YAML text; ``name`` stands for the file in origins, ``hidden`` keeps its lines out of messages."""
    reader = _YamlReader(name, vault_password, wrong, hidden=hidden)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        origin = Origin(name, mark.line + 1, mark.column + 1, hidden) if mark else Origin(name)
        # The name of an alias may be the beginning of a password that was not quoted.
        problem = re.sub(r" alias '.*", " alias", str(error.problem or error.context))
        raise wrong(f"not YAML: {problem}", origin=origin) from None
    except yaml.YAMLError as error:
        raise wrong(f"not YAML: {type(error).__name__}", origin=Origin(name)) from None
    except RecursionError:
        raise wrong("not YAML: nested too deeply", origin=Origin(name)) from None
    value = reader.read(node, ()) if node is not None else None
    return Document(value, Origins(name, reader.places), reader.texts, hidden)


class _YamlReader:
    """Turns composed nodes into plain values, noting each one's place."""

    def __init__(
        self, name: str, vault_password: secrets.Secret | None, wrong: Callable[..., SitekeeperError], *, hidden: bool
    ) -> None:
        self.name = name
        self.hidden = hidden
        self.vault_password = vault_password
        self.wrong = wrong
        self.places: dict[Key, Origin] = {}
        self.texts: dict[Key, str] = {}
        self.inside: list[yaml.Node] = []

    def place(self, node: yaml.Node) -> Origin:
        return Origin(self.name, node.start_mark.line + 1, node.start_mark.column + 1, self.hidden)

    def read(self, node: yaml.Node, path: Key) -> Any:
        self.places[path] = self.place(node)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if node.tag not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}:
            raise self.wrong("this tag cannot be used on a list or mapping", origin=self.place(node))
        if node in self.inside:
            raise self.wrong("this alias is part of the value it refers to", origin=self.place(node))
        self.inside.append(node)
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self.mapping(node, path)
        else:
            value = [self.read(child, (*path, number)) for number, child in enumerate(node.value)]
        self.inside.pop()
        return value

    def mapping(self, node: yaml.MappingNode, path: Key) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.wrong("a key must be a word", origin=self.place(key_node))
            key = key_node.value
            if key == "<<" and key_node.style is None:
                raise self.wrong("merge keys (<<) are not supported: write the values out", origin=self.place(key_node))
            if key in values:
                raise self.wrong(f"`{key}` is defined twice here", origin=self.place(key_node))
            self.places[(*path, f"\0{key}")] = self.place(key_node)
            values[key] = self.read(value_node, (*path, key))
        return values

    def scalar(self, node: yaml.ScalarNode, path: Key) -> Any:
        text = str(node.value)
        tag = node.tag
        origin = self.place(node)
        if tag == "!vault":
            return secrets.Secret(f"vault:{origin}", lambda: vault.decrypt(text, self.vault_password, str(origin)))
        if tag == "!env":
            return secrets.from_env(text)
        if tag == "!file":
            return secrets.from_file(text)
        if tag == "!command":
            return secrets.from_command(text)
        if tag not in {_PLAIN, _TEXT} | _TYPED:  # not told by name: it may be a password that was not quoted
            raise self.wrong("unknown tag", origin=origin, hint="known: !vault !env !file !command")
        self.texts[path] = text
        if tag == _TEXT:
            return text
        try:
            return resolve(text)
        except ValueError:
            raise self.wrong("the number has too many digits", origin=origin) from None


def resolve(text: str) -> Any:
    """The value of a plain scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _OCTAL.match(text):
        return int(text, 0)
    if _HEX.match(text):
        return int(text, 16)
    if _FLOAT.match(text):
        return float(text)
    return text
