"""``store.get`` and ``store.mark``: what a drill is given, and that nothing of it stays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pyrage
import pytest
from tests.store.good_set import database, published

from sitekeeper.engine.errors import IntegrityError, PreflightError, SecretError, UsageError
from sitekeeper.engine.plan import Plan
from sitekeeper.engine.secrets import inline
from sitekeeper.model.site import Machine
from sitekeeper.model.store import ExtractedSet
from sitekeeper.store.format import catalogue, manifest_file, marks_file
from sitekeeper.store.format.manifest_file import Entry
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.get import Get, GetIntent, GetParams
from sitekeeper.store.keeping import extract
from sitekeeper.store.mark import Mark, MarkParams

from .conftest import Kit


@pytest.fixture
def key() -> Any:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def ctx(kit: Kit, store: Folder, tmp_path: Path, key: Any) -> Any:
    made = kit.Context(None)
    made.vars = {
        "store": str(store.root),
        "store_work": str(tmp_path / "work"),
        "store_identity": inline(str(key), "vault:3"),
    }
    return made


def sealing(key: Any) -> dict[str, Any]:
    return {"store_compress": "zstd", "store_recipients": [str(key.to_public())]}


def intent_of(plan: Plan[GetIntent, ExtractedSet]) -> GetIntent:
    assert isinstance(plan.intent, GetIntent)
    return plan.intent


def test_a_plain_set_is_used_where_it_lies(kit: Kit, store: Folder, ctx: Any) -> None:
    folder = published(kit, store)
    module, params = Get(), GetParams(set="PR1-000007")
    plan = module.plan(ctx, params)
    got = module.apply(ctx, params, plan)
    assert (got.folder, got.changed, got.kind, got.site, got.product) == (str(folder), False, "snapshot", "PR1", "2007")
    assert (got.machine.name, got.database == database(), got.install_dir) == ("PR1", True, "D:\\SMS")
    assert got.registry == ("SiteServer/Registry/nal.native.reg", "SiteServer/Registry/sms.native.reg")
    assert [(one.file, one.name, one.logical, one.size) for one in got.database_files] == [
        ("SiteDBServer/CM.mdf", "CM.mdf", "CM.mdf", 4),
        ("SiteDBServer/CM.ldf", "CM.ldf", "CM.ldf", 4),
    ]
    assert got.database_files[0].sha256 == hashlib.sha256(b"data").hexdigest()
    assert Get().in_place(ctx, intent_of(plan), got, 0)
    assert Get().undo(ctx, intent_of(plan), got) == "PR1-000007 was used in place"
    assert folder.is_dir()


def test_a_sealed_set_is_unpacked_and_goes_again(kit: Kit, store: Folder, ctx: Any, tmp_path: Path, key: Any) -> None:
    published(kit, store, 7, sealing(key))
    module, params = Get(), GetParams(set="PR1", files=("database", "registry"))
    plan = module.plan(ctx, params)
    assert not (tmp_path / "work").exists()  # a plan makes nothing
    got = module.apply(ctx, params, plan)
    folder = Path(got.folder)
    assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path / "work", 0o700)
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert found == {*(one.file for one in got.database_files), *got.registry}
    assert (folder / "SiteDBServer/CM.mdf").read_bytes() == b"data"
    assert ctx.told[-1] > 0
    # The outcome and the intent come back from the journal.
    assert ExtractedSet.model_validate_json(got.model_dump_json()) == got
    intent = GetIntent.model_validate_json(intent_of(plan).model_dump_json())
    assert Get().in_place(ctx, intent, got, 0)
    assert Get().undo(ctx, intent, None) == f"{folder} deleted"
    assert Get().undo(ctx, intent, got) == f"{folder} is not there"
    assert list((tmp_path / "work").iterdir()) == []
    assert not Get().in_place(ctx, intent, got, 0)


def test_undo_deletes_what_a_killed_process_had_unpacked(kit: Kit, store: Folder, ctx: Any, key: Any) -> None:
    published(kit, store, 7, sealing(key))
    plan = Get().plan(ctx, GetParams(set="PR1"))
    half = extract.half_of(Path(intent_of(plan).folder))
    (half / "SiteDBServer").mkdir(parents=True)
    (half / "SiteDBServer" / "CM.mdf").write_bytes(b"da")
    assert Get().undo(ctx, intent_of(plan), None).endswith("deleted")
    assert list(half.parent.iterdir()) == []


def test_without_the_key_or_with_another_nothing_is_unpacked(kit: Kit, store: Folder, ctx: Any, key: Any) -> None:
    published(kit, store, 7, sealing(key))
    ctx.vars["store_identity"] = inline(str(pyrage.x25519.Identity.generate()), "vault:9")
    with pytest.raises(SecretError, match="vault:9 does not open it"):
        Get().plan(ctx, GetParams(set="PR1"))
    del ctx.vars["store_identity"]
    with pytest.raises(SecretError, match="needs the secret key") as told:
        Get().plan(ctx, GetParams(set="PR1"))
    assert str(key.to_public()) in str(told.value.hint)  # which key to look for
    assert str(key) not in told.value.render()


def test_no_room_to_unpack(kit: Kit, store: Folder, ctx: Any, key: Any, small_disk: Path) -> None:
    published(kit, store, 7, sealing(key))
    ctx.vars["store_work"] = str(small_disk)
    (small_disk / "filler").write_bytes(b"x" * 240 * 1024)
    module, params = Get(), GetParams(set="PR1")
    plan = module.plan(ctx, params)
    with pytest.raises(Exception, match="is full") as told:
        module.apply(ctx, params, plan)
    assert "store_work" in str(getattr(told.value, "hint", ""))
    assert [one.name for one in small_disk.iterdir()] == ["filler"]


def test_a_set_of_another_site_proves_nothing_of_this_one(kit: Kit, store: Folder, ctx: Any) -> None:
    published(kit, store, 7)
    assert Get().plan(ctx, GetParams(set="PR1-000007", site="pr1")).result.id == "PR1-000007"
    with pytest.raises(PreflightError, match="PR1-000007 is a set of PR1, not of PR2"):
        Get().plan(ctx, GetParams(set="PR1-000007", site="PR2"))


def test_which_set(kit: Kit, store: Folder, ctx: Any) -> None:
    published(kit, store, 7)
    published(kit, store, 8)
    seen = marks_file.DrillMark(at="x", run="r", result="failed")
    assert Get().plan(ctx, GetParams(set="PR1")).result.id == "PR1-000008"
    marks_file.change(store.path("PR1-000008"), lambda marks: marks.model_copy(update={"drilled": seen}))
    older = Get().plan(ctx, GetParams(set="PR1")).result  # one whose drill failed is no good set
    assert (older.id, older.passed_over) == ("PR1-000007", ("PR1-000008: its last drill failed (run r)",))
    assert older.msg.endswith("newer sets were skipped: PR1-000008: its last drill failed (run r)")
    assert [one.status for one in older.checks] == ["warning"]
    with pytest.raises(IntegrityError, match="PR1-000008: its last drill failed") as refused:
        Get().plan(ctx, GetParams(set="PR1", never_older=True))
    assert "-e set=PR1-000007" in str(refused.value.hint)
    named = Get().plan(ctx, GetParams(set="PR1-000007", never_older=True)).result
    assert (named.id, named.passed_over, named.checks) == ("PR1-000007", (), ())
    assert Get().plan(ctx, GetParams(set="PR1-000008")).result.id == "PR1-000008"  # but may be asked for
    for wanted, error, said in (
        (GetParams(set="PR1", kind="task"), UsageError, "no set of PR1 of kind task"),
        (GetParams(set="PR1-000007", kind="task"), UsageError, "is of kind snapshot"),
        (GetParams(set="QQQ"), UsageError, "no set of QQQ"),
        (GetParams(set="PR1", files=("nowhere",)), UsageError, "has nothing below 'nowhere'"),
        (GetParams(set="../PR1"), UsageError, "no set"),
    ):
        with pytest.raises(error, match=said):
            Get().plan(ctx, wanted)
    marks_file.change(store.path("PR1-000007"), lambda marks: marks.model_copy(update={"drilled": seen}))
    with pytest.raises(IntegrityError, match=r"PR1 has no good set: PR1-000008: its last drill failed"):
        Get().plan(ctx, GetParams(set="PR1"))


def test_database_files_of_the_task_are_known_by_their_bare_names(kit: Kit, store: Folder) -> None:
    manifest = manifest_file.read(published(kit, store))
    copied = tuple(
        Entry(
            kind="file",
            path=f"PR1Backup\\SiteDBServer\\{name}",
            file=f"PR1Backup/SiteDBServer/{name}",
            size=4,
            source="PR1:E:\\",
        )
        for name in ("cm.MDF", "CM.ldf", "other.ndf", "notes.txt")
    )
    dump = Entry(kind="file", path="x", file="PR1Backup/SiteServer/SMSbkSiteRegSMS.dat", size=1)
    other = Entry(kind="file", path="x", file="PR1Backup/SiteServer/SMSbkSiteRegNAL.dat", size=1)
    task = manifest.model_copy(update={"entries": (*copied, dump, other), "kind": "task"})
    assert extract.chosen(task, ["registry"]) == [dump, other]
    assert extract.chosen(task, ["database"]) == list(copied)
    assert extract.chosen(task, ["PR1Backup/SiteServer"]) == [dump, other]
    assert [(one.name, one.logical, one.kind) for one in extract.database_files(task)] == [
        ("cm.MDF", "CM.mdf", "data"),
        ("CM.ldf", "CM.ldf", "data"),
        ("other.ndf", "", "data"),
    ]


@pytest.mark.parametrize("kind", ["snapshot", "task"])
def test_the_primary_data_file_comes_first_whatever_its_name(
    kit: Kit, store: Folder, kind: Literal["snapshot", "task"]
) -> None:
    """An attach takes the first file for the primary one; entries of a set are sorted by name."""
    manifest = manifest_file.read(published(kit, store))
    made = database(("D:\\Data\\CM_PR2.mdf", "E:\\CM_PR2_log.ldf", "D:\\Data\\CM_PR2-2.ndf"))
    under = "PR1Backup/" if kind == "task" else ""
    names = ("CM_PR2-2.ndf", "CM_PR2.mdf", "CM_PR2_log.ldf", "CM_older.mdf")
    assert sorted(names) == list(names)
    entries = tuple(
        Entry(
            kind="file",
            path=f"{'' if name.endswith('.ldf') else 'Data'}\\{name}".lstrip("\\"),
            file=f"{under}SiteDBServer/{name}",
            size=4,
            source="PR1:E:\\" if name.endswith(".ldf") else "PR1:D:\\",
        )
        for name in names
    )
    changed = manifest.model_copy(update={"entries": entries, "kind": kind, "database": made})
    found = [one.name for one in extract.database_files(changed)]
    assert found == ["CM_PR2.mdf", "CM_PR2_log.ldf", "CM_PR2-2.ndf", "CM_older.mdf"]


def test_mark(kit: Kit, store: Folder, ctx: Any) -> None:
    folder = published(kit, store)
    for wanted in ("failed", "ok"):
        params = MarkParams.model_validate({"set": "PR1-000007", "drilled": wanted})
        assert Mark().apply(ctx, params, Mark().plan(ctx, params)).changed
        drilled = marks_file.read(folder)[0].drilled
        assert drilled is not None
        assert (drilled.run, drilled.result) == (kit.run, wanted)
    assert Mark().plan(ctx, MarkParams(set="PR1-000007", drilled="ok")).changes == ()
    with pytest.raises(UsageError, match="no set PR1-000009"):
        Mark().plan(ctx, MarkParams(set="PR1-000009", drilled="ok"))


def test_a_drill_of_the_backup_in_it_says_nothing_of_its_files(store: Folder, kit: Kit, ctx: Any) -> None:
    folder = published(kit, store)
    doubts = []
    for of_files, of_backup in (("failed", "ok"), ("ok", "failed")):
        for source, result in (("files", of_files), ("backup", of_backup)):
            wanted = MarkParams.model_validate({"set": "PR1-000007", "drilled": result, "source": source})
            Mark().apply(ctx, wanted, Mark().plan(ctx, wanted))
        marks = catalogue.read(folder).marks
        assert marks.drilled is not None
        assert marks.backup_drilled is not None
        assert (marks.drilled.result, marks.backup_drilled.result) == (of_files, of_backup)
        doubts.append(catalogue.read(folder).doubt)
    assert doubts == [f"its last drill failed (run {kit.run})", ""]


def test_marks_of_an_earlier_version_are_of_the_files(store: Folder, kit: Kit) -> None:
    folder = published(kit, store)
    old = {"version": 1, "pinned": None, "verified": None, "drilled": {"at": "x", "run": "r", "result": "failed"}}
    (folder / "marks.json").write_text(json.dumps(old))
    assert catalogue.read(folder).doubt == "its last drill failed (run r)"


def test_marks_of_others_are_kept_by_each_change(kit: Kit, store: Folder) -> None:
    folder = published(kit, store)
    marks_file.change(folder, lambda marks: marks.model_copy(update={"pinned": marks_file.PinMark(by="me", at="x")}))
    marks_file.change(folder, lambda marks: marks.model_copy(update={"verified": marks_file.VerifyMark(at="y")}))
    marks, problem = marks_file.read(folder)
    assert (marks.pinned, marks.verified, problem) == (
        marks_file.PinMark(by="me", at="x"),
        marks_file.VerifyMark(at="y"),
        "",
    )
    assert (folder / "marks.json").stat().st_mode & 0o777 == 0o600
    (folder / ".marks.json.new").write_text("half")  # of one that was killed
    marks_file.change(folder, lambda marks: marks.model_copy(update={"pinned": None}))
    assert marks_file.read(folder)[0].pinned is None
    assert isinstance(manifest_file.read(folder).machine, Machine)
