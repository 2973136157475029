"""What the twins of the work folder of SQL Server share."""

from __future__ import annotations

from pathlib import Path

from sitekeeper_lab.functions.shared.twin import Call, text


def folder_of(call: Call, run: str, name: str = "") -> str:
    """The Windows path that Get-SkWorkFolder answers."""
    arguments = {"Root": text(call, "Root"), "Run": run, "Name": name}
    return str(call.one("Get-SkWorkFolder", **{key: value for key, value in arguments.items() if value}))


def real(call: Call, path: str) -> Path:
    """Where it is on the lab's disk."""
    return call.host.files.resolve(path)
