"""Publishes a collected backup of ConfigMgr's own task as a set of kind ``task``, in the task's own layout."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError, LimitError, SpaceError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, require_known
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteFacts, TaskRun
from sitekeeper.model.sql import SqlFacts
from sitekeeper.model.store import Staging, StoredSet
from sitekeeper.store.format import entry_log, manifest_file, reg_file, store_folder
from sitekeeper.store.keeping import complete
from sitekeeper.store.publishing.publication import (
    PublishIntent,
    describe_pull,
    find_published,
    just_proven,
    lease_still_ours,
)
from sitekeeper.store.pulling import task_folder
from sitekeeper.store.pulling.task_unchanged import refuse_another_run
from sitekeeper.store.pulling.tree import Found
from sitekeeper.store.sealing import seal_set
from sitekeeper.transport.wmi import reading

HIVE = b"regf"
"""A registry hive begins so ([MS-REGF] is not published; the magic is what every reader of hives looks for)."""


class PublishTaskParams(Params):
    """What to publish, and what proves it."""

    set: Staging
    """The staging set."""
    site: SiteFacts
    """The site that it is of."""
    task: TaskRun
    """The run of the task that made it."""
    counts: SqlFacts | None = None
    """Row counts of the live database near that time, kept in the manifest for drills."""


class PublishTask(Module[PublishTaskParams, PublishIntent, StoredSet]):
    """Example::

    - store.publish_task: {set: "{{ set }}", site: "{{ site }}", task: "{{ task }}"}
    """

    needs = Needs(
        cmdlets={"Get-WmiObject": reading("Win32_OperatingSystem", "Win32_Service")}, functions=("Read-SkLease",)
    )

    def plan(self, ctx: Context, params: PublishTaskParams) -> Plan[PublishIntent, StoredSet]:
        result = StoredSet(
            changed=True,
            msg=f"set {params.set.id} would be published",
            id=params.set.id,
            folder=params.set.folder,
            files=0,
            bytes=0,
            offline_seconds=None,
            consistency="task",
            partial="",
        )
        change = Change(
            f"store {params.set.store}", f"no set {params.set.id}", "a complete set of the task, with its manifest"
        )
        intent = PublishIntent(store=str(params.set.store), id=str(params.set.id), run=ctx.run_id)
        return Plan(result=result, changes=(change,), intent=intent)

    def made(self, ctx: Context, intent: PublishIntent) -> StoredSet | None:
        return find_published(store_folder.Folder(Path(intent.store)), intent.id, intent.run)

    def apply(self, ctx: Context, params: PublishTaskParams, plan: Plan[PublishIntent, StoredSet]) -> StoredSet:
        store = store_folder.Folder(Path(params.set.store))
        done = find_published(store, require_known(params.set.id), ctx.run_id)
        if done is not None:
            return done
        if ctx.lease.generation != params.set.generation:
            raise LimitError(
                f"the lease changed under the run: set {params.set.generation}, now {ctx.lease.generation}"
            )
        lease_still_ours(ctx)
        refuse_another_run(ctx, params.site, params.task)
        staging = Path(params.set.folder)
        if not staging.is_dir():
            raise SpaceError(
                f"the store {store.root} does not contain the unfinished set {params.set.id} any more",
                hint="is it mounted?",
            )
        made = seal_set.finish_set(ctx, staging, lambda: _manifest_of(ctx, params, staging))
        ctx.lease.take()
        store.publish(require_known(params.set.id), ctx.run_id, lambda: just_proven(ctx, lambda: lease_still_ours(ctx)))
        published = find_published(store, require_known(params.set.id), ctx.run_id)
        if published is None:
            raise SpaceError(f"set {params.set.id} is not in {store.root} any more", hint="is it mounted?")
        said = f"{params.set.id} published: {made.files} files, {made.bytes} bytes, of the site's own task{seal_set.how(made)}"
        return published.model_copy(update={"msg": said})


def _manifest_of(ctx: Context, params: PublishTaskParams, staging: Path) -> manifest_file.Manifest:
    """The manifest, if the set is whole.

    Raises:
        IntegrityError: it is not; names what is wrong.

    """
    site, task = params.site, params.task
    entries = describe_pull(staging)
    own = frozenset({entry_log.NAME, entry_log.SHADOW_NAME, manifest_file.NAME, manifest_file.SUM_NAME})
    complete.same_on_disk(staging, entries, own)
    found = [Found(one.kind, one.path, one.size, one.modified, one.attributes) for one in entries]
    if task_folder.digest(found) != task.listing:
        raise IntegrityError(f"what was collected of {site.code} is not what its task wrote")
    names = tuple(file.path.rpartition("\\")[2] for file in (site.database.files if site.database else ()))
    lacks = task_folder.missing(found, names, cd_latest=task_folder.needs_cd_latest(site))
    if lacks:
        raise IntegrityError(f"the set of {site.code} lacks {', '.join(lacks)}")
    registry, unread = _dumps(staging, entries, site)
    files = [entry for entry in entries if entry.kind == "file"]
    proof = task.proof
    return manifest_file.Manifest(
        id=params.set.id,
        kind="task",
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
        taken_at=proof.snapshot_at or proof.started_at,
        published_at=ctx.clock.now().isoformat(),
        offline=manifest_file.Offline(started=proof.down_from, ended=proof.up_at, seconds=proof.down_seconds)
        if proof.down_from
        else None,
        consistency="task",
        gap=0.0,
        shadow_set="",
        before=(),
        after=(),
        machine=site.machine,
        database_machine=site.database_machine,
        volumes=(*site.volumes, *site.database_volumes),
        services=site.services,
        database=site.database,
        row_counts=params.counts.rows if params.counts else {},
        registry=registry,
        feeds=feeds_of(site.product, site.type),
        left_out=(*manifest_file.LEFT_OUT, *unread, *complete.not_followed(entries)),
        task=proof,
        files=len(files),
        bytes=sum(entry.size for entry in files),
        entries=entries,
    )


def feeds_of(product: str, site_type: str) -> tuple[str, ...]:
    """Which recoveries take a set of the task (Microsoft: only its backups are supported by the wizard of 2007)."""
    if site_type == "secondary":
        return ("restore drills", manifest_file.NO_RECOVERY)
    if product == "2012":
        return ("recovery from the site's own backup (option 10)", "restore drills")
    return ("the Site Repair Wizard", "restore drills")


def _dumps(
    staging: Path, entries: tuple[manifest_file.Entry, ...], site: SiteFacts
) -> tuple[tuple[manifest_file.RegistryCount, ...], tuple[str, ...]]:
    """The registry dumps: counted where they are exports. Their format is written down nowhere, so it is looked at.

    Raises:
        IntegrityError: an export is cut off, or of another site.

    """
    counts: list[manifest_file.RegistryCount] = []
    unread: list[str] = []
    for entry in entries:
        if entry.path not in task_folder.DUMPS:
            continue
        data = (staging / entry.file).read_bytes()
        if not data.startswith(b"\xff\xfe"):
            kind = "a hive" if data.startswith(HIVE) else "of an unknown format"
            unread.append(f"a look into {entry.path}: it is {kind}, kept as it is")
            continue
        parsed = reg_file.parse(data, entry.file)
        if parsed.site_code and parsed.site_code != site.code:
            raise IntegrityError(f"{entry.file} is of site {parsed.site_code} and not of {site.code}")
        counts.append(
            manifest_file.RegistryCount(file=entry.file, root=parsed.root, keys=parsed.keys, values=parsed.values)
        )
    return tuple(counts), tuple(unread)
