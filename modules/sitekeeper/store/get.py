"""Gets a set out of the store as plain files on the control host, every byte checked against its manifest.

A set that is neither compressed nor encrypted is used where it lies; a sealed one is unpacked into a private folder, which
undo deletes. Its key is the variable ``store_identity``: the path of an age identity file, or a secret. A damaged set is
refused, and the file that is wrong is named. No host is contacted.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, PreflightError, RunInterruptedError, UsageError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan, Record, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many, SiteCode
from sitekeeper.model.store import ExtractedSet, Proof
from sitekeeper.store.format import catalogue, marks_file
from sitekeeper.store.format.manifest_file import Manifest
from sitekeeper.store.format.store_folder import Folder, store_error, store_of
from sitekeeper.store.keeping import extract
from sitekeeper.store.sealing.open_set import OpenSet, open_set
from sitekeeper.transport.age_identity import keys_of


class GetParams(Params):
    """Which set, and what of it."""

    set: str
    """Set id; or a site code for its newest good set."""
    site: SiteCode | None = None
    """Whose set it must be; one of another site is refused."""
    kind: Literal["snapshot", "task"] | None = None
    """Only a set of this kind."""
    never_older: bool = False
    """Refuse the newest good set of a site while newer ones are in doubt: it must be named by its id then."""
    files: Many[str] = ()
    """What of it is needed: ``database``, ``registry``, or folders and files of the set; everything when left out."""
    work: str | None = None
    """Where sealed sets are unpacked; the variable ``store_work``, else the system's folder for temporary files."""
    store: str | None = None
    """Folder of the store; the variable ``store`` when left out."""


class GetIntent(Record):
    """The folder that is made, by a name that nothing else has."""

    version: Literal[1] = 1
    id: str
    folder: str
    """Empty: the set is used where it lies, and nothing is to be taken back."""


class Get(Module[GetParams, GetIntent, ExtractedSet]):
    """Example::

    - store.get: {set: PR1, kind: snapshot, files: [database, registry]}
      register: backup
      undo: play
    """

    reversible = True
    on_host = False

    _found: OpenSet | None = None
    """What ``plan`` opened: a sealed set is opened once."""

    def plan(self, ctx: Context, params: GetParams) -> Plan[GetIntent, ExtractedSet]:
        store = Folder(store_of(ctx, params.store))
        choice = catalogue.find(store, params.set, params.kind)
        folder = choice.folder
        if choice.passed_over and params.never_older:
            raise IntegrityError(
                f"{params.set} has newer sets than {folder.name} that may be damaged: {'; '.join(choice.passed_over)}",
                hint=f"to use {folder.name} all the same, name it: -e set={folder.name}",
            )
        found = open_set(folder, keys_of(ctx.vars.get("store_identity")) if catalogue.read(folder).sealed else None)
        if params.site is not None and found.manifest.site != params.site:
            raise PreflightError(
                f"{folder.name} is a set of {found.manifest.site}, not of {params.site}",
                hint="give no set, for the newest good set of each site, or limit the run to the set's own: --limit",
            )
        extract.chosen(found.manifest, params.files)  # refuses what is not there
        self._found = found
        target: Path | None = None
        if found.packed:
            name = f"sitekeeper-{ctx.run_id}-{found.manifest.id}-{token_hex(4)}"
            target = work_folder(ctx, params.work) / name
        result = _gotten(found, Unknown("store.get") if target else str(folder), choice.passed_over)
        change = Change(f"set {found.manifest.id}", "in the store", f"checked, plain in {target or folder}")
        intent = GetIntent(id=found.manifest.id, folder=str(target or ""))
        return Plan(result=result, changes=(change,), intent=intent)

    def apply(self, ctx: Context, params: GetParams, plan: Plan[GetIntent, ExtractedSet]) -> ExtractedSet:
        found = self._found
        if found is None:
            raise ValueError("apply without plan")
        entries = extract.chosen(found.manifest, params.files)
        target = Path(plan.intended.folder) if plan.intended.folder else None
        now = ctx.clock.now().isoformat()

        def told(done: int, total: int) -> None:
            if ctx.stop.is_set():
                raise RunInterruptedError("stopped by the operator while the set was being read")
            ctx.progress(done, total, "bytes")

        extract.refuse_damaged(found, entries, now, told=told)
        if target is None:
            return plan.result
        try:
            extract.take_out(found, entries, target, told)
        except IntegrityError as error:
            extract.remember(found.folder, [error.message], now)
            raise
        return plan.result.model_copy(update={"changed": True, "folder": str(target)})

    def in_place(self, ctx: Context, intent: GetIntent, outcome: ExtractedSet, generation: int) -> bool:
        return Path(str(outcome.folder)).is_dir()  # it appeared whole, by one rename

    def undo(self, ctx: Context, intent: GetIntent, outcome: ExtractedSet | None) -> str:
        if not intent.folder:
            return f"{intent.id} was used in place"
        removed = False
        for folder in (Path(intent.folder), extract.half_of(Path(intent.folder))):
            try:
                if folder.is_dir():
                    shutil.rmtree(folder)
                    removed = True
            except OSError as error:
                raise store_error(error, folder) from None
        return f"{intent.folder} deleted" if removed else f"{intent.folder} is not there"


def work_folder(ctx: Context, given: str | None) -> Path:
    """Where sealed sets are unpacked.

    Raises:
        UsageError: the variable is no path.

    """
    path = given or ctx.vars.get("store_work")
    if path is None:
        return Path(tempfile.gettempdir())
    if not isinstance(path, str):
        raise UsageError("store_work is not a path")
    return Path(path).expanduser().absolute()


def _gotten(found: OpenSet, folder: str | Unknown, passed_over: tuple[str, ...]) -> ExtractedSet:
    manifest = found.manifest
    last = marks_file.read(found.folder)[0].drilled
    drilled: Literal["", "ok", "failed"] = "" if last is None else last.result
    said = f"; newer sets were skipped: {'; '.join(passed_over)}" if passed_over else ""
    return ExtractedSet(
        changed=False,
        partial="",
        msg=f"{manifest.id}: {manifest.files} files, {manifest.bytes} bytes, taken {manifest.taken_at}{said}",
        id=manifest.id,
        kind=manifest.kind,
        site=manifest.site,
        site_type=manifest.site_type,
        product=manifest.product,
        version=manifest.version,
        taken_at=manifest.taken_at,
        folder=folder,
        install_dir=manifest.install_dir,
        parent=manifest.parent,
        database=manifest.database,
        machine=manifest.machine,
        row_counts=manifest.row_counts,
        database_files=extract.database_files(manifest),
        registry=tuple(one.file for one in manifest.registry),
        bytes=manifest.bytes,
        feeds=manifest.feeds,
        site_name=manifest.site_name,
        services=manifest.services,
        proof=_proof(manifest),
        drilled=drilled,
        passed_over=passed_over,
        backup_files=extract.backup_files(manifest),
    )


def _proof(manifest: Manifest) -> Proof:
    exports = {one.file for one in manifest.registry}
    return Proof(
        consistency=manifest.consistency,
        before=manifest.before,
        after=manifest.after,
        offline_from=manifest.offline.started if manifest.offline else "",
        written={entry.file: entry.modified for entry in manifest.entries if entry.file in exports},
    )
