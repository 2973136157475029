"""The cases: what each module that asks something of a host is asked to do, and what must come of it on every engine."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from tests.contract.engines import Case, Guard, Place

SCRATCH = "DRILL1"
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

FACTS = "- site.facts:\n  register: site\n"
STOP = """\
- windows.service: {names: "{{ site.services_to_stop }}", state: stopped, settle: "{{ settle }}", site: "{{ site }}"}
  undo: play
"""
SNAPSHOT = '- windows.snapshot: {site: "{{ site }}"}\n  undo: play\n  register: snapshot\n'
REGISTRY = '- windows.registry: {export: "{{ site.registry_keys }}", site: "{{ site }}"}\n  undo: play\n'
MAINTENANCE = '- site.maintenance: {site: "{{ site }}", duration: 45m, comment: "by {{ run.id }}"}\n  undo: play\n  register: mode\n'
STARTUP = "- windows.startup: {names: [SMS_EXECUTIVE], mode: Disabled}\n  undo: play\n"
PUSH = f"""\
- store.get: {{set: PR2, kind: snapshot}}
  undo: play
  register: got
- windows.push: {{on: {SCRATCH}, folder: "{{{{ got.folder }}}}", files: "{{{{ got.database_files }}}}"}}
  undo: play
  register: pushed
"""
ATTACH = f"""\
- sql.attach: {{on: {SCRATCH}, name: "sk_PR2_{{{{ run.id }}}}", files: "{{{{ pushed.files }}}}"}}
  undo: play
"""
DROP = f'- sql.drop: {{on: {SCRATCH}, name: "sk_PR2_{{{{ run.id }}}}"}}\n'
FIT = f"""\
- store.get: {{set: PR2, kind: snapshot}}
  undo: play
  register: got
- sql.scratch: {{on: {SCRATCH}, database: "{{{{ got.database }}}}"}}
"""
SETTINGS = "- sql.settings: {on: PR2, name: CM_PR2, set: true}\n  register: settings\n"
BACKUP = "- sql.backup: {on: PR2, database: CM_PR2, instance: MSSQLSERVER}\n  undo: play\n"
OPEN_SET = '- store.set: {site: "{{ site }}", store: "{{ store }}"}\n  register: set\n'
TASK = """\
- site.backup_task: {site: "{{ site }}", set: "{{ set }}", settle: "{{ settle }}", longest: 1m}
  undo: play
  register: task
"""
DRILL = (f"drill_on={SCRATCH}", "set=PR2")


def fault(host: str, name: str, **arguments: object) -> Guard:
    """A fault of the lab, until the case is over."""

    @contextlib.contextmanager
    def around(place: Place) -> Iterator[None]:
        place.lab.fault(host, name, **arguments)
        yield
        place.lab.clear_faults()

    return around


@contextlib.contextmanager
def unmarked(place: Place) -> Iterator[None]:
    """The operator's mark is not in the scratch server's work folder."""
    mark = place.lab.host(SCRATCH).files.resolve(r"D:\Drill\sitekeeper-work.txt")
    text = mark.read_bytes()
    mark.unlink()
    yield
    mark.write_bytes(text)


@contextlib.contextmanager
def left_by_another_run(place: Place) -> Iterator[None]:
    """A run that died has left a folder on the scratch server."""
    folder = place.lab.host(SCRATCH).files.resolve(r"D:\Drill\20200101-000000-abcdef")
    folder.mkdir()
    (folder / "left.mdf").write_bytes(b"left")
    yield
    (folder / "left.mdf").unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()


@contextlib.contextmanager
def broker_is_off(place: Place) -> Iterator[None]:
    """What attaching leaves of a site's database."""
    place.lab.machines["PR2"].site_databases["PR2"].set_option("broker", "0")
    yield
    place.lab.machines["PR2"].site_databases["PR2"].set_option("broker", "1")


@contextlib.contextmanager
def never_backed_up(place: Place) -> Iterator[None]:
    """The site's own task has never run."""
    host = place.lab.host("PR2")
    for folder in (r"C:\SMSBackup\PR2Backup", rf"{INSTALL}\BackupTemp"):
        shutil.rmtree(host.files.resolve(folder), ignore_errors=True)
    host.files.resolve(rf"{INSTALL}\logs\smsbkup.log").unlink(missing_ok=True)
    yield


@contextlib.contextmanager
def a_task_that_fails(place: Place) -> Iterator[None]:
    """... and finds no room when it does."""
    with never_backed_up(place), fault("PR2", "backup_fails", step="disk")(place):
        yield


@contextlib.contextmanager
def wrecked(place: Place) -> Iterator[None]:
    """PR3 is lost, and Windows installed anew."""
    place.wreck("PR3")
    yield


@contextlib.contextmanager
def not_allowed_to_set_up(place: Place) -> Iterator[None]:
    """... and nobody has made the task that setup runs in."""
    place.wreck("PR3")
    tasks = place.lab.host("PR3").machine.tasks
    tasks[:] = [one for one in tasks if one.name != "sitekeeper-setup"]
    yield


INSTALL = r"D:\Program Files\Microsoft Configuration Manager"
OF_THE_TASK = (r"PR2 C:\SMSBackup", rf"PR2 {INSTALL}\BackupTemp", rf"PR2 {INSTALL}\logs\smsbkup.log")
"""What the site's own task leaves on a site's disk, every time."""
KEPT = (r"PR3 C:\sitekeeper",)
"""What is kept of a machine before a site is recovered there; it stays."""
RESTORE = ("confirm=PR3", "restore_kind=snapshot", "set=PR3")

GOOD = [
    Case("facts", FACTS + '- site.preflight: {site: "{{ site }}", store: "{{ store }}"}\n',
         {"site.facts": "ok", "site.preflight": "ok"}),
    Case("maintenance", FACTS + MAINTENANCE, {"site.maintenance": "changed"}, undone=("site.maintenance",)),
    Case("start modes", STARTUP, {"windows.startup": "changed"}, undone=("windows.startup",)),
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
    Case("a writer has failed", FACTS + '- site.preflight: {site: "{{ site }}", store: "{{ store }}", tries: 1}\n',
         {"site.preflight": "failed"}, code=11, word="preflight", says="writers",
         around=fault("PR2", "writer_failed", state=8, error="Retryable error", times=0)),
    Case("maintenance mode without effect", FACTS + MAINTENANCE, {"site.maintenance": "failed"}, code=7, word="remote",
         says="is not in maintenance mode", undone=("site.maintenance",), around=fault("OPS1", "maintenance_refused", times=0)),
    Case("no such service", "- windows.service: {names: [nobody], state: stopped}\n", {"windows.service": "failed"}, code=7,
         word="remote", says="nobody"),
    Case("no such service to be set", "- windows.startup: {names: [nobody], mode: Disabled}\n", {"windows.startup": "failed"},
         code=7, word="remote", says="nobody"),
    Case("a stop that takes too long",
         "- windows.service: {names: [SMS_EXECUTIVE], state: stopped, timeout: 0.2s, settle: 0.3s}\n  undo: play\n",
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
         given=("confirm=PR2", "restore_kind=snapshot", "set=PR2"), after=("backup",)),
    Case("setup without its task", "restore", {"site.setup": "failed"}, hosts="PR3", code=11, word="preflight",
         given=RESTORE, after=("backup",), around=not_allowed_to_set_up, undone=("site.database", "site.stage"),
         leaves=("PR3 C:\\sitekeeper",)),
]  # fmt: skip

RESTORE_BAK = f"""\
- store.get: {{set: PR2, kind: snapshot}}
  undo: play
  register: got
- windows.push: {{on: {SCRATCH}, folder: "{{{{ got.folder }}}}", files: "{{{{ got.backup_files }}}}"}}
  undo: play
  register: pushed
- sql.restore: {{on: {SCRATCH}, name: "sk_PR2_{{{{ run.id }}}}", backup: "{{{{ pushed.files[0] }}}}"}}
  undo: play
"""


def stolen(module: str, tasks: str, *, code: int = 20, **more: Any) -> Case:
    """Another run takes the lease before this module's change; what could not be taken back then is a failure of its own."""
    return Case(f"stolen before {module}", tasks, {module: "failed"}, code=code, word="limit", stolen=module, **more)


FENCED = [
    stolen("site.maintenance", FACTS + MAINTENANCE),
    stolen(
        "windows.service",
        "- windows.service: {names: [SMS_EXECUTIVE], state: stopped, settle: 0.3s}\n  undo: play\n",
        code=12,
    ),
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
