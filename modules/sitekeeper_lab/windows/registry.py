"""The registry of a lab host: keys and typed values, found whatever the case of the name."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HIVES = {"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER", "HKU": "HKEY_USERS", "HKCR": "HKEY_CLASSES_ROOT"}
_SHORT = {name.lower(): short for short, name in HIVES.items()}

_LIVE_SIZE = 512

Data = str | int | bytes | list[str]


@dataclass(frozen=True, slots=True)
class Value:
    """One typed value."""

    name: str
    """Empty for a key's default value."""
    type: str
    """REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ, REG_DWORD, REG_QWORD or REG_BINARY."""
    data: Data


@dataclass(slots=True)
class Key:
    """One key: its path with the short hive name, and its values in the order of their making."""

    path: str
    values: dict[str, Value]


def key_path(path: str) -> str:
    r"""A key's path with the short hive name, however it was written (``HKLM:\\…``, ``HKEY_LOCAL_MACHINE\\…``, ``Registry::…``).

    Raises:
        ValueError: no hive of that name.

    """
    path = path.removeprefix("Registry::").removeprefix("Microsoft.PowerShell.Core\\Registry::").strip("\\")
    hive, _, rest = path.replace("/", "\\").partition("\\")
    hive = hive.rstrip(":")
    short = _SHORT.get(hive.lower(), hive.upper())
    if short not in HIVES:
        raise ValueError(f"no registry hive: {path}")
    rest = "\\".join(part for part in rest.split("\\") if part)
    return f"{short}\\{rest}" if rest else short


class Registry:
    """All keys of a host. Thread-safe; ``save`` writes them, except the live values, which have a small file of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._keys: dict[str, Key] = {}
        self._live_path = path.with_name("live.json")
        self._live: dict[tuple[str, str], int] = {}
        self._live_file: int | None = None
        if path.exists():
            for name, values in json.loads(path.read_text("utf-8")).items():
                self._keys[name.lower()] = Key(name, {v[0].lower(): _loaded(v) for v in values})
        if self._live_path.exists():
            for name, value, data in json.loads(self._live_path.read_text("utf-8")):
                self._put_live(name, value, data)

    def key(self, path: str) -> Key | None:
        """The key of that path."""
        with self.lock:
            return self._keys.get(key_path(path).lower())

    def value(self, path: str, name: str) -> Value | None:
        """One value of a key."""
        with self.lock:
            key = self._keys.get(key_path(path).lower())
            return None if key is None else key.values.get(name.lower())

    def children(self, path: str) -> list[Key]:
        """The keys directly below a key."""
        base = key_path(path).lower() + "\\"
        with self.lock:
            return sorted(
                (key for name, key in self._keys.items() if name.startswith(base) and "\\" not in name[len(base) :]),
                key=lambda key: key.path.lower(),
            )

    def tree(self, path: str) -> Iterator[Key]:
        """A key and everything below it, parents first."""
        base = key_path(path).lower()
        with self.lock:
            found = sorted(n for n in self._keys if n == base or n.startswith(base + "\\"))
            keys = [Key(self._keys[name].path, dict(self._keys[name].values)) for name in found]
        yield from keys

    def set(self, path: str, name: str, kind: str, data: Data) -> None:
        """Set a value and make its key, and the keys above it. Not saved yet."""
        with self.lock:
            self.make(path).values[name.lower()] = Value(name, kind, data)

    def make(self, path: str) -> Key:
        """The key of that path, made with its parents where it is missing."""
        parts = key_path(path).split("\\")
        with self.lock:
            names = ["\\".join(parts[:end]) for end in range(1, len(parts) + 1)]
            return [self._keys.setdefault(name.lower(), Key(name, {})) for name in names][-1]

    def delete(self, path: str) -> None:
        """Delete a key with everything below it."""
        base = key_path(path).lower()
        with self.lock:
            for name in [n for n in self._keys if n == base or n.startswith(base + "\\")]:
                del self._keys[name]

    def set_live(self, path: str, name: str, data: int) -> None:
        """Set a DWORD that changes many times a second, and write just that one down."""
        with self.lock:
            self._put_live(key_path(path), name, data)
            text = json.dumps([[k, n, d] for (k, n), d in self._live.items()]).ljust(_LIVE_SIZE).encode()
            if self._live_file is None:
                self._live_file = os.open(self._live_path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._live_file, text, 0)  # one small write of one length: never seen in halves

    def close(self) -> None:
        """Close the file of the live values; the next change opens it again."""
        with self.lock:
            if self._live_file is not None:
                os.close(self._live_file)
                self._live_file = None

    def save(self) -> None:
        """Write all keys, atomically."""
        with self.lock:
            content = {key.path: [_dumped(value) for value in key.values.values()] for key in self._keys.values()}
            _replace(self.path, json.dumps(content, ensure_ascii=False))

    def _put_live(self, path: str, name: str, data: int) -> None:
        self._live[path, name] = data
        self.make(path).values[name.lower()] = Value(name, "REG_DWORD", data)


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8")
    part.replace(path)


def _dumped(value: Value) -> list[object]:
    data = value.data.hex() if isinstance(value.data, bytes) else value.data
    return [value.name, value.type, data]


def _loaded(raw: list[object]) -> Value:
    name, kind, data = raw
    if kind == "REG_BINARY":
        return Value(str(name), "REG_BINARY", bytes.fromhex(str(data)))
    if isinstance(data, list):
        return Value(str(name), str(kind), [str(item) for item in data])
    return Value(str(name), str(kind), data if isinstance(data, int) else str(data))
