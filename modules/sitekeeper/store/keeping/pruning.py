"""A site's sets judged by a policy: what stays and why, what goes. Carried out by ``_trash``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format import catalogue
from sitekeeper.store.format.catalogue import CatalogueEntry
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping.retention import Candidate, Policy, reasons_to_keep
from sitekeeper.store.keeping.verify import sizes_of


@dataclass(frozen=True, slots=True)
class Judgement:
    """A set, and why it stays; without a reason it goes."""

    folder: Path
    site: str
    kind: str
    taken_at: str
    bytes: int
    reasons: tuple[str, ...]
    damage: str = ""
    """What is wrong with it, where something is."""

    @property
    def goes(self) -> bool:
        """Whether nothing keeps it."""
        return not self.reasons

    def line(self) -> dict[str, Any]:
        """The set in a line."""
        return {
            "id": self.folder.name,
            "site": self.site,
            "kind": self.kind,
            "taken_at": self.taken_at,
            "bytes": self.bytes,
            "action": "drop" if self.goes else "keep",
            "why": ", ".join(self.reasons) or "no rule keeps it",
            "damage": self.damage,
        }


def judge(store: Folder, site: str, policy: Policy | None) -> list[Judgement]:
    """All sets of a site, in the order of their generations.

    Before a set counts as good in place of another, all its files are seen to be there in their size; if not, the policy
    is asked again without it. Bytes are not read again: that is what ``verify`` is for.
    """
    readable: dict[str, CatalogueEntry] = {}
    judged: dict[str, Judgement] = {}
    candidates: dict[str, Candidate] = {}
    for folder, found in catalogue.of(store, site):
        if isinstance(found, IntegrityError):
            judged[folder.name] = Judgement(
                folder, site, "", "", 0, (f"not judged: damaged: {found.message}",), found.message
            )
        else:
            readable[found.id] = found
            judged[found.id] = Judgement(folder, site, found.kind, str(found.facts["taken_at"]), found.stored_bytes, ())
            candidates[found.id] = _candidate(found)
    looked: set[str] = set()
    while True:
        reasons = reasons_to_keep(candidates.values(), policy)
        counted = [one.id for one in candidates.values() if reasons[one.id] and not one.doubt and one.id not in looked]
        for set_id in counted if policy is not None else ():
            looked.add(set_id)
            problem = sizes_of(readable[set_id])
            if problem:
                candidates[set_id] = replace(candidates[set_id], doubt=f"damaged: {problem}")
        if not any(candidates[set_id].doubt for set_id in counted):
            break
    for set_id, why in reasons.items():
        doubt = candidates[set_id].doubt
        judged[set_id] = replace(
            judged[set_id], reasons=tuple(why), damage=doubt if doubt.startswith("damaged") else ""
        )
    return list(judged.values())


def _candidate(kept: CatalogueEntry) -> Candidate:
    marks = kept.marks
    return Candidate(
        id=kept.id,
        kind=kept.kind,
        taken_at=kept.taken_at,
        whole=kept.consistency != "separate",
        doubt=kept.doubt or kept.marks_problem,
        pinned=marks.pinned is not None,
        drilled=marks.drilled is not None and marks.drilled.result == "ok",
    )
