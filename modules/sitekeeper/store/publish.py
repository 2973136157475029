"""Publishes a staging set: only if its window held, its shadow copies are still there and every byte is accounted for.

With ``store_compress`` or ``store_recipients`` in the host's variables it is sealed first, so that it appears sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, LimitError, SpaceError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import SiteFacts
from sitekeeper.model.sql import SqlFacts
from sitekeeper.model.store import Published, Staging
from sitekeeper.model.windows import ShadowSet
from sitekeeper.store.format import catalogue, entry_log, head_file, manifest_file, store_folder
from sitekeeper.store.keeping import complete
from sitekeeper.store.sealing import seal_set
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.snapshot import prove_window

ANSWER_SECONDS = 60
"""How old the proof may be that a set may appear: no guard acts after a silence of less than three minutes."""


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


class PublishIntent(Record):
    """Which set is to appear."""

    version: Literal[1] = 1
    store: str
    id: str
    run: str
    accept: tuple[str, ...] = ()
    """What the set may lack without being worth less."""


class Publish(Module[PublishParams, Published]):
    """Example::

    - store.publish: {set: "{{ set }}", site: "{{ site }}", snapshot: "{{ snapshot }}"}
    """

    needs = Needs(
        cmdlets={"Get-WmiObject": reading("Win32_OperatingSystem")},
        functions=("Test-SkShadowSet", "Read-SkLease"),
    )
    intent_type = PublishIntent

    def plan(self, ctx: Context, params: PublishParams) -> Plan[Published]:
        predicted = Published.model_construct(
            changed=True, msg=f"set {params.set.id} would be published", id=params.set.id, folder=params.set.folder, files=0,
            bytes=0, offline_seconds=None, consistency=params.snapshot.consistency, partial="",
        )  # fmt: skip
        change = Change(f"store {params.set.store}", f"no set {params.set.id}", "a whole set with its manifest")
        intent = PublishIntent(store=str(params.set.store), id=str(params.set.id), run=ctx.run_id, accept=params.accept)
        return Plan(result=predicted, changes=(change,), intent=intent, data=params)

    def made(self, ctx: Context, intent: PublishIntent) -> Published | None:
        return published_before(store_folder.Folder(Path(intent.store)), intent.id, intent.run, intent.accept)

    def apply(self, ctx: Context, plan: Plan[Published]) -> Published:
        params: PublishParams = plan.data
        site, snapshot = params.site, params.snapshot
        store = store_folder.Folder(Path(params.set.store))
        done = published_before(store, params.set.id, ctx.run_id, params.accept)
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
                f"the store {store.root} does not have the unfinished set {params.set.id} any more",
                hint="is it mounted?",
            )
        made = seal_set.finished(ctx, staging, lambda: manifest_of(ctx, params, staging))

        def proof() -> None:
            lease_still_ours(ctx)
            shadows_still_there(ctx, snapshot)

        ctx.lease.take()
        # Once more, and last: writing and syncing take time, in which this host may have been asleep for hours.
        final = store.publish(params.set.id, ctx.run_id, lambda: just_proven(ctx, proof))
        published = catalogue.read(final)
        return _result(
            published, params.accept, f"{params.set.id} published: {made.files} files, {made.bytes} bytes, {made.consistency}"
            + seal_set.how(made) + left_out(made),
        )  # fmt: skip


def _result(set_: catalogue.Kept, accept: tuple[str, ...], msg: str) -> Published:
    facts = set_.facts
    torn = set_.consistency == "separate" and "separate" not in accept
    partial = f"{set_.id} has no database of the same instant" if torn else ""
    return Published(
        changed=True, id=set_.id, folder=str(set_.folder), files=facts["files"], bytes=facts["bytes"],
        consistency=set_.consistency, offline_seconds=facts["offline_seconds"], partial=partial, msg=msg,
    )  # fmt: skip


def left_out(made: manifest_file.Manifest | head_file.Head) -> str:
    """How many links were not followed, where the names are known."""
    if isinstance(made, head_file.Head):
        return ""
    links = [entry for entry in made.entries if entry.kind == "link"]
    return f"; {len(links)} links were not followed" if links else ""


def manifest_of(ctx: Context, params: PublishParams, staging: Path) -> manifest_file.Manifest:
    """The manifest of a set in which nothing is missing.

    Raises:
        IntegrityError: something is, or is not what was pulled; names it.

    """
    site, snapshot = params.site, params.snapshot
    entries = pulled(staging)
    own = frozenset({entry_log.NAME, entry_log.SHADOW_NAME, manifest_file.NAME, manifest_file.SUM_NAME})
    complete.same_on_disk(staging, entries, own)
    has_database = complete.has_database(site, entries)
    registry = complete.registry(staging, entries, site)
    links = complete.not_followed(entries)
    consistency = snapshot.consistency if has_database or site.database is None else "separate"
    files = [entry for entry in entries if entry.kind == "file"]
    offline = ctx.notes.get("offline")
    return manifest_file.Manifest(
        id=params.set.id, site=site.code, site_name=site.name, site_type=site.type, parent=site.parent, product=site.product,
        version=site.version, install_dir=site.install_dir, generation=params.set.generation, run=ctx.run_id,
        tool=version("sitekeeper"), taken_at=snapshot.taken_at, published_at=ctx.clock.now().isoformat(),
        offline=manifest_file.Offline(started=offline["from"], ended=offline["until"], seconds=offline["seconds"])
        if offline and "until" in offline else None,
        consistency=consistency, gap=snapshot.gap, shadow_set=snapshot.set_id, before=snapshot.before, after=snapshot.after,
        machine=site.machine, database_machine=site.database_machine, volumes=(*site.volumes, *site.database_volumes),
        services=site.services, database=site.database, row_counts=params.counts.rows if params.counts else {},
        registry=registry, feeds=manifest_file.feeds_of(site.product, site.type, consistency), left_out=(*manifest_file.LEFT_OUT, *links),
        files=len(files), bytes=sum(entry.size for entry in files), entries=entries,
    )  # fmt: skip


def pulled(staging: Path) -> tuple[manifest_file.Entry, ...]:
    """What was pulled. The list goes last, when the manifest has it: a run may have been cut off between that and the rename."""
    if not (staging / entry_log.NAME).exists() and (staging / manifest_file.NAME).exists():
        return manifest_file.read(staging).entries
    return tuple(sorted(entry_log.read(staging), key=lambda entry: entry.file))


def published_before(
    store: store_folder.Folder, set_id: str, run: str, accept: tuple[str, ...] = ()
) -> Published | None:
    """The set, if this run had published it already before it was cut off."""
    folder = store.path(set_id)
    if not folder.is_dir():
        return None
    there = catalogue.read(folder)
    if there.run != run:
        raise IntegrityError(f"set {set_id} is published already, by run {there.run}")
    return _result(there, accept, f"{set_id} was published already")


def just_proven(ctx: Context, proof: Callable[[], None]) -> None:
    """Ask for a proof until its answers are fresh: this host may have been suspended while one was under way.

    Raises:
        LimitError: three times they took too long.

    """
    for _ in range(3):
        asked = ctx.clock.monotonic()
        proof()
        if ctx.clock.monotonic() - asked < ANSWER_SECONDS:
            return
    raise LimitError(
        f"asked three times whether the set may appear, and each time it took more than {ANSWER_SECONDS} s: "
        "such an answer says nothing about now",
        host=ctx.host,
        hint="is the network or the host overloaded, or was this control host suspended?",
    )


def lease_still_ours(ctx: Context) -> None:
    """The host itself is asked: what we remember is no proof that nobody else has changed it meanwhile.

    Raises:
        LimitError: another run has, or could have.

    """
    (system,) = ctx.ps.call("Get-WmiObject", Class="Win32_OperatingSystem", Property=["SystemDrive"])
    rows = ctx.ps.call("Read-SkLease", Drive=str(system["SystemDrive"])[0].upper())
    if len(rows) != 1 or rows[0]["Run"] != ctx.run_id or int(rows[0]["Generation"]) != ctx.lease.generation:
        held = f"run {rows[0]['Run']}, generation {rows[0]['Generation']}" if rows else "nobody"
        raise LimitError(
            f"the lease of this host is held by {held}: it may have been changed under the run", host=ctx.host
        )


def shadows_still_there(ctx: Context, snapshot: ShadowSet) -> None:
    """After the last byte every copy must still exist: one that vanished may have been read half.

    Raises:
        IntegrityError: one is gone.

    """
    for host, drive in dict.fromkeys((copy.host, copy.drive) for copy in snapshot.copies):
        where = ctx if host == ctx.host else ctx.of(host)
        rows = where.ps.call("Test-SkShadowSet", Drive=drive, Run=ctx.run_id)
        alive = {str(row["Id"]).strip("{}").lower() for row in rows if row["Exists"]}
        gone = [copy.name for copy in snapshot.copies if copy.host == host and copy.id not in alive]
        if gone:
            raise IntegrityError(
                f"the shadow copy of {host} {', '.join(gone)} is gone: what was read may be incomplete",
                hint="Windows drops shadow copies when their storage is full: see volsnap events 25 and 36",
            )
