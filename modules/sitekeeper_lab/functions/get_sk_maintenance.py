"""The twin of Get-SkMaintenance.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.opsmgr import answered
from sitekeeper_lab.functions.shared.twin import Call, text, twin

SHA256 = "61b899e4114607ce88aa80fd96db1495c3581e7bcccc89c4ef3c51e27b4da317"


def run(call: Call) -> Iterator[PsObject]:
    """Whether computers are in maintenance mode."""
    yield from answered(call, text(call, "Kind"), call.bound.texts("Computer") or [])


TWIN = twin("Get-SkMaintenance", SHA256, run, Kind="string", Computer="string[]")
