"""The twin of Read-SkKey.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.engines.objects import item_properties
from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin

SHA256 = "aef2a9bd8517ce7918e7be041e874963bf9d4a48c4ec6e20490efc81e6129f44"


def run(call: Call) -> Iterator[PsObject]:
    """The values of a key that tells what a site is."""
    name, view = text(call, "Name"), text(call, "View")
    if name not in {"Setup", "Identification", "SQL Server", "Cryptography"}:
        raise thrown("SkInvalidName")
    if view not in {"native", "wow"}:
        raise thrown("SkInvalidView")
    above = "Wow6432Node\\" if view == "wow" else ""
    inside = "" if name == "Cryptography" else "SMS\\"
    key = call.host.registry.key(f"HKLM:\\SOFTWARE\\{above}Microsoft\\{inside}{name}")
    if key is not None:
        yield item_properties(key, None)


TWIN = twin("Read-SkKey", SHA256, run, Name="string", View="string")
