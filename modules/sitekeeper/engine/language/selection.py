"""Which tasks were asked for by ``--tags`` and ``--skip-tags``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from sitekeeper.engine.errors import UsageError

SPECIAL = frozenset({"all", "tagged", "untagged", "always", "never"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Ansible's rules for tags, its words ``all``, ``tagged`` and ``untagged`` included."""

    tags: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    def wants(self, tags: frozenset[str]) -> bool:
        """``always`` runs unless skipped by name, ``never`` only when asked for."""
        if tags & self.skip or ("tagged" in self.skip and tags) or ("untagged" in self.skip and not tags):
            return False
        if self.tags & tags or "always" in tags:
            return True
        if "never" in tags:
            return False
        return (
            not self.tags
            or "all" in self.tags
            or ("tagged" in self.tags and bool(tags))
            or ("untagged" in self.tags and not tags)
        )

    def check(self, tasks: Iterable[frozenset[str]]) -> None:
        """Refuse a tag that no task has, and a selection of no task: a run of nothing must not look like a success.

        Raises:
            UsageError: names the nearest, or says what is selected.

        """
        tasks = list(tasks)
        known = frozenset[str]().union(*tasks)
        for tag in sorted((self.tags | self.skip) - known - SPECIAL):
            near = get_close_matches(tag, known | SPECIAL, 1)
            raise UsageError(
                f"no task has the tag `{tag}`",
                hint=f"did you mean `{near[0]}`?" if near else f"there are {', '.join(sorted(known)) or 'none'}",
            )
        if (self.tags or self.skip) and not any(self.wants(tags) for tags in tasks):
            raise UsageError("--tags and --skip-tags leave no task to run")
