"""What the cases are made of: a few tasks each, and what is wrong meanwhile."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from tests.contract.engines import Guard, Place

SCRATCH = "DRILL1"

FACTS = "- site.facts:\n  register: site\n"
STOP = """\
- windows.service: {names: "{{ site.services_to_stop }}", state: stopped, settle: "{{ settle }}", site: "{{ site }}"}
  undo: play
"""
STOP_ONE = "- windows.service: {names: [SMS_EXECUTIVE], state: stopped, timeout: 0.2s, settle: 0.3s}\n  undo: play\n"
PREFLIGHT = '- site.preflight: {site: "{{ site }}", store: "{{ store }}", tries: 1}\n'
SNAPSHOT = '- windows.snapshot: {site: "{{ site }}"}\n  undo: play\n  register: snapshot\n'
REGISTRY = '- windows.registry: {export: "{{ site.registry_keys }}", site: "{{ site }}"}\n  undo: play\n'
MAINTENANCE = '- site.maintenance: {site: "{{ site }}", duration: 45m, comment: "by {{ run.id }}"}\n  undo: play\n  register: mode\n'
STARTUP = "- windows.startup: {names: [SMS_EXECUTIVE], mode: Disabled}\n  undo: play\n"
GET = "- store.get: {set: PR2, kind: snapshot}\n  undo: play\n  register: got\n"


def pushed(files: str) -> str:
    """Files of a set that was got, on the scratch server."""
    return f"""\
{GET}- windows.push: {{on: {SCRATCH}, folder: "{{{{ got.folder }}}}", files: "{{{{ got.{files} }}}}"}}
  undo: play
  register: pushed
"""


PUSH = pushed("database_files")
ATTACH = f"""\
- sql.attach: {{on: {SCRATCH}, name: "sk_PR2_{{{{ run.id }}}}", files: "{{{{ pushed.files }}}}"}}
  undo: play
"""
DROP = f'- sql.drop: {{on: {SCRATCH}, name: "sk_PR2_{{{{ run.id }}}}"}}\n'
FIT = f"""\
{GET}- sql.scratch: {{on: {SCRATCH}, database: "{{{{ got.database }}}}"}}
"""
SETTINGS = "- sql.settings: {on: PR2, name: CM_PR2, set: true}\n  register: settings\n"
BACKUP = "- sql.backup: {on: PR2, database: CM_PR2, instance: MSSQLSERVER}\n  undo: play\n"
OPEN_SET = '- store.set: {site: "{{ site }}", store: "{{ store }}"}\n  register: set\n'
TASK = """\
- site.backup_task: {site: "{{ site }}", set: "{{ set }}", settle: "{{ settle }}", longest: 1m}
  undo: play
  register: task
"""
RESTORE_BAK = f"""\
{pushed("backup_files")}- sql.restore: {{on: {SCRATCH}, name: "sk_PR2_{{{{ run.id }}}}", backup: "{{{{ pushed.files[0] }}}}"}}
  undo: play
"""
DRILL = (f"drill_on={SCRATCH}", "set=PR2")
INSTALL = r"D:\Program Files\Microsoft Configuration Manager"
OF_THE_TASK = (r"PR2 C:\SMSBackup", rf"PR2 {INSTALL}\BackupTemp", rf"PR2 {INSTALL}\logs\smsbkup.log")
"""What the site's own task leaves on a site's disk, every time."""
KEPT = (r"PR3 C:\sitekeeper",)
"""What is kept of a machine before a site is recovered there; it stays."""
RESTORE = ("confirm=PR3", "restore_kind=snapshot", "set=PR3")


def fault(host: str, name: str, **arguments: object) -> Guard:
    """A fault of the lab, until the case is over."""

    @contextlib.contextmanager
    def around(place: Place) -> Iterator[None]:
        place.lab.fault(host, name, **arguments)
        try:
            yield
        finally:
            place.lab.clear_faults()

    return around


@contextlib.contextmanager
def unmarked(place: Place) -> Iterator[None]:
    """The operator's mark is not in the scratch server's work folder."""
    mark = place.lab.host(SCRATCH).files.resolve(r"D:\Drill\sitekeeper-work.txt")
    text = mark.read_bytes()
    mark.unlink()
    try:
        yield
    finally:
        mark.write_bytes(text)


@contextlib.contextmanager
def left_by_another_run(place: Place) -> Iterator[None]:
    """A run that died has left a folder on the scratch server."""
    folder = place.lab.host(SCRATCH).files.resolve(r"D:\Drill\20200101-000000-abcdef")
    folder.mkdir()
    (folder / "left.mdf").write_bytes(b"left")
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def broker_is_off(place: Place) -> Iterator[None]:
    """What attaching leaves of a site's database."""
    database = place.lab.machines["PR2"].site_databases["PR2"]
    database.set_option("broker", "0")
    try:
        yield
    finally:
        database.set_option("broker", "1")


@contextlib.contextmanager
def a_key_is_missing(place: Place) -> Iterator[None]:
    """One of the keys that a site has."""
    registry = place.lab.host("PR2").registry
    path = r"HKLM\SOFTWARE\Wow6432Node\Microsoft\NAL"
    kept = list(registry.tree(path))
    assert kept
    registry.delete(path)
    try:
        yield
    finally:
        for key in kept:
            registry.make(key.path)
            for value in key.values.values():
                registry.set(key.path, value.name, value.type, value.data)


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
