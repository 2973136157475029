"""Our PowerShell functions, files of the package: loaded into a session; a module never sends script text."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files


@cache
def sources() -> dict[str, str]:
    """The text of every function by its name, with the line ends of the file."""
    folder = files("sitekeeper.powershell")
    return {
        item.name.removesuffix(".ps1"): item.read_text(encoding="utf-8")
        for item in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if item.name.endswith(".ps1")
    }


@cache
def fingerprint() -> str:
    """A hash of all their texts: an endpoint that has them installed returns the hash of its own."""
    whole = hashlib.sha256()
    for name, text in sources().items():
        whole.update(f"{name}\0{text}\0".encode())
    return whole.hexdigest()[:32]
