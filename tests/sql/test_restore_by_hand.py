"""Push, attach, check, throw away: the steps of a drill, each judged by what is on the scratch server's disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import SqlError
from sitekeeper.sql.server.attached import explain_refusal

from .conftest import ATTACHING, CHECKING, NAME, SCRATCH, Drill, MakeDrill, copied, facts, pushing

SAY: dict[str, Any] = {"core.debug": {"msg": "{{ made.name }}|{{ made.bytes }}|{{ made.files | length }}"}}
SETTINGS: dict[str, Any] = {"sql.settings": {"on": SCRATCH, "name": "{{ made.name }}"}, "register": "settings"}
SETTLED: dict[str, Any] = {
    "core.assert": {"that": ["{{ settings.wrong | length == 0 }}", "{{ settings.copy_of_ours }}"]}
}


def tear(path: Path) -> None:
    """Half a page of the big table is another write's; in place, since the site may be writing beside it."""
    with path.open("r+b") as file:
        at = file.seek(-20_000, os.SEEK_END)
        half = file.read(512)
        file.seek(at)
        file.write(bytes(value ^ 0x5A for value in half))


@pytest.mark.parametrize("site", ["PR2", "PR1", "CEN"])
def test_every_sites_database_attaches_is_sound_and_goes_again(drill: MakeDrill, site: str) -> None:
    here = drill(site)
    files = here.files(site)
    attach = {**ATTACHING, "sql.attach": {**ATTACHING["sql.attach"], "name": f"sk_{site}_{{{{ run.id }}}}"}}
    scratch = {"sql.scratch": {"on": SCRATCH, "bytes": sum(one["size"] for one in files)}}
    outcome = here.play([scratch, pushing(here.root / "got", files), attach, CHECKING, SETTINGS, SETTLED], site=site)
    assert outcome.code == 0, outcome.events
    here.assert_nothing_left()
    here.assert_site_never_asked(site)
    told = [event for event in outcome.events if event.get("event") == "TaskEnded"]
    assert any("MiB/s" in str(event) for event in told)


def test_check_mode_changes_nothing(drill: MakeDrill) -> None:
    here = drill()
    outcome = here.play([pushing(here.root / "got", here.files()), ATTACHING, CHECKING], "--check")
    assert outcome.code == 0, outcome.events
    here.assert_nothing_left()
    assert here.audit("change", SCRATCH) == []


def test_a_torn_page_is_found_by_checkdb_alone(drill: MakeDrill) -> None:
    here = drill()
    files = here.files()
    tear(here.root / "got" / files[0]["file"])
    files[0] |= facts(here.root / "got" / files[0]["file"])
    outcome = here.play([pushing(here.root / "got", files), ATTACHING, CHECKING])
    assert outcome.code == 10
    assert "DBCC CHECKDB found" in outcome.error("PR2")
    assert "8928" in outcome.error("PR2")
    here.assert_nothing_left()


def test_a_checkdb_that_never_ends_ends_with_its_deadline(drill: MakeDrill) -> None:
    here = drill()
    here.lab.fault(SCRATCH, "sql_statement", kind="checkdb", do="hang")
    outcome = here.play([pushing(here.root / "got", here.files()), ATTACHING, {**CHECKING, "deadline": "4s"}])
    assert outcome.code == 7, outcome.events
    here.assert_nothing_left()


def test_files_of_different_instants_are_no_set(drill: MakeDrill) -> None:
    here = drill()
    files = here.files()
    database = here.lab.machines["PR2"].site_databases["PR2"]
    database.insert_traffic("later")
    log = next(one for one in files if one["kind"] == "log")
    shutil.copy(database.log.path, here.root / "got" / log["file"])
    log |= facts(here.root / "got" / log["file"])
    outcome = here.play([pushing(here.root / "got", files), ATTACHING])
    assert outcome.code == 10
    assert "this server cannot start a database from the files" in outcome.error("PR2")
    here.assert_nothing_left()


def test_a_file_that_is_not_what_the_set_says_never_becomes_a_database(drill: MakeDrill) -> None:
    here = drill()
    files = here.files()
    path = here.root / "got" / files[0]["file"]
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    outcome = here.play([pushing(here.root / "got", files), ATTACHING])
    assert outcome.code == 10
    assert "SHA-256" in outcome.error("PR2")
    here.assert_nothing_left()


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_push_goes_on_where_the_connection_was_lost(
    drill: MakeDrill, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr("sitekeeper.windows.files.sending.CHUNK", 300_000)
    here = drill()
    files = here.files()
    here.lab.fault(SCRATCH, "drop_connection", operation="Send", when=when)
    outcome = here.play([pushing(here.root / "got", files), ATTACHING, CHECKING])
    assert outcome.code == 0, outcome.events
    written = [line for line in here.calls(SCRATCH) if line["command"] == "Write-SkWorkFile"]
    chunks = sum(-(-one["size"] // 300_000) for one in files)
    assert chunks <= len(written) <= chunks + 1
    assert len({line["shell"] for line in here.audit("request", SCRATCH) if line["shell"]}) > 1, (
        "no connection was lost"
    )
    here.assert_nothing_left()


def test_a_full_disk_says_so(drill: MakeDrill) -> None:
    here = drill()
    here.lab.fault(SCRATCH, "disk_full", volume="D:")
    outcome = here.play([pushing(here.root / "got", here.files())])
    assert outcome.code == 9
    here.assert_nothing_left()


def test_an_attach_whose_answer_was_lost_is_dropped(drill: MakeDrill) -> None:
    here = drill()
    here.lab.fault(SCRATCH, "sql_statement", kind="attach", do="drop", at=100)
    outcome = here.play([pushing(here.root / "got", here.files()), ATTACHING])
    assert outcome.code == 5
    here.assert_nothing_left()


KILLED = """
import os, sys
from sitekeeper.sql import attach, restore
from sitekeeper.cli.main import main
from sitekeeper.engine.errors import SqlError
from sitekeeper.sql.attach import explain_refusal

def killed(*_):
    os._exit(9)

attach.prove_online = restore.prove_online = killed
main(sys.argv[1:])
"""


@pytest.mark.parametrize("how", ["rollback", "resume"])
def test_a_run_that_died_between_create_and_outcome_leaves_nothing(drill: MakeDrill, how: str) -> None:
    here = drill()
    tasks = [pushing(here.root / "got", here.files()), ATTACHING, CHECKING]
    playbook = here.root / "play.yml"
    playbook.write_text(yaml.safe_dump([{"name": "drill", "hosts": "PR2", "tasks": tasks}], sort_keys=False))
    runs = str(here.root / "runs")
    started = [sys.executable, "-c", KILLED, "run", str(playbook), "-i", str(here.inventory), "--runs", runs, "--json"]
    assert subprocess.run(started, check=False, capture_output=True, timeout=60).returncode == 9
    (run,) = [path.name for path in (here.root / "runs").iterdir() if (path / "journal.db").is_file()]
    assert here.databases == {f"sk_PR2_{run}"}
    assert main([how, run, "--runs", runs]) == 0
    here.assert_nothing_left()
    here.assert_site_never_asked()


def test_only_names_with_the_runs_own_mark_are_made_or_dropped(drill: MakeDrill) -> None:
    here = drill()
    files = here.files()
    for name in ("CM_PR2", "sk_PR2_20200101-000000-abcd", "sk_PR2_{{ run.id }}x"):
        wrong = {**ATTACHING, "sql.attach": {**ATTACHING["sql.attach"], "name": name}}
        assert here.play([pushing(here.root / "got", files), wrong]).code == 2
        assert here.play([{"sql.drop": {"on": SCRATCH, "name": name}}]).code == 2
    here.assert_nothing_left()
    drop = {"sql.drop": {"on": SCRATCH, "name": NAME}}
    assert here.play([pushing(here.root / "got", files), ATTACHING, drop, drop]).code == 0
    here.assert_nothing_left()


def bak_of(here: Drill, *, torn: bool = False, name: str = "one.bak") -> list[dict[str, Any]]:
    """A backup of the site's database, as its SQL Server writes it, on the control host."""
    machine = here.lab.machines["PR2"]
    assert machine.sql is not None
    source = machine.site_databases["PR2"]
    if torn:
        tear(source.mdf.path)
    outcome = here.play(
        [
            {"sql.backup": {"database": source.name}, "register": "bak", "undo": "never"},
            {"core.debug": {"msg": "{{ bak.path }}"}},
        ]
    )
    assert outcome.code == 0, outcome.events
    (found,) = machine.host.files.resolve("E:\\Backup").glob("*/sk_CM_PR2.bak")
    folder = here.root / "got"
    folder.mkdir(exist_ok=True)
    shutil.copy(found, folder / name)
    return [{"file": name, "name": name, "kind": "backup", **facts(folder / name)}]


def with_work_dir(data: dict[str, Any]) -> None:
    data["hosts"]["PR2"]["sql_work_dir"] = "E:\\Backup"


RESTORING: dict[str, Any] = {
    "sql.restore": {"on": SCRATCH, "name": NAME, "backup": "{{ pushed.files[0] }}"},
    "undo": "play",
    "register": "made",
}


def test_a_copy_only_backup_restores_elsewhere(drill: MakeDrill) -> None:
    here = drill(change=with_work_dir)
    outcome = here.play([pushing(here.root / "got", bak_of(here)), RESTORING, CHECKING, SETTINGS, SETTLED])
    assert outcome.code == 0, outcome.events
    here.assert_nothing_left()
    instance = here.lab.machines["PR2"].instance
    assert instance is not None
    assert [(one.copy_only, one.checksums) for one in instance.backups] == [(True, True)]


def test_a_torn_page_passes_the_backups_own_proof_and_fails_checkdb(drill: MakeDrill) -> None:
    here = drill(change=with_work_dir)
    outcome = here.play([pushing(here.root / "got", bak_of(here, torn=True)), RESTORING, CHECKING])
    assert outcome.code == 10
    assert "DBCC CHECKDB" in outcome.error("PR2")
    here.assert_nothing_left()


def test_what_is_no_backup_is_refused_before_a_database_is_made(drill: MakeDrill) -> None:
    here = drill()
    files = here.files()
    files[0]["kind"] = "backup"
    outcome = here.play([pushing(here.root / "got", files[:1]), RESTORING])
    assert outcome.code == 10
    assert "is not a complete backup" in outcome.error("PR2")
    here.assert_nothing_left()


@pytest.mark.parametrize(("do", "code"), [("io_error", 10), ("disk_full", 8), ("drop", 5)])
def test_a_restore_that_ends_half_way_leaves_nothing(drill: MakeDrill, do: str, code: int) -> None:
    here = drill(change=with_work_dir)
    backup = bak_of(here)
    here.lab.fault(SCRATCH, "sql_statement", kind="restore", do=do, at=50)
    outcome = here.play([pushing(here.root / "got", backup), RESTORING])
    assert outcome.code == code
    here.assert_nothing_left()


def test_a_backup_that_ends_half_way_fails_and_is_deleted(drill: MakeDrill) -> None:
    here = drill(change=with_work_dir)
    here.lab.fault("PR2", "sql_statement", kind="backup", do="disk_full", at=70)
    outcome = here.play([{"sql.backup": {"database": "CM_PR2"}}])
    assert outcome.code == 8
    folder = here.lab.host("PR2").files.resolve("E:\\Backup")
    assert [path.name for path in folder.iterdir()] == ["sitekeeper-work.txt"]


def test_settings_of_a_drills_copy_are_never_set(drill: MakeDrill) -> None:
    here = drill()
    setting = {"sql.settings": {"on": SCRATCH, "name": "{{ made.name }}", "set": True}}
    with_trust = {"sql.settings": {"name": "CM_PR2"}, "register": "settings"}
    show = {"core.assert": {"that": ["{{ settings.wrong | length == 0 }}"]}}
    database = here.lab.machines["PR2"].site_databases["PR2"]
    database.set_option("trustworthy", "0")
    outcome = here.play([with_trust, show])
    assert outcome.code == 1
    assert here.play([{"sql.settings": {"name": "CM_PR2", "set": True}}, with_trust, show]).code == 0
    assert database.options()["trustworthy"] == "1"
    outcome = here.play([pushing(here.root / "got", here.files()), ATTACHING, setting])
    assert outcome.code == 0  # what it must be, trust and broker off, it is: nothing to set


def test_the_copies_pass_the_files_through_unchanged(drill: MakeDrill) -> None:
    here = drill()
    files = here.files()
    keep = {**pushing(here.root / "got", files), "undo": "never"}
    assert here.play([keep]).code == 0
    (folder,) = [path for path in here.work.iterdir() if path.is_dir()]
    assert {path.name: facts(path) for path in folder.iterdir()} == {
        one["name"]: {"size": one["size"], "sha256": one["sha256"]} for one in files
    }
    source = here.lab.machines["PR2"].site_databases["PR2"]
    assert copied(source, here.root / "again")[0]["size"] == files[0]["size"]
    with sqlite3.connect(f"file:{folder / files[0]['name']}?mode=ro", uri=True) as data:
        assert data.execute("SELECT SiteCode FROM Sites").fetchone()[0] == "PR2"


@pytest.mark.parametrize(
    ("number", "word", "blames"),
    [(9003, "integrity", "set"), (5173, "integrity", "set"), (1813, "integrity", ""), (5120, "sql", "")],
)
def test_a_set_is_blamed_only_where_the_server_says_that_its_files_are_wrong(
    number: int, word: str, blames: str
) -> None:
    """1813 alone comes of whatever keeps a server from starting a database."""
    error = explain_refusal(SqlError("it does not start", number=number), "sk_PR2_x")
    assert (error.word, error.blames) == (word, blames)
