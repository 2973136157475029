"""The cases: what each module that asks something of a host is asked to do, and what must come of it on every engine."""

from __future__ import annotations

from typing import Any

from tests.contract.engines import Case
from tests.contract.plays import (
    ATTACH,
    BACKUP,
    DRILL,
    DROP,
    FACTS,
    FIT,
    KEPT,
    MAINTENANCE,
    OF_THE_TASK,
    OPEN_SET,
    PREFLIGHT,
    PUSH,
    REGISTRY,
    RESTORE,
    RESTORE_BAK,
    SCRATCH,
    SETTINGS,
    SNAPSHOT,
    STARTUP,
    STOP,
    STOP_ONE,
    TASK,
    a_key_is_missing,
    a_task_that_fails,
    broker_is_off,
    fault,
    left_by_another_run,
    never_backed_up,
    not_allowed_to_set_up,
    unmarked,
    wrecked,
)  # fmt: skip

NOT_ON_A_HOST = {
    "core.assert": "decides on variables",
    "core.debug": "shows a value",
    "core.fail": "fails",
    "core.set_fact": "keeps a value",
    "site.book": "writes a file on the control host",
    "site.compare": "compares what others have read",
    "site.examine": "reads a set, and asks its copy over SQL",
    "sql.facts": "asks over SQL only",
    "store.get": "reads the store",
    "store.mark": "writes into the store",
    "store.prune": "deletes in the store",
    "store.set": "makes a folder in the store",
    "store.turn": "reads the store",
}
"""Modules that send no host a command, and what they do instead: an engine has no part in it."""

GOOD = [
    Case("facts", FACTS + PREFLIGHT,
         {"site.facts": "ok", "site.preflight": "ok"}),
    Case("maintenance", FACTS + MAINTENANCE, {"site.maintenance": "changed"}, undone=("site.maintenance",)),
    Case("start modes", STARTUP, {"windows.startup": "changed"}, undone=("windows.startup",)),
    Case("a key that is not there", FACTS + REGISTRY, {"windows.registry": "changed"}, says="3 keys exported",
         undone=("windows.registry",), around=a_key_is_missing),
    Case("shadow copies of an old site", FACTS + STOP + REGISTRY + SNAPSHOT, {"windows.snapshot": "changed"}, hosts="PR1",
         undone=("windows.snapshot", "windows.registry", "windows.service")),
    Case("backup", "backup", {
        "site.facts": "ok", "site.preflight": "ok", "windows.service": "changed", "windows.registry": "changed",
        "windows.snapshot": "changed", "store.pull": "changed", "sql.backup": "changed", "store.pull_backup": "changed",
        "store.publish": "changed",
    }, hosts="PR2,PR3", given=('{"native_backup": true}', "maintenance=none"),
         undone=("windows.service", "sql.backup", "windows.snapshot", "windows.registry")),
    Case("backup task", "backup_task", {
        "site.backup_task": "changed", "store.collect": "changed", "store.publish_task": "changed",
    }, given=("maintenance=none",), undone=("site.backup_task",), leaves=OF_THE_TASK, around=never_backed_up),
    Case("drill of files", "drill", {
        "windows.push": "changed", "sql.attach": "changed", "sql.settings": "ok", "sql.checkdb": "changed", "sql.scratch": "ok",
    }, given=DRILL, undone=("sql.attach", "windows.push"), after=("backup",)),
    Case("drill of SQL Server's backup", "drill", {"windows.push": "changed", "sql.restore": "changed"},
         given=(*DRILL, "drill_from=backup"), undone=("sql.restore", "windows.push"), after=("backup",)),
    Case("a copy is dropped", PUSH + ATTACH + DROP, {"sql.drop": "changed"}, undone=("sql.attach", "windows.push"),
         after=("backup",)),
    Case("a dead run's files are dropped", FIT, {"sql.scratch": "changed"}, after=("backup",), around=left_by_another_run,
         leaves=(rf"{SCRATCH} D:\Drill\20200101",)),
    Case("settings are put right", SETTINGS, {"sql.settings": "changed"}, around=broker_is_off),
    Case("recovery", "restore", {
        "site.target": "ok", "site.save": "changed", "site.stage": "changed", "site.database": "changed", "site.setup": "changed",
    }, hosts="PR3", given=RESTORE, after=("backup",), around=wrecked, leaves=("PR3 ",)),
]  # fmt: skip

BAD = [
    Case("a writer has failed", FACTS + PREFLIGHT,
         {"site.preflight": "failed"}, code=11, word="preflight", says="writers",
         around=fault("PR2", "writer_failed", state=8, error="Retryable error", times=0)),
    Case("maintenance mode without effect", FACTS + MAINTENANCE, {"site.maintenance": "failed"}, code=7, word="remote",
         says="is not in maintenance mode", undone=("site.maintenance",), around=fault("OPS1", "maintenance_refused", times=0)),
    Case("no such service", "- windows.service: {names: [nobody], state: stopped}\n", {"windows.service": "failed"}, code=7,
         word="remote", says="nobody"),
    Case("no such service to be set", "- windows.startup: {names: [nobody], mode: Disabled}\n", {"windows.startup": "failed"},
         code=7, word="remote", says="nobody"),
    Case("a stop that takes too long", STOP_ONE,
         {"windows.service": "failed"}, code=7, word="remote", says="did not stop", undone=("windows.service",),
         around=fault("PR2", "slow_stop", service="SMS_EXECUTIVE", seconds=1)),
    Case("no room for the registry", FACTS + REGISTRY, {"windows.registry": "failed"}, code=7, word="remote",
         undone=("windows.registry",), around=fault("PR2", "disk_full", volume="D:", times=0)),
    Case("no room for shadow copies", FACTS + STOP + SNAPSHOT, {"windows.snapshot": "failed"}, code=9, word="space",
         undone=("windows.snapshot", "windows.service"), around=fault("PR2", "snapshot_fails")),
    Case("a window that was broken", FACTS + STOP + SNAPSHOT, {"windows.snapshot": "failed"}, code=10, word="integrity",
         undone=("windows.snapshot", "windows.service"), around=fault("PR2", "restart_between")),
    Case("a task that fails", FACTS + OPEN_SET + TASK, {"site.backup_task": "failed"}, code=9, word="space",
         undone=("site.backup_task",), around=a_task_that_fails, leaves=OF_THE_TASK),
    Case("an unmarked scratch folder", FIT, {"sql.scratch": "failed"}, code=11, word="preflight", after=("backup",),
         around=unmarked),
    Case("files for an unmarked folder", PUSH, {"windows.push": "failed"}, code=2, word="usage", after=("backup",),
         around=unmarked),
    Case("a backup that the disk does not take", BACKUP, {"sql.backup": "failed"}, code=8, word="sql",
         undone=("sql.backup",), around=fault("PR2", "sql_statement", kind="backup", at=50, do="disk_full")),
    Case("a site that is there is not recovered", "restore", {"site.target": "failed"}, code=11, word="preflight",
         given=("confirm=PR2", "restore_kind=snapshot", "set=PR2"), after=("backup", "drill of files")),
    Case("setup without its task", "restore", {"site.setup": "failed"}, hosts="PR3", code=11, word="preflight",
         given=RESTORE, after=("backup",), around=not_allowed_to_set_up, undone=("site.database", "site.stage"),
         leaves=("PR3 C:\\sitekeeper",)),
]  # fmt: skip


def stolen(module: str, tasks: str, *, code: int = 20, **more: Any) -> Case:
    """Another run takes the lease before this module's change; what could not be taken back then is a failure of its own."""
    return Case(f"stolen before {module}", tasks, {module: "failed"}, code=code, word="limit", stolen=module, **more)


FENCED = [
    stolen("site.maintenance", FACTS + MAINTENANCE),
    stolen("windows.service", STOP_ONE, code=12),
    stolen("windows.startup", STARTUP),
    stolen("windows.registry", FACTS + REGISTRY),
    stolen("windows.snapshot", FACTS + SNAPSHOT),
    stolen("site.backup_task", FACTS + OPEN_SET + TASK, code=12, around=never_backed_up),
    stolen("sql.backup", BACKUP),
    stolen("sql.settings", SETTINGS, code=12, around=broker_is_off),
    stolen("windows.push", PUSH, after=("backup",)),
    stolen("sql.attach", PUSH + ATTACH, after=("backup",)),
    stolen("sql.restore", RESTORE_BAK, after=("backup",)),
    stolen("sql.drop", PUSH + ATTACH + DROP, after=("backup",)),
    stolen("sql.scratch", FIT, code=12, after=("backup",), around=left_by_another_run),
    stolen("site.save", "restore", code=12, hosts="PR3", given=RESTORE, after=("backup",), around=wrecked),
    stolen("site.stage", "restore", hosts="PR3", given=RESTORE, after=("backup",), around=wrecked, leaves=KEPT),
    stolen("site.database", "restore", hosts="PR3", given=RESTORE, after=("backup",), around=wrecked, leaves=KEPT),
    stolen("site.setup", "restore", hosts="PR3", given=RESTORE, after=("backup",), around=wrecked, leaves=KEPT),
]
"""Every module that changes something on a host."""

CASES = {case.name: case for case in (*GOOD, *BAD, *FENCED)}
