"""What a comparison of the lab with recordings found, and what of it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .likeness import Fields, differences

Known = dict[tuple[str, str], str]
"""(kind of answer, field), as patterns of ``fnmatch``: why they differ."""


@dataclass
class Compared:
    """How many fields, and which of them differ."""

    fields: int = 0
    differing: dict[tuple[str, str], str] = field(default_factory=dict)
    """(kind of answer, field): what was said on both sides."""

    def add(self, kind: str, real: Fields, lab: Fields) -> None:
        self.fields += len({*real, *lab})
        for path, said in differences(real, lab).items():
            self.differing[kind, path] = said

    def unknown(self, known: Known) -> dict[tuple[str, str], str]:
        """Differences that no entry of the list fits."""
        return {key: said for key, said in self.differing.items() if not any(_fits(one, key) for one in known)}

    def unused(self, known: Known) -> list[tuple[str, str]]:
        """Entries of the list that fit no difference."""
        return [one for one in known if not any(_fits(one, key) for key in self.differing)]


def _fits(entry: tuple[str, str], key: tuple[str, str]) -> bool:
    return fnmatchcase(key[0], entry[0]) and fnmatchcase(key[1], entry[1])
