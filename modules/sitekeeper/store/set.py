"""Opens a staging set in the store: an id that nobody else gets, and a folder that nobody else may enter.

Unfinished sets that dead runs of the same site left are dropped: who has the site's lease has outlived them. What would
still be written into one is published by nobody, because publishing asks for the lease that it was begun with.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from sitekeeper.engine.errors import SpaceError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan, Record, Unknown, require_known
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteFacts
from sitekeeper.model.store import Staging
from sitekeeper.store.format import packed_files, store_folder
from sitekeeper.store.format.store_folder import store_of


class SetParams(Params):
    """For which site, in which store."""

    site: SiteFacts
    """The site."""
    store: str | None = None
    """Folder of the store; the variable ``store`` when left out."""


class SetIntent(Record):
    """Which store, and which run: the id is written down by the claim itself."""

    version: Literal[1] = 1
    store: str
    site: str
    run: str


class Set(Module[SetParams, SetIntent, Staging]):
    """Example::

    - store.set: {site: "{{ site }}"}
      register: set
    """

    reversible = True
    on_host = True

    def machines(self, params: SetParams) -> tuple[str, ...]:
        site = params.site
        return tuple(one.guid.lower() for one in (site.machine, site.database_machine) if one is not None and one.guid)

    def plan(self, ctx: Context, params: SetParams) -> Plan[SetIntent, Staging]:
        root = store_of(ctx, params.store)
        packed_files.choose_packing(ctx.vars)  # keys that make no sense are told before the site is down, not after
        unknown = Unknown("store.set")
        result = Staging(
            changed=True,
            msg="a staging set would be opened",
            id=unknown,
            store=str(root),
            folder=unknown,
            generation=unknown,
            partial="",
        )
        store = store_folder.Folder(root)
        store.fit()
        left = [
            Change(f"store {root}", f"unfinished set {set_id} of run {run}", "dropped, unless that run is alive")
            for set_id, run in store.unfinished(params.site.code)
            if run != ctx.run_id
        ]
        new = Change(
            f"store {root}", f"{params.site.code} has generation {store.newest(params.site.code)}", "a new set"
        )
        return Plan(
            result=result,
            changes=(*left, new),
            intent=SetIntent(store=str(root), site=params.site.code, run=ctx.run_id),
        )

    def apply(self, ctx: Context, params: SetParams, plan: Plan[SetIntent, Staging]) -> Staging:
        intent = plan.intended
        store = store_folder.Folder(Path(intent.store))
        generation = ctx.lease.take(at_least=store.newest(intent.site) + 1)
        if generation > 1 and store.root.is_dir() and not store.begun():
            raise SpaceError(
                f"{store.root} never held a set, and runs of ours have changed {intent.site} before (generation {generation})",
                hint=f"is the store mounted there? if it is a new one: mkdir -m 700 {store.root}/.staging",
            )
        store.prepare()
        set_id = store_folder.set_id_of(intent.site, generation)
        staging = store.claim(set_id, intent.run)
        dead = [one for one in store.unfinished(intent.site, below=generation) if one[1] != intent.run]
        for earlier, run in dead:
            store.discard(earlier, run)
        dropped = f"; dropped {', '.join(f'{earlier} of dead run {run}' for earlier, run in dead)}" if dead else ""
        return Staging(
            changed=True,
            msg=f"set {set_id} opened{dropped}",
            id=set_id,
            store=intent.store,
            folder=str(staging),
            generation=generation,
        )

    def in_place(self, ctx: Context, intent: SetIntent, outcome: Staging, generation: int) -> bool:
        store = store_folder.Folder(Path(intent.store))
        if store.path(require_known(outcome.id)).is_dir():
            return True  # published: its generation matters to nobody any more
        return outcome.generation == generation and store.staging(require_known(outcome.id), intent.run).is_dir()

    def undo(self, ctx: Context, intent: SetIntent, outcome: Staging | None) -> str:
        store = store_folder.Folder(Path(intent.store))
        if outcome is not None and not (store.root / ".staging").is_dir():
            raise SpaceError(
                f"the store {store.root} does not exist any more, and with it the unfinished set {outcome.id}",
                hint="mount it, then undo what is still open: `sitekeeper rollback`",
            )
        dropped = [
            staging.name.split(".")[0]
            for staging in sorted((store.root / ".staging").glob(f"{intent.site}-*.{intent.run}"))
            if store.discard(staging.name.split(".")[0], intent.run)
        ]
        for claim in (store.root / ".claims").glob(f"{intent.site}-*") if (store.root / ".claims").is_dir() else ():
            with suppress(OSError):  # another run of the site may take its claim back at this moment
                if claim.read_text() == intent.run:
                    store.discard(claim.name, intent.run)
        return f"staging set {', '.join(dropped)} discarded" if dropped else "no staging set left"
