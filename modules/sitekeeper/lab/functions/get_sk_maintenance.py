"""The twin of Get-SkMaintenance.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.engines.api import PsObject
from sitekeeper.lab.functions._opsmgr import answered
from sitekeeper.lab.functions._twin import Call, text, twin

SHA256 = "4961cc329492e0b2a437e778baca989565c62cb169bc51bb9dde16bc2e525d2e"


def run(call: Call) -> Iterator[PsObject]:
    """Whether computers are in maintenance mode."""
    yield from answered(call, text(call, "Kind"), call.bound.texts("Computer") or [])


TWIN = twin("Get-SkMaintenance", SHA256, run, Kind="string", Computer="string[]")
