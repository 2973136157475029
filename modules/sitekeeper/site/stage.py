"""Stages a set on the server where its site will be recovered: the task's backup, a copy of CD.Latest, the recovery script.

Nothing is written to the install folder, the registry or the database: Microsoft's tool does this, from the staged files.
"""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Any, Literal

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.figures import show_duration, show_size
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SavedFiles, TargetFacts
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.recovery.script import Recovery, read_recovery_options, recovery_script
from sitekeeper.site.recovery.setup_state import READS_SERVICES, READS_SITE, refuse_in_use
from sitekeeper.site.recovery.staging import MEDIA, SCRIPT, Piece, Sender, StagedRecovery, pieces_of, refuse_full


class StageParams(Params):
    """Which set, on which machine."""

    set: ExtractedSet
    """The set, as plain files."""
    target: TargetFacts
    """The machine."""
    saved: SavedFiles | None = None
    """What was saved of it, for the recovery book."""
    root: str | None = None
    """The operator's folder there; default: the variable ``restore_dir`` or ``sql_work_dir``."""
    recovery: Any = None
    """The operator's decisions for setup; default: the variable ``recovery``."""


class StageIntent(Record):
    """Where."""

    version: Literal[1] = 1
    root: str
    run: str
    drive: str
    setup: bool = False
    """Whether setup recovers the site from it; with 2007 a site is installed from the beginning."""


class Stage(Module[StageParams, StageIntent, StagedRecovery]):
    """Example::

    - site.stage: {set: "{{ got }}", target: "{{ target }}"}
      register: staged
    """

    needs = Needs(
        cmdlets=READS_SERVICES,
        functions=("Write-SkStage", "Measure-SkStage", "Remove-SkStage", *READS_SITE),
        rights="write into the folder that the operator made",
    )
    reversible = True

    def plan(self, ctx: Context, params: StageParams) -> Plan[StageIntent, StagedRecovery]:
        got, target = params.set, params.target
        root = params.root or ctx.vars.get("restore_dir") or ctx.vars.get("sql_work_dir")
        if not isinstance(root, str):
            raise UsageError(
                f"neither restore_dir nor sql_work_dir is set for {ctx.host}: sitekeeper needs a folder for the staged files",
                hint="set restore_dir to a folder on the site server, outside of the install folder, and create sitekeeper-work.txt in it",
            )
        root = root.rstrip("\\")
        if PureWindowsPath(root).is_relative_to(PureWindowsPath(got.install_dir)):
            raise UsageError(
                f"{root} is inside the install folder {got.install_dir}: setup cannot recover from there",
                hint="set restore_dir to a folder outside of it",
            )
        run = f"{ctx.run_id}-stage"
        folder = f"{root}\\{run}"
        old = got.product == "2007"
        backup = f"{folder}\\{got.site}Backup" if got.kind == "task" else ""
        pieces = _pieces(ctx, params, folder, backup)
        size = sum(one.size() for one in pieces)
        refuse_full(ctx, target.free_of(root), size)
        files = sum(one.local is not None or bool(one.data) for one in pieces)
        result = StagedRecovery(
            changed=True,
            root=root,
            drive=target.drive,
            folder=folder,
            media="" if old else f"{folder}\\{MEDIA}",
            backup=backup,
            script="" if old else f"{folder}\\{SCRIPT}",
            saved=_find_kept_folder(params.saved),
            accounts=bool(params.saved and params.saved.accounts),
            files=files,
            bytes=size,
            msg=f"{files} files ({show_size(size)}) would be copied to {folder}",
        )
        change = Change(f"folder {folder}", "does not exist", f"{files} files of {got.id}")
        return Plan(
            result=result,
            changes=(change,),
            intent=StageIntent(root=root, run=run, drive=target.drive, setup=not old),
        )

    def apply(self, ctx: Context, params: StageParams, plan: Plan[StageIntent, StagedRecovery]) -> StagedRecovery:
        intent = plan.intended
        began = ctx.clock.monotonic()
        Sender(ctx, intent.root, intent.run).send(_pieces(ctx, params, plan.result.folder, plan.result.backup))
        seconds = ctx.clock.monotonic() - began
        told = f"{plan.result.files} files, {show_size(plan.result.bytes)} in {show_duration(seconds)}, in {plan.result.folder}"
        return plan.result.model_copy(update={"seconds": round(seconds, 3), "msg": told})

    def in_place(self, ctx: Context, intent: StageIntent, outcome: StagedRecovery, generation: int) -> bool:
        return any(True for _ in ctx.ps.stream("Measure-SkStage", Root=intent.root, Run=intent.run))

    def undo(self, ctx: Context, intent: StageIntent, outcome: StagedRecovery | None) -> str:
        if intent.setup:
            refuse_in_use(ctx, intent.drive, ctx.run_id)
        ctx.ps.change("Remove-SkStage", Root=intent.root, Run=intent.run)
        return f"{intent.root}\\{intent.run} deleted"


def _pieces(ctx: Context, params: StageParams, folder: str, backup: str) -> list[Piece]:
    """The files of the set with their places, and the recovery script if setup recovers the site."""
    old = params.set.product == "2007"
    pieces = list(pieces_of(params.set, backup=bool(backup), media=not old))
    if not old:
        wishes = read_recovery_options(params.recovery or ctx.vars.get("recovery"))
        text = recovery_script(_recovery(params.set, folder, backup), wishes)
        pieces.append(Piece(None, SCRIPT, text.encode("ascii")))
    return pieces


def _find_kept_folder(saved: SavedFiles | None) -> str:
    return saved.folder if saved is not None and (saved.accounts or saved.keys) else ""


def _recovery(got: ExtractedSet, folder: str, backup: str) -> Recovery:
    if got.database is None:
        raise UsageError(f"{got.id} has no database: a site cannot be recovered from it")
    return Recovery(
        site=got.site,
        site_name=got.site_name,
        site_type=got.site_type,
        parent=got.parent,
        install_dir=got.install_dir,
        database=got.database.name,
        instance=got.database.instance,
        option=10 if backup else 20,
        media=f"{folder}\\{MEDIA}",
        backup=backup,
    )
