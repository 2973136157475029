"""Publishes a staging set: only if its window held, its shadow copies are still there and every byte is accounted for.

With ``store_compress`` or ``store_recipients`` in the host's variables it is sealed first, so that it appears sealed.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError, LimitError, SpaceError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, require_known
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import SiteFacts
from sitekeeper.model.sql import SqlFacts
from sitekeeper.model.store import Staging, StoredSet
from sitekeeper.model.windows import ShadowSet
from sitekeeper.store.format import catalogue, entry_log, manifest_file, store_folder
from sitekeeper.store.keeping import complete
from sitekeeper.store.publishing.publication import (
    PublishIntent,
    _result,
    describe_pull,
    find_published,
    just_proven,
    lease_still_ours,
    left_out,
    shadows_still_there,
)
from sitekeeper.store.sealing import seal_set
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.vss.proof import prove_window


class PublishParams(Params):
    """What to publish, and what proves it."""

    set: Staging
    """The staging set."""
    site: SiteFacts
    """The site that it is of."""
    snapshot: ShadowSet
    """The shadow copy set that everything came from."""
    counts: SqlFacts | None = None
    """Row counts read inside the window, kept in the manifest for drills."""
    accept: Many[str] = ()
    """``separate``: a set without its database at the same instant is what was wanted, and no partial failure."""


class Publish(Module[PublishParams, PublishIntent, StoredSet]):
    """Example::

    - store.publish: {set: "{{ set }}", site: "{{ site }}", snapshot: "{{ snapshot }}"}
    """

    needs = Needs(
        cmdlets={"Get-WmiObject": reading("Win32_OperatingSystem")},
        functions=("Test-SkShadowSet", "Read-SkLease"),
    )

    def plan(self, ctx: Context, params: PublishParams) -> Plan[PublishIntent, StoredSet]:
        result = StoredSet(
            changed=True,
            msg=f"set {params.set.id} would be published",
            id=params.set.id,
            folder=params.set.folder,
            files=0,
            bytes=0,
            offline_seconds=None,
            consistency=params.snapshot.consistency,
            partial="",
        )
        change = Change(f"store {params.set.store}", f"no set {params.set.id}", "a complete set with its manifest")
        intent = PublishIntent(store=str(params.set.store), id=str(params.set.id), run=ctx.run_id, accept=params.accept)
        return Plan(result=result, changes=(change,), intent=intent)

    def made(self, ctx: Context, intent: PublishIntent) -> StoredSet | None:
        return find_published(store_folder.Folder(Path(intent.store)), intent.id, intent.run, intent.accept)

    def apply(self, ctx: Context, params: PublishParams, plan: Plan[PublishIntent, StoredSet]) -> StoredSet:
        site, snapshot = params.site, params.snapshot
        store = store_folder.Folder(Path(params.set.store))
        done = find_published(store, require_known(params.set.id), ctx.run_id, params.accept)
        if done is not None:
            return done
        if not site.services_to_stop:
            raise IntegrityError(f"nothing is known of the services of {site.code}: nothing proves that they were down")
        prove_window(snapshot.before, snapshot.after, site.services_to_stop)
        if not (ctx.lease.generation == snapshot.generation == params.set.generation):
            raise LimitError(
                f"the lease changed under the run: set {params.set.generation}, shadow copy {snapshot.generation}, "
                f"now {ctx.lease.generation}"
            )
        lease_still_ours(ctx)
        shadows_still_there(ctx, snapshot)
        staging = Path(params.set.folder)
        if not staging.is_dir():
            raise SpaceError(
                f"the store {store.root} does not contain the unfinished set {params.set.id} any more",
                hint="is it mounted?",
            )
        made = seal_set.finish_set(ctx, staging, lambda: manifest_of(ctx, params, staging))

        def proof() -> None:
            lease_still_ours(ctx)
            shadows_still_there(ctx, snapshot)

        ctx.lease.take()
        # Once more, and last: writing and syncing take time, in which this host may have been asleep for hours.
        final = store.publish(require_known(params.set.id), ctx.run_id, lambda: just_proven(ctx, proof))
        published = catalogue.read(final)
        return _result(
            published,
            params.accept,
            f"{params.set.id} published: {made.files} files, {made.bytes} bytes, {made.consistency}"
            + seal_set.how(made)
            + left_out(made),
        )


def manifest_of(ctx: Context, params: PublishParams, staging: Path) -> manifest_file.Manifest:
    """The manifest of a set in which nothing is missing.

    Raises:
        IntegrityError: something is, or is not what was pulled; names it.

    """
    site, snapshot = params.site, params.snapshot
    entries = describe_pull(staging)
    own = frozenset({entry_log.NAME, entry_log.SHADOW_NAME, manifest_file.NAME, manifest_file.SUM_NAME})
    complete.same_on_disk(staging, entries, own)
    has_database = complete.has_database(site, entries)
    registry = complete.registry(staging, entries, site)
    links = complete.not_followed(entries)
    consistency = snapshot.consistency if has_database or site.database is None else "separate"
    files = [entry for entry in entries if entry.kind == "file"]
    offline = ctx.offline
    return manifest_file.Manifest(
        id=params.set.id,
        site=site.code,
        site_name=site.name,
        site_type=site.type,
        parent=site.parent,
        product=site.product,
        version=site.version,
        install_dir=site.install_dir,
        generation=params.set.generation,
        run=ctx.run_id,
        tool=version("sitekeeper"),
        taken_at=snapshot.taken_at,
        published_at=ctx.clock.now().isoformat(),
        offline=None
        if offline is None or offline.until is None
        else manifest_file.Offline(started=offline.began, ended=offline.until, seconds=offline.seconds or 0.0),
        consistency=consistency,
        gap=snapshot.gap,
        shadow_set=snapshot.set_id,
        before=snapshot.before,
        after=snapshot.after,
        machine=site.machine,
        database_machine=site.database_machine,
        volumes=(*site.volumes, *site.database_volumes),
        services=site.services,
        database=site.database,
        row_counts=params.counts.rows if params.counts else {},
        registry=registry,
        feeds=manifest_file.feeds_of(site.product, site.type, consistency),
        left_out=(*manifest_file.LEFT_OUT, *links),
        files=len(files),
        bytes=sum(entry.size for entry in files),
        entries=entries,
    )
