"""Whose turn it is when a run takes only some of the sites: those whose last drill is longest ago, and never drilled ones first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Count, Many
from sitekeeper.store.format import catalogue
from sitekeeper.store.format.store_folder import Folder, store_of

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


class TurnParams(Params):
    """Of which sites how many."""

    site: str
    """Code of the site that asks."""
    of: Many[str]
    """Codes of all sites that take turns."""
    sample: Count = 0
    """How many are due; 0: all of them."""
    source: Literal["files", "backup"] = "files"
    """Which drills count: those from the sets' files, or those from the backups in them. Each kind has its own turns."""
    store: str | None = None
    """Folder of the store; the variable ``store`` when left out."""


class TurnFacts(Result):
    """Whether it is the site's turn."""

    due: bool = True
    last: str = ""
    """When a set of it was drilled last; empty where none ever was."""

    def summary(self) -> dict[str, Any]:
        return {} if self.due else {"skipped": f"not its turn: {self.msg}"}


class Turn(Module[TurnParams, None, TurnFacts]):
    """Example::

    - store.turn: {site: "{{ site_code }}", of: [CEN, PR1, PR2], sample: 1}
      register: turn
    """

    on_host = False

    def plan(self, ctx: Context, params: TurnParams) -> Plan[None, TurnFacts]:
        codes = sorted(set(params.of))
        if params.site not in codes:
            raise UsageError(f"{params.site} takes no turn among {', '.join(codes)}")
        store = Folder(store_of(ctx, params.store))
        # What this run itself has drilled by now must not pass the turn on: all sites of a run get one answer.
        drilled = {code: last_drill(store, code, ctx.run_id, params.source) for code in codes}
        order = sorted(codes, key=lambda code: (drilled[code], code))
        due = params.sample <= 0 or params.site in order[: params.sample]
        last = drilled[params.site]
        when = "never" if last == _NEVER else f"{last:%Y-%m-%d %H:%M} UTC"
        return Plan(
            result=TurnFacts(
                due=due,
                last="" if last == _NEVER else last.isoformat(),
                msg=f"{params.site} was drilled {when}: {'due' if due else 'not yet'}",
            )
        )


def last_drill(store: Folder, site: str, but: str, source: str) -> datetime:
    """When a set of a site was drilled last from its files or its backup, by another run than ``but``."""
    found = [
        datetime.fromisoformat(drill.at)
        for _, kept in catalogue.of(store, site)
        if isinstance(kept, catalogue.CatalogueEntry)
        and (drill := kept.marks.drill(source)) is not None
        and drill.run != but
    ]
    return max(found, default=_NEVER)
