"""Collects the backup that ConfigMgr's own task made, byte for byte, into a staging set; nobody may write to it meanwhile."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Size
from sitekeeper.model.site import Part, SiteFacts, TaskRun
from sitekeeper.model.store import PulledFiles, Staging
from sitekeeper.model.windows import ShadowCopy
from sitekeeper.store.format import entry_log
from sitekeeper.store.format.entry_log import EntryLog
from sitekeeper.store.format.store_folder import store_error
from sitekeeper.store.pulling import task_folder
from sitekeeper.store.pulling.puller import Puller
from sitekeeper.store.pulling.task_unchanged import refuse_another_run
from sitekeeper.transport.wmi import reading


class CollectParams(Params):
    """What, and into which set."""

    set: Staging
    """The staging set."""
    site: SiteFacts
    """The site."""
    task: TaskRun
    """The run of the task, as ``site.backup_task`` proved it."""
    rate: Annotated[Size, Field(gt=0)] | None = None
    """At most this many bytes a second."""


class Collect(Module[CollectParams, None, PulledFiles]):
    """Example::

    - store.collect: {set: "{{ set }}", site: "{{ site }}", task: "{{ task }}"}
    """

    needs = Needs(
        cmdlets={"Get-WmiObject": reading("Win32_Service")},
        functions=("Get-SkTree", "Read-SkFile"),
        rights="read the task's destination (Administrators); select from v_StatusMessage",
    )
    on_host = False

    def plan(self, ctx: Context, params: CollectParams) -> Plan[None, PulledFiles]:
        task = params.task
        change = Change(f"set {params.set.id} {task.site}Backup", "empty", f"{task.host}: {task.folder}")
        result = PulledFiles(
            changed=True,
            files=task.files,
            bytes=task.bytes,
            seconds=0.0,
            partial="",
            msg="the task's backup would be collected",
        )
        return Plan(result=result, changes=(change,))

    def apply(self, ctx: Context, params: CollectParams, plan: Plan[None, PulledFiles]) -> PulledFiles:
        task, started = params.task, ctx.clock.monotonic()
        root = Path(params.set.folder)
        part = Part(kind="files", host=ctx.host, volume="", path="", to=f"{task.site}Backup")
        source = _TaskFolder(ctx, params.site, task)
        try:
            entry_log.one_shadow_set(root, f"task {task.proof.started} {task.listing}")
            with closing(EntryLog(root)) as log:
                puller = Puller(ctx, root, log, source, rate=params.rate, places=frozenset())
                source.ready(ctx.host)
                copy, found = puller.listing(part)
                _same(task, task_folder.digest(found), "since the task ended")
                puller.total = sum(one.size for one in found if one.kind == "file")
                puller.part(part, copy, found)
        except OSError as error:
            raise store_error(error, Path(params.set.store)) from None
        _same(task, task_folder.digest(task_folder.list_files(ctx, task.drive)), "while it was read")
        source.ready(ctx.host)
        return puller.describe(ctx.clock.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _TaskFolder:
    """The task's folder as what is read."""

    ctx: Context
    site: SiteFacts
    task: TaskRun

    def copy_of(self, part: Part) -> ShadowCopy:
        return ShadowCopy(
            host=part.host, drive=self.task.drive, index=task_folder.INDEX, volume="", name=f"{self.task.folder}\\"
        )

    def still_there(self, host: str, copy: ShadowCopy) -> None:
        self.ready(host)

    def ready(self, host: str) -> None:
        refuse_another_run(self.ctx, self.site, self.task)


def _same(task: TaskRun, found: str, when: str) -> None:
    if found != task.listing:
        raise IntegrityError(
            f"the backup in {task.folder} was changed {when}",
            hint="who or what writes there? AfterBackup.bat may still run",
        )
