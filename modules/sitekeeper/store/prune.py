"""Drops the sets of the play's site that its policy, the variable ``retention``, does not keep.

Pinned sets, the newest good set of each kind and the newest drilled one never go, and without a policy nothing does. A
damaged set never counts as a good one, and is left for somebody to look at. For playbooks of one's own, after the nights are
published; `sitekeeper backups prune` does the same by hand.
"""

from __future__ import annotations

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import SiteCode
from sitekeeper.model.store import PruningResult
from sitekeeper.store.format.store_folder import Folder, store_of
from sitekeeper.store.keeping import pruning, trash
from sitekeeper.store.keeping.retention import policy_of


class PruneParams(Params):
    """Whose sets, in which store."""

    site: SiteCode | None = None
    """Site code; the play's own site when left out."""
    store: str | None = None
    """Folder of the store; the variable ``store`` when left out."""


class Prune(Module[PruneParams, None, PruningResult]):
    """Example::

    - store.prune: {}
    """

    on_host = False

    def plan(self, ctx: Context, params: PruneParams) -> Plan[None, PruningResult]:
        site = params.site or ctx.site_code()
        if site is None:
            raise UsageError(f"{ctx.host} has no site of its own", hint="name one: store.prune: {site: PR1}")
        store = Folder(store_of(ctx, params.store))
        policy = policy_of(ctx.vars)
        judged = pruning.judge(store, site, policy) if store.root.is_dir() else []
        goes = [one for one in judged if one.goes]
        damaged = [one for one in judged if one.damage]
        why = "no policy: nothing is deleted" if policy is None else f"{len(goes)} go, {len(judged) - len(goes)} stay"
        result = PruningResult(
            changed=bool(goes),
            site=site,
            dropped=tuple(one.folder.name for one in goes),
            kept=len(judged) - len(goes),
            bytes=sum(one.bytes for one in goes),
            msg=f"sets of {site}: {why}",
            partial=f"damaged and left alone: {'; '.join(one.damage for one in damaged)}" if damaged else "",
        )
        changes = [Change(f"store {store.root}", f"set {one.folder.name} of {one.taken_at}", "dropped") for one in goes]
        if trash.waiting(store):
            changes.append(Change(f"store {store.root}", "sets that were deleted before", "deleted"))
        return Plan(result=result, changes=tuple(changes))

    def apply(self, ctx: Context, params: PruneParams, plan: Plan[None, PruningResult]) -> PruningResult:
        store = Folder(store_of(ctx, params.store))
        for name in plan.result.dropped:
            trash.drop(store, store.path(name))
        trash.empty(store)
        return plan.result
