"""Notes in the store how the drill of a set ended; retention keeps the newest set that was restored, and trusts none that failed."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.model.store import MarkedSet
from sitekeeper.store.format import marks_file
from sitekeeper.store.format.store_folder import Folder, store_of


class MarkParams(Params):
    """Which set, and what was found."""

    set: str
    """Set id."""
    drilled: Literal["ok", "failed"]
    """How its restore ended."""
    source: Literal["files", "backup"] = "files"
    """What of it was restored. Only its files are what a recovery uses: only they make it a good set, or a doubtful one."""
    run: str | None = None
    """The run that tried it; this one when left out."""
    store: str | None = None
    """Folder of the store; the variable ``store`` when left out."""


class Mark(Module[MarkParams, None, MarkedSet]):
    """Example::

    - store.mark: {set: PR1-000007, drilled: ok}
    """

    on_host = False

    def plan(self, ctx: Context, params: MarkParams) -> Plan[None, MarkedSet]:
        folder = Folder(store_of(ctx, params.store)).find(params.set)
        run = params.run or ctx.run_id
        before = marks_file.read(folder)[0].drill(params.source)
        if before is not None and (before.run, before.result) == (run, params.drilled):
            return Plan(result=MarkedSet(id=folder.name, msg=f"{folder.name} is marked already"))
        of = "" if params.source == "files" else " from its backup"
        change = Change(
            f"set {folder.name}",
            f"drilled{of}: {before.result if before else 'never'}",
            f"drilled{of}: {params.drilled}",
        )
        result = MarkedSet(changed=True, id=folder.name, msg=f"{folder.name}: drill{of} {params.drilled}, run {run}")
        return Plan(result=result, changes=(change,))

    def apply(self, ctx: Context, params: MarkParams, plan: Plan[None, MarkedSet]) -> MarkedSet:
        folder = Folder(store_of(ctx, params.store)).find(params.set)
        run = params.run or ctx.run_id
        seen = marks_file.DrillMark(at=ctx.clock.now().isoformat(), run=run, result=params.drilled)
        name = "backup_drilled" if params.source == "backup" else "drilled"
        marks_file.change(folder, lambda marks: marks.model_copy(update={name: seen}))
        return plan.result
