"""What a check of ``site.preflight`` compares with, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sitekeeper.model.site import SiteFacts


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding."""

    name: str
    status: Literal["ok", "warning", "failed"]
    said: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What the checks compare with; sizes in bytes, times in seconds."""

    site: SiteFacts
    size: int
    seconds: float
    growth: int
    longest: float
    skew: float
    tries: int
    store_free: int
    store_root: Path
    copies: int = 1
    """How many copies of the set the store holds at most at one time: two if the set is sealed."""
