"""Notes in the store how the drill of a set ended; retention keeps the newest set that was restored, and trusts none that failed."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.store import _marks
from sitekeeper.store._folder import Folder
from sitekeeper.store._results import Marked
from sitekeeper.store.set import store_of


class MarkParams(Params):
    """Which set, and what was found."""

    set: str
    """Set id."""
    drilled: Literal["ok", "failed"]
    """How its restore ended."""
    run: str | None = None
    """The run that tried it; this one when left out."""
    store: str | None = None
    """Folder of the store; the variable ``store`` when left out."""


class Mark(Module[MarkParams, Marked]):
    """Example::

    - store.mark: {set: PR1-000007, drilled: ok}
    """

    on_host = False

    def plan(self, ctx: Context, params: MarkParams) -> Plan[Marked]:
        folder = Folder(store_of(ctx, params.store)).find(params.set)
        run = params.run or ctx.run_id
        before = _marks.read(folder)[0].drilled
        if before is not None and (before.run, before.result) == (run, params.drilled):
            return Plan(result=Marked(id=folder.name, msg=f"{folder.name} is marked already"))
        change = Change(
            f"set {folder.name}", f"drilled: {before.result if before else 'never'}", f"drilled: {params.drilled}"
        )
        result = Marked(changed=True, id=folder.name, msg=f"{folder.name}: drill {params.drilled}, run {run}")
        return Plan(result=result, changes=(change,), data=(folder, run, params.drilled))

    def apply(self, ctx: Context, plan: Plan[Marked]) -> Marked:
        folder, run, drilled = plan.data
        seen = _marks.Drilled(at=ctx.clock.now().isoformat(), run=run, result=drilled)
        _marks.change(folder, lambda marks: marks.model_copy(update={"drilled": seen}))
        return plan.result
