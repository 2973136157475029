"""The twin of Test-SkRegistry.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, text, thrown, twin

SHA256 = "a04f598eb5dedac42dbfe684c739f481fd92504729f3768dcb0fae19c6fccf06"


def run(call: Call) -> Iterator[PsObject]:
    """Whether a key exists, and whether this run has exported it."""
    name, view = text(call, "Name"), text(call, "View")
    if name not in {"SMS", "NAL"}:
        raise thrown("SkInvalidName")
    if view not in {"native", "wow"}:
        raise thrown("SkInvalidView")
    branch = ("SOFTWARE\\Wow6432Node\\Microsoft\\" if view == "wow" else "SOFTWARE\\Microsoft\\") + name
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=text(call, "Run"), Name="registry")
    there = call.host.registry.key(f"HKLM:\\{branch}") is not None
    exported = call.host.exists(f"{folder}\\{name.lower()}.{view}.reg")
    yield custom(Name=name, View=view, Key=there, Export=exported)


TWIN = twin("Test-SkRegistry", SHA256, run, Drive="string", Run="string", Name="string", View="string")
