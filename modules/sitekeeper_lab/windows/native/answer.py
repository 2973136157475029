"""What a tool leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """The lines that a tool printed, and its exit code."""

    lines: list[str]
    code: int = 0
    errors: list[str] = field(default_factory=list)
    """What went to standard error."""

    @property
    def merged(self) -> list[str]:
        """All lines, as ``2>&1`` gives them."""
        return [*self.lines, *self.errors]


class NotEmulated(Exception):  # noqa: N818  # says what it is
    """The real tool may know this; the lab's does not."""
