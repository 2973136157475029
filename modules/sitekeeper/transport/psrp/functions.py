"""Our PowerShell functions, as files of the package: loaded into a session, never sent as script text by a module."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def sources() -> dict[str, str]:
    """Every function's text by its name, with the line ends of the file."""
    folder = files("sitekeeper.powershell")
    return {
        item.name.removesuffix(".ps1"): item.read_text(encoding="utf-8")
        for item in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if item.name.endswith(".ps1")
    }
