"""Every way to damage a set: a drill fails at the right check, with the right exit code, and leaves nothing behind.

The first group is seen by the hashes. In the second every hash is right, as if the backup had been made like that: what is
wrong shows only when the set is brought up and asked.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sitekeeper.cli.main import main
from sitekeeper.store.format import manifest_file
from sitekeeper_lab.sql.site_schema import status_message

from .conftest import Night, edited, rehashed

CM = "SiteServer/SMSServer"
MDF, LDF = "SiteDBServer/CM_PR2.mdf", "SiteDBServer/CM_PR2_log.ldf"
SETUP = f"{CM}/CD.Latest/SMSSETUP/BIN/X64/setup.exe"


class Way(NamedTuple):
    """A way to damage a set, and what a drill says of it."""

    damage: Callable[[Path, Night], None]
    module: str
    """Where the drill fails."""
    said: str
    site: str = "PR2"
    code: int = 10


def _flipped(file: str) -> Callable[[Path, Night], None]:
    def damage(folder: Path, _: Night) -> None:
        path = folder / file
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)

    return damage


def _cut(folder: Path, _: Night) -> None:
    path = folder / LDF
    path.write_bytes(path.read_bytes()[:-1])


def _missing(folder: Path, _: Night) -> None:
    (folder / MDF).unlink()


def _stray(folder: Path, _: Night) -> None:
    (folder / "SiteDBServer" / "other.mdf").write_bytes(b"x")


def _link(folder: Path, _: Night) -> None:
    path = folder / MDF
    path.rename(folder.parent / "aside.mdf")
    path.symlink_to(folder.parent / "aside.mdf")


def _manifest_changed(folder: Path, _: Night) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"consistency": "writer"', '"consistency": "crash"'))


def _manifest_of_another(folder: Path, night: Night) -> None:
    other = night.set_of("PR1", "snapshot")
    for name in ("manifest.json", "manifest.sha256"):
        shutil.copy(other / name, folder / name)


def _no_sum(folder: Path, _: Night) -> None:
    (folder / "manifest.sha256").unlink()


def _no_folder(folder: Path, _: Night) -> None:
    shutil.rmtree(folder / CM / "srvacct")


def _cut_registry(folder: Path, _: Night) -> None:
    path = min((folder / "SiteServer" / "Registry").iterdir())
    path.write_bytes(path.read_bytes()[:-40])


BY_HASH = {
    "a byte of the database": Way(_flipped(MDF), "store.get", "CM_PR2.mdf"),
    "a byte of a program": Way(_flipped(SETUP), "store.get", "setup.exe"),
    "a log cut short": Way(_cut, "store.get", "CM_PR2_log.ldf"),
    "a file that is gone": Way(_missing, "store.get", "CM_PR2.mdf"),
    "a file too many": Way(_stray, "store.get", "other.mdf"),
    "a link in a file's place": Way(_link, "store.get", "CM_PR2.mdf"),
    "a changed manifest": Way(_manifest_changed, "store.get", "manifest.json"),
    "the manifest of another set": Way(_manifest_of_another, "store.get", "PR1-"),
    "a manifest without its sum": Way(_no_sum, "store.get", "manifest"),
    "a folder that is gone": Way(_no_folder, "store.get", "srvacct"),
    "a registry export cut short": Way(_cut_registry, "store.get", "Registry"),
}


def _swapped(folder: Path, source: Path, *names: tuple[str, str]) -> None:
    for mine, theirs in names:
        shutil.copy(source / theirs, folder / mine)
    rehashed(folder, *(mine for mine, _ in names))


def _another_site(folder: Path, night: Night) -> None:
    other = night.set_of("PR1", "snapshot")
    _swapped(folder, other, (MDF, "SiteDBServer/SMS_PR1.mdf"), (LDF, "SiteDBServer/SMS_PR1_log.ldf"))


def _another_instant(folder: Path, _: Night) -> None:
    with closing(sqlite3.connect(folder / MDF)) as data:
        days_ago = (
            (datetime.now(UTC) - timedelta(days=3)).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        )
        data.execute("UPDATE StatusMessages SET Time = ?", (days_ago,))
        data.commit()
    rehashed(folder, MDF)


def _message(age: timedelta, site: str, machine: str, module: str = "SMS Server") -> Callable[[Path, Night], None]:
    """One more status message, stamped by its sender's clock; the site was backed up just now."""

    def add(folder: Path, _: Night) -> None:
        at = (datetime.now(UTC) - age).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        with closing(sqlite3.connect(folder / MDF)) as data:
            status_message(data, at, 4711, site, machine, module)
            data.commit()
        rehashed(folder, MDF)

    return add


def _newer_database(folder: Path, _: Night) -> None:
    edited(
        folder, lambda data: data.update(taken_at=(datetime.now(UTC) - timedelta(hours=20)).isoformat(), offline=None)
    )


def _two_snapshots(folder: Path, night: Night) -> None:
    other = night.set_of("PR2", "task")
    _swapped(folder, other, (LDF, "PR2Backup/SiteDBServer/CM_PR2_log.ldf"))


def _registry_files(folder: Path) -> list[str]:
    return [f"SiteServer/Registry/{one.name}" for one in sorted((folder / "SiteServer" / "Registry").iterdir())]


def _registry_of_another_night(folder: Path, _: Night) -> None:
    def edit(data: dict[str, Any]) -> None:
        for entry in data["entries"]:
            if entry["file"].startswith("SiteServer/Registry/"):
                entry["modified"] -= 3 * 24 * 3600 * 10_000_000

    edited(folder, edit)


def _registry_of_another_site(folder: Path, _: Night) -> None:
    files = _registry_files(folder)
    for name in files:
        text = (folder / name).read_bytes().decode("utf-16")
        (folder / name).write_bytes(text.replace('"Site Code"="PR2"', '"Site Code"="PR7"').encode("utf-16"))
    rehashed(folder, *files)


def _another_build(folder: Path, _: Night) -> None:
    data = (folder / SETUP).read_bytes()
    at = data.index(b"\xbd\x04\xef\xfe") + 12
    (folder / SETUP).write_bytes(data[:at] + (9000 << 16 | 1000).to_bytes(4, "little") + data[at + 4 :])
    rehashed(folder, SETUP)


def _without(prefix: str) -> Callable[[Path, Night], None]:
    """A part that was excluded from the backup."""

    def damage(folder: Path, _: Night) -> None:
        gone = folder / prefix
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

        def edit(data: dict[str, Any]) -> None:
            data["entries"] = [
                one for one in data["entries"] if one["file"] != prefix and not one["file"].startswith(f"{prefix}/")
            ]
            kept = [one for one in data["entries"] if one["kind"] == "file"]
            data |= {"files": len(kept), "bytes": sum(one["size"] for one in kept)}

        edited(folder, edit)

    return damage


def _control_file_of_another(folder: Path, _: Night) -> None:
    name = f"{CM}/inboxes/sitectrl.box/sitectrl.ct0"
    text = (folder / name).read_bytes().decode("utf-16")
    (folder / name).write_bytes(text.replace("<PR1>", "<PR8>").encode("utf-16"))
    rehashed(folder, name)


def _service_ran(folder: Path, _: Night) -> None:
    def edit(data: dict[str, Any]) -> None:
        data["after"][0] |= {"state": "Running", "pid": 4711}

    edited(folder, edit)


def _rebooted(folder: Path, _: Night) -> None:
    def edit(data: dict[str, Any]) -> None:
        for one in data["after"]:
            one["boot"] = "20260101000000.000000+000"

    edited(folder, edit)


def _nobody_watched(folder: Path, _: Night) -> None:
    edited(folder, lambda data: data.update(before=data["before"][:1], after=data["after"][:1]))


def _not_one_instant(folder: Path, _: Night) -> None:
    edited(folder, lambda data: data.update(consistency="separate"))


def _bak_in_its_place(folder: Path, _: Night) -> None:
    (folder / MDF).write_bytes(b"TAPE\0\0\3\0" + (folder / MDF).read_bytes())
    rehashed(folder, MDF)


def _torn_page(folder: Path, _: Night) -> None:
    """A page inside the filling: the server starts the database, CHECKDB reads it."""
    data = bytearray((folder / MDF).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 512] = bytes(512)
    (folder / MDF).write_bytes(data)
    rehashed(folder, MDF)


def _changed_row(statement: str) -> Callable[[Path, Night], None]:
    def damage(folder: Path, _: Night) -> None:
        with closing(sqlite3.connect(folder / MDF)) as data:
            data.execute(statement)
            data.commit()
        rehashed(folder, MDF)

    return damage


def _collation(folder: Path, _: Night) -> None:
    def edit(data: dict[str, Any]) -> None:
        data["database"]["collation"] = "Latin1_General_BIN"

    edited(folder, edit)


def _nobody(folder: Path, _: Night) -> None:
    def edit(data: dict[str, Any]) -> None:
        data["machine"]["guid"] = ""

    edited(folder, edit)


def _three_days_old(folder: Path, _: Night) -> None:
    """Honestly old: nothing in it contradicts anything else."""

    def edit(data: dict[str, Any]) -> None:
        ago = timedelta(days=3)
        data["taken_at"] = (datetime.fromisoformat(data["taken_at"]) - ago).isoformat()
        data["offline"]["started"] = (datetime.fromisoformat(data["offline"]["started"]) - ago).isoformat()
        for entry in data["entries"]:
            if entry["file"].startswith("SiteServer/Registry/"):
                entry["modified"] -= 3 * 24 * 3600 * 10_000_000

    edited(folder, edit)
    _another_instant(folder, _)


WITH_RIGHT_HASHES = {
    "the database of another site": Way(_another_site, "site.examine", "of another site"),
    "the database of another night": Way(_another_instant, "site.examine", "instant: "),
    "a database newer than its set": Way(_newer_database, "site.examine", "newer than its set"),
    "data and log of two snapshots": Way(_two_snapshots, "sql.attach", "cannot start a database from the files"),
    "the registry of another night": Way(
        _registry_of_another_night, "site.examine", "not written during the offline window"
    ),
    "the registry of another site": Way(_registry_of_another_site, "site.examine", "exports of PR7"),
    "CD.Latest of another build": Way(_another_build, "site.examine", "CD.Latest: its setup is 5.0.9000.1000"),
    "no CD.Latest": Way(_without(f"{CM}/CD.Latest"), "site.examine", "CD.Latest: it is not in the set"),
    "the control file of another site": Way(
        _control_file_of_another, "site.examine", "does not contain the site code PR1", "PR1"
    ),
    "no control file": Way(_without(f"{CM}/inboxes/sitectrl.box/sitectrl.ct0"), "site.examine", "control file:", "PR1"),
    "a window that was broken": Way(_service_ran, "site.examine", "window: the site was not offline"),
    "a restart inside the window": Way(_rebooted, "site.examine", "restarted"),
    "a service that nobody watched": Way(_nobody_watched, "site.examine", "window: the state of"),
    "not of one instant": Way(_not_one_instant, "site.examine", "own consistency is: separate"),
    "an excluded folder": Way(_without(f"{CM}/srvacct"), "site.examine", "layout: missing: srvacct"),
    "an excluded log": Way(_without(LDF), "sql.attach", "cannot start a database from the files"),
    "a .bak in the database's place": Way(_bak_in_its_place, "sql.attach", "cannot start a database from the files"),
    "a torn page": Way(_torn_page, "sql.checkdb", "CHECKDB found"),
    "a site that is missing in the database": Way(
        _changed_row("DELETE FROM Packages"), "site.examine", "v_Package: 0, was 1"
    ),
    "a database of another version": Way(
        _changed_row("UPDATE Sites SET Version = '5.00.9106.1000'"),
        "site.examine",
        "version: the database has version 5.00.9106",
    ),
    "a database of another parent": Way(
        _changed_row("UPDATE Sites SET ReportToSite = 'CAS'"), "site.examine", "its parent is CAS"
    ),
    "another collation": Way(_collation, "site.examine", "collation: "),
    "a machine without identity": Way(_nobody, "site.examine", "identity: ", "PR1"),
    "a set of last week": Way(_three_days_old, "site.examine", "age: 7", code=1),
}
WAYS = BY_HASH | WITH_RIGHT_HASHES


def test_there_are_enough_of_them() -> None:
    assert len(WAYS) >= 30
    assert len(WITH_RIGHT_HASHES) >= 10


@pytest.mark.parametrize("name", WAYS)
def test_a_drill_of_it_fails_at_the_right_check(night: Night, name: str) -> None:
    way = WAYS[name]
    folder = night.set_of(way.site, "snapshot")
    way.damage(folder, night)
    outcome = night.drill(way.site, "snapshot", "-e", f"set={folder.name}")
    told = outcome.error(way.site) if outcome.code else ""
    assert (outcome.code, night.failed_task(outcome)) == (way.code, way.module), told
    assert way.said in told
    marks = folder / "marks.json"
    if not name.startswith("a changed manifest") and folder.is_dir() and marks.is_file():
        drilled = json.loads(marks.read_text())["drilled"]
        assert drilled is None or way.code != 1, "a set that is merely old is no bad one"
        assert drilled is None or drilled["result"] == "failed"


@pytest.mark.parametrize("name", WITH_RIGHT_HASHES)
def test_what_a_drill_found_no_restore_takes(night: Night, name: str) -> None:
    way = WITH_RIGHT_HASHES[name]
    folder = night.set_of(way.site, "snapshot")
    way.damage(folder, night)
    assert night.drill(way.site, "snapshot", "-e", f"set={folder.name}").code == way.code
    before = len(night.audit("change", way.site))
    outcome = night.restore(way.site, "-e", f"set={folder.name}")
    task = night.failed_task(outcome)
    assert (outcome.code, task) in {(10, "site.examine"), (11, "site.target")}
    if way.code == 10:
        said = outcome.error(way.site)
        assert "is not fit for a restore" in said or "the last drill of" in said
    assert [line for line in night.audit("change", way.site)[before:] if line["kind"] != "event"] == []


@pytest.mark.parametrize("name", BY_HASH)
def test_a_restore_of_it_is_refused_before_anything_is_changed(night: Night, name: str) -> None:
    way = WAYS[name]
    folder = night.set_of(way.site, "snapshot")
    way.damage(folder, night)
    before = len(night.audit("change", way.site))
    outcome = night.restore(way.site, "-e", f"set={folder.name}")
    assert (outcome.code, night.failed_task(outcome)) == (way.code, way.module)
    assert [line for line in night.audit("change", way.site)[before:] if line["kind"] != "event"] == []


@pytest.mark.parametrize("site", ["PR1", "PR2"])
@pytest.mark.parametrize("kind", ["snapshot", "task"])
def test_a_sound_set_passes(night: Night, site: str, kind: str) -> None:
    before = {name: len(night.audit(name, site)) for name in ("request", "sql")}
    outcome = night.drill(site, kind)
    assert outcome.code == 0, outcome.error(site)
    facts = outcome.host(site)["summary"]
    assert facts["restore_seconds"] > 0
    assert facts["predicted_seconds_of_all"] > 0
    assert {name: len(night.audit(name, site)) for name in before} == before, "the site was asked something"
    drilled = json.loads((night.set_of(site, kind) / "marks.json").read_text())["drilled"]
    assert drilled["result"] == "ok"
    assert manifest_file.read(night.set_of(site, kind)).kind == kind


AHEAD = timedelta(minutes=-20)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (_message(AHEAD, "PR9", "PR9.lab.example"), "ok"),
        (_message(AHEAD, "PR2", "DP1.lab.example"), "ok"),
        (_message(AHEAD, "PR2", "PR2.lab.example", "SMS Client"), "ok"),
        (_message(AHEAD, "PR2", "PR22"), "ok"),
        (_message(AHEAD, "PR2", "PR2.lab.example"), "warning"),
        (_message(AHEAD, "PR2", "pr2"), "warning"),
    ],
    ids=["a child", "another site system", "a client", "a longer name", "the site server", "its NetBIOS name"],
)
def test_a_message_of_a_clock_that_is_ahead_makes_no_set_a_bad_one(
    night: Night, message: Callable[[Path, Night], None], status: str
) -> None:
    folder = night.set_of("PR2", "snapshot")
    message(folder, night)
    outcome = night.drill("PR2", "snapshot")
    assert outcome.code == 0, outcome.error("PR2")
    checks = [one for line in outcome.events for one in line.get("checks", ()) if one["name"] == "instant"]
    assert [one["status"] for one in checks] == [status], checks
    assert json.loads((folder / "marks.json").read_text())["drilled"]["result"] == "ok"


@pytest.mark.parametrize("ahead", ["PR9", "PR2"])
def test_a_message_of_a_clock_that_is_ahead_hides_no_old_database(night: Night, ahead: str) -> None:
    """Neither a child's, nor one of the site server itself."""
    folder = night.set_of("PR2", "snapshot")
    _another_instant(folder, night)
    _message(AHEAD, ahead, ahead)(folder, night)
    outcome = night.drill("PR2", "snapshot")
    assert outcome.code == 10
    assert "instant: " in outcome.error("PR2")
    assert "older than its set" in outcome.error("PR2")


@pytest.mark.parametrize(("kind", "code"), [("task", 0), ("snapshot", 10)])
def test_row_counts_are_held_against_what_was_counted_in_its_window_only(night: Night, kind: str, code: int) -> None:
    """The site of a task runs again when its rows are counted: it may have got a package more by then."""

    def edit(data: dict[str, Any]) -> None:
        data["row_counts"]["v_Package"] += 1

    folder = night.set_of("PR2", kind)
    edited(folder, edit)
    outcome = night.drill("PR2", kind)
    assert outcome.code == code, outcome.error("PR2")
    checks = [one for line in outcome.events for one in line.get("checks", ()) if one["name"] == "row counts"]
    assert [one["status"] for one in checks] == ["failed" if code else "warning"]
    assert "v_Package: 1, was 2" in checks[0]["said"]
    marks = json.loads((folder / "marks.json").read_text())
    assert marks["drilled"]["result"] == ("failed" if code else "ok")


def test_a_newer_set_that_is_no_good_one_is_passed_over_aloud(night: Night, tmp_path: Path) -> None:
    """The newest set's manifest was changed: a drill says so beside what it found, a restore wants a set by its id."""
    older, newest = night.set_of("PR2", "snapshot"), night.set_of("PR2", "task")
    assert newest.name > older.name
    (newest / "manifest.json").write_text("{}")
    out = tmp_path / "evidence"
    assert night.drill("PR2", "snapshot", "--evidence", str(out)).code == 0
    (file,) = out.glob("*.html")
    assert f"skipped: {newest.name}" in file.read_text()
    before = len(night.audit("change", "PR2"))
    outcome = night.restore("PR2")
    assert (outcome.code, night.failed_task(outcome)) == (10, "store.get")
    assert f"-e set={older.name}" in outcome.error("PR2")
    assert [line for line in night.audit("change", "PR2")[before:] if line["kind"] != "event"] == []
    outcome = night.restore("PR2", "-e", f"set={older.name}")
    assert night.failed_task(outcome) == "site.target", "a set that is named is taken; the site still runs"


def test_a_rollback_makes_no_failed_drill_a_success(night: Night) -> None:
    folder = night.set_of("PR2", "snapshot")
    _torn_page(folder, night)
    assert night.drill("PR1,PR2", "snapshot", "-e", "oldest=99d").code == 10
    runs, out = str(night.root / "runs"), night.root / "evidence"
    (run,) = [one.name for one in (night.root / "runs").iterdir() if (one / "journal.db").is_file()]
    assert main(["rollback", run, "--runs", runs]) == 0
    assert main(["evidence", run, "--out", str(out), "--runs", runs]) == 0
    told = json.loads((out / f"evidence-{run}.json").read_text())
    assert (told["passed"], told["exit_code"], [one["exit_code"] for one in told["rollbacks"]]) == (False, 10, [0])
    assert {site["name"]: site["status"] for site in told["subjects"]} == {"PR1": "ok", "PR2": "failed"}
    assert any("CHECKDB found" in site["error"] for site in told["subjects"])


def test_a_run_in_which_no_site_had_its_turn_proved_nothing(night: Night) -> None:
    """PR1 was never drilled and waits longest; the run is limited to the other."""
    out = night.root / "evidence"
    outcome = night.drill("PR2", "snapshot", "-e", "drill_sample=1", "--evidence", str(out))
    assert outcome.code == 0
    (file,) = out.glob("*.json")
    told = json.loads(file.read_text())
    assert (told["passed"], told["limit"], [one["status"] for one in told["subjects"]]) == (False, "PR2", ["skipped"])
    assert not (night.set_of("PR2", "snapshot") / "marks.json").exists()
