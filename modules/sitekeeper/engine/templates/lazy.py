"""The mark on variables whose templates are filled in on use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Lazy:
    """A variable as it stands in a file: templates in it are filled in on use. What hosts answer is never one."""

    value: Any
