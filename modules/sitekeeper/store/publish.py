"""Publishes a staging set: only if its window held, its shadow copies are still there and every byte is accounted for."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError, LimitError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.site._results import SiteFacts
from sitekeeper.sql._results import SqlFacts
from sitekeeper.store import _entries, _folder, _manifest, _regfile
from sitekeeper.store._results import Published, Staging
from sitekeeper.windows._results import ShadowSet
from sitekeeper.windows.snapshot import prove_window


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


class Publish(Module[PublishParams, Published]):
    """Example::

    - store.publish: {set: "{{ set }}", site: "{{ site }}", snapshot: "{{ snapshot }}"}
    """

    needs = Needs(cmdlets={"Write-Output": "markers"}, functions=("Test-SkShadowSet", "Assert-SkLease"))

    def plan(self, ctx: Context, params: PublishParams) -> Plan[Published]:
        predicted = Published.model_construct(
            changed=True, msg=f"set {params.set.id} would be published", id=params.set.id, folder=params.set.folder, files=0,
            bytes=0, offline_seconds=None, consistency=params.snapshot.consistency, partial="",
        )  # fmt: skip
        change = Change(f"store {params.set.store}", f"no set {params.set.id}", "a whole set with its manifest")
        return Plan(result=predicted, changes=(change,), data=params)

    def apply(self, ctx: Context, plan: Plan[Published]) -> Published:
        params: PublishParams = plan.data
        site, snapshot = params.site, params.snapshot
        prove_window(snapshot.before, snapshot.after, tuple(one.name for one in snapshot.before))
        if not (ctx.lease.generation == snapshot.generation == params.set.generation):
            raise LimitError(
                f"the lease changed under the run: set {params.set.generation}, shadow copy {snapshot.generation}, "
                f"now {ctx.lease.generation}"
            )
        shadows_still_there(ctx, snapshot)
        staging = Path(params.set.folder)
        entries = tuple(sorted(_entries.read(staging), key=lambda entry: entry.file))
        registry = _registry(staging, entries)
        has_database = _complete(site, snapshot, entries, registry)
        consistency = snapshot.consistency if has_database or site.database is None else "separate"
        files = [entry for entry in entries if entry.kind == "file"]
        offline = ctx.notes.get("offline")
        manifest = _manifest.Manifest(
            id=params.set.id, site=site.code, site_name=site.name, site_type=site.type, parent=site.parent, product=site.product,
            version=site.version, install_dir=site.install_dir, generation=params.set.generation, run=ctx.run_id,
            tool=version("sitekeeper"), taken_at=snapshot.taken_at, published_at=ctx.clock.now().isoformat(),
            offline=_manifest.Offline(started=offline["from"], ended=offline["until"], seconds=offline["seconds"])
            if offline and "until" in offline else None,
            consistency=consistency, gap=snapshot.gap, shadow_set=snapshot.set_id, before=snapshot.before, after=snapshot.after,
            machine=site.machine, database_machine=site.database_machine, volumes=(*site.volumes, *site.database_volumes),
            services=site.services, database=site.database, row_counts=params.counts.rows if params.counts else {},
            registry=registry, feeds=_manifest.feeds_of(site.product, consistency), left_out=_manifest.LEFT_OUT,
            files=len(files), bytes=sum(entry.size for entry in files), entries=entries,
        )  # fmt: skip
        try:
            (staging / _entries.NAME).unlink()
            _manifest.write(staging, manifest)
        except OSError as error:
            raise _folder.store_error(error, Path(params.set.store)) from None
        ctx.lease.take()
        final = _folder.Folder(Path(params.set.store)).publish(params.set.id, ctx.run_id)
        partial = (
            ""
            if consistency != "separate" or "separate" in params.accept
            else f"{params.set.id} has no database of the same instant"
        )
        return Published(
            changed=True, id=params.set.id, folder=str(final), files=len(files), bytes=manifest.bytes, consistency=consistency,
            offline_seconds=manifest.offline.seconds if manifest.offline else None, partial=partial,
            msg=f"{params.set.id} published: {len(files)} files, {manifest.bytes} bytes, {consistency}",
        )  # fmt: skip


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


def _registry(staging: Path, entries: tuple[_manifest.Entry, ...]) -> tuple[_manifest.RegistryCount, ...]:
    exports = [e for e in entries if e.kind == "file" and e.file.startswith("SiteServer/Registry/")]
    parsed = {e.file: _regfile.parse((staging / e.file).read_bytes(), e.file) for e in exports}
    return tuple(
        _manifest.RegistryCount(file=file, root=found.root, keys=found.keys, values=found.values)
        for file, found in parsed.items()
    )


def _complete(
    site: SiteFacts,
    snapshot: ShadowSet,
    entries: tuple[_manifest.Entry, ...],
    registry: tuple[_manifest.RegistryCount, ...],
) -> bool:
    """Refuse a set that lacks what a recovery needs; answers whether the database is in it.

    Raises:
        IntegrityError: names what is missing.

    """
    del snapshot
    files = {entry.file.lower() for entry in entries if entry.kind == "file"}
    folders = {entry.file.lower() for entry in entries if entry.kind == "folder"}
    missing = [name for name in ("inboxes", "logs", "data", "srvacct") if f"siteserver/smsserver/{name}" not in folders]
    if site.product == "2007" and "siteserver/smsserver/inboxes/sitectrl.box/sitectrl.ct0" not in files:
        missing.append("inboxes\\sitectrl.box\\sitectrl.ct0 (the master site control file)")
    for name in ("SMS", "NAL"):
        if not any(count.root.upper().endswith(f"\\MICROSOFT\\{name}") for count in registry):
            missing.append(f"the registry export of {name}")
    if missing:
        raise IntegrityError(f"the set of {site.code} lacks {', '.join(missing)}")
    if site.database is None:
        return False
    wanted = {file.path.lower() for file in site.database.files}
    have = {
        (entry.source.partition(":")[2] + entry.path).lower()
        for entry in entries
        if entry.file.startswith("SiteDBServer/")
    }
    left = sorted(wanted - have)
    if left and len(left) < len(wanted):
        raise IntegrityError(f"the set of {site.code} lacks database files: {', '.join(left)}")
    return not left
