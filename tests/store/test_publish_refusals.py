"""Publishing: every refusal, each with a set that is otherwise good; and verification of what was published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.store.good_set import Good, database, export

from sitekeeper.engine.errors import IntegrityError, LimitError, SitekeeperError
from sitekeeper.model.store import Staging
from sitekeeper.store.format import entry_log, manifest_file
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping.verify import verify_set
from sitekeeper.store.publish_task import feeds_of

Edit = Callable[[Good], None]


@pytest.fixture
def good(kit: Any, staging: Staging) -> Good:
    return Good(kit, staging)


def test_a_good_set(good: Good) -> None:
    good.pull()
    result = good.publish()
    assert (result.files, result.consistency, result.offline_seconds, result.partial) == (6, "writer", 12.5, "")
    folder = Path(str(result.folder))
    assert verify_set(folder) == []
    assert not good.folder.exists()
    manifest = manifest_file.read(folder)
    assert {path.name for path in folder.iterdir()} == {
        "SiteServer",
        "SiteDBServer",
        "manifest.json",
        "manifest.sha256",
    }
    assert (manifest.files, manifest.bytes) == (6, sum(entry.size for entry in manifest.entries))
    assert {count.root.rpartition("\\")[2] for count in manifest.registry} == {"SMS", "NAL"}
    assert [one.state for one in (*manifest.before, *manifest.after)] == ["Stopped"] * 4
    for function in ("Read-SkLease", "Test-SkShadowSet"):
        assert function in [command for command, _ in good.host.asked]


def without(path: str) -> Edit:
    def edit(good: Good) -> None:
        del good.disk.files[path]

    return edit


def snapshot(**changes: Any) -> Edit:
    def edit(good: Good) -> None:
        good.snapshot = good.snapshot.model_copy(update=changes)

    return edit


def site(**changes: Any) -> Edit:
    def edit(good: Good) -> None:
        good.site = good.site.model_copy(update=changes)

    return edit


def file(path: str, data: bytes) -> Edit:
    def edit(good: Good) -> None:
        good.disk.files[path] = data

    return edit


def inbox_link(good: Good) -> None:
    del good.disk.files["SMS\\data"]
    good.disk.links["SMS\\data"] = 16


REFUSED: list[tuple[str, Edit, str]] = [
    ("no inboxes", without("SMS\\inboxes\\sitectrl.box\\sitectrl.ct0"), r"lacks inboxes"),
    ("no logs", without("SMS\\logs\\a.log"), "lacks logs"),
    ("no data", without("SMS\\data"), "lacks data"),
    ("data is a link", inbox_link, "lacks data"),
    ("no srvacct", without("SMS\\srvacct"), "lacks srvacct"),
    (
        "another control file",
        lambda good: good.disk.files.update(
            {
                "SMS\\inboxes\\sitectrl.box\\sitectrl.ct1": good.disk.files.pop(
                    "SMS\\inboxes\\sitectrl.box\\sitectrl.ct0"
                )
            }
        ),
        "master site control file",
    ),
    ("no NAL", without("work\\nal.native.reg"), "lacks the registry export of NAL"),
    ("no SMS", without("work\\sms.native.reg"), "lacks the registry export of SMS"),
    ("SMS of a client only", file("work\\sms.native.reg", export("SMS")), "of site none"),
    ("SMS of another site", file("work\\sms.native.reg", export("SMS", "PR2")), "of site PR2"),
    ("SMS cut off", file("work\\sms.native.reg", export("SMS", "PR1")[:-4]), "cut off"),
    ("one of two database files", lambda good: good.parts.pop(), "lacks database files"),
    (
        "no file of the database is known",
        lambda good: setattr(good, "site", good.site.model_copy(update={"database": database(())})),
        "nothing is known of the files",
    ),
    ("a service ran before", lambda good: snapshot(before=good.kit.watched("Running"))(good), "was not offline"),
    ("a service ran after", lambda good: snapshot(after=good.kit.watched("Start Pending"))(good), "was not offline"),
    ("restarted in between", lambda good: snapshot(after=good.kit.watched(boot="another"))(good), "restarted"),
    (
        "the boot is not known",
        lambda good: snapshot(before=good.kit.watched(boot="None"), after=good.kit.watched(boot="None"))(good),
        "boot time of the host",
    ),
    ("nothing was watched", snapshot(before=(), after=()), "the state of sms_executive"),
    (
        "one service was not watched",
        lambda good: snapshot(
            before=good.kit.watched(names=["SMS_EXECUTIVE"]), after=good.kit.watched(names=["SMS_EXECUTIVE"])
        )(good),
        "the state of sms_site_component_manager",
    ),
    ("others after than before", lambda good: snapshot(after=good.kit.watched(names=["X"]))(good), "not the same ones"),
    ("no services to stop", site(services_to_stop=()), "nothing proves"),
    ("a copy is gone", lambda good: good.host.alive.pop(), "is gone"),
    ("all copies are gone", lambda good: good.host.alive.clear(), "is gone"),
    ("another generation at the snapshot", snapshot(generation=6), "lease changed"),
    ("another generation now", lambda good: setattr(good.ctx.lease, "generation", 8), "lease changed"),
    ("another generation on the host", lambda good: setattr(good.host, "lease", (good.kit.run, 8)), "generation 8"),
    ("another run on the host", lambda good: setattr(good.host, "lease", ("other", 7)), "run other"),
    ("no lease on the host", lambda good: setattr(good.host, "lease", None), "held by nobody"),
]


@pytest.mark.parametrize(("edit", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(good: Good, edit: Edit, says: str) -> None:
    generation = good.snapshot.generation
    alive = list(good.host.alive)
    edit(good)
    good.host.alive, gone = alive, good.host.alive
    good.pull()
    good.host.alive = gone
    with pytest.raises((IntegrityError, LimitError), match=says):
        good.publish()
    store = good.folder.parent.parent
    assert good.folder.exists()
    assert [path.name for path in store.iterdir() if not path.name.startswith(".")] in ([], ["PR1"])
    assert generation == 7


def test_cut_off_just_before_the_set_appears(good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest is written and the list of what was pulled is gone: the resumed run publishes what the manifest says."""
    good.pull()

    def dies(*_: Any) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "publish", dies)
        with pytest.raises(KeyboardInterrupt):
            good.publish()
    assert not (good.folder / entry_log.NAME).exists()
    published = good.publish()
    assert published.files == 6
    assert verify_set(Path(published.folder)) == []


def test_cut_off_just_before_the_set_appears_and_damaged_since(good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    file = good.folder / "SiteDBServer" / "CM.mdf"
    good.pull()
    monkeypatch.setattr(Folder, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        good.publish()
    file.write_bytes(b"dat")
    with pytest.raises(IntegrityError, match="not in the staging set as it was pulled"):
        good.publish()


@pytest.mark.parametrize("naps", [1, 2])
def test_suspended_while_the_last_answers_are_under_way(good: Good, naps: int) -> None:
    good.pull()
    asleep_at_the_last_answers(good, naps)
    assert good.publish().id == good.staging.id
    last = [command for command, _ in good.host.asked if command == "Read-SkLease"]
    assert len(last) == 2 + naps


def test_suspended_and_fenced_while_the_last_answers_are_under_way(good: Good) -> None:
    good.pull()
    asleep_at_the_last_answers(good, 1, then=lambda: setattr(good.host, "lease", (good.kit.run, 8)))
    with pytest.raises(LimitError, match="generation 8"):
        good.publish()
    assert not Folder(Path(good.staging.store)).path(good.staging.id).exists()


def test_answers_that_always_take_too_long_prove_nothing(good: Good) -> None:
    good.pull()
    asleep_at_the_last_answers(good, 3)
    with pytest.raises(LimitError, match="asked three times"):
        good.publish()
    assert not Folder(Path(good.staging.store)).path(good.staging.id).exists()


def asleep_at_the_last_answers(good: Good, naps: int, then: Callable[[], None] = lambda: None) -> None:
    """The host has answered that its copies are there, and the control host sleeps an hour before it reads that; so many times."""
    answer: Callable[..., list[Any]] = good.host.call
    asked = 0

    def call(command: str, /, **args: Any) -> list[Any]:
        nonlocal asked
        rows = answer(command, **args)
        if command == "Test-SkShadowSet":
            asked += 1
            if 1 < asked <= 1 + naps:  # the first time is before the set is written
                good.ctx.clock.sleep(3600)
                then()
        return rows

    good.host.call = call


def test_nothing_was_pulled(good: Good) -> None:
    with pytest.raises(IntegrityError, match="lacks inboxes, logs, data, srvacct"):
        good.publish()


SPOILED: list[tuple[str, Callable[[Path], object], str]] = [
    ("a file is gone", lambda at: (at / "SiteDBServer/CM.mdf").unlink(), "CM.mdf is not in the staging set"),
    (
        "a file is shorter",
        lambda at: (at / "SiteDBServer/CM.mdf").write_bytes(b"x"),
        "CM.mdf is not in the staging set",
    ),
    (
        "a folder is gone",
        lambda at: (at / "SiteServer/SMSServer/data").rmdir(),
        "data is not in the staging set any more",
    ),
    ("a file too many", lambda at: (at / "SiteServer/extra").write_bytes(b""), "SiteServer/extra"),
    ("a folder too many", lambda at: (at / "SiteServer/more").mkdir(), "SiteServer/more"),
    ("a link", lambda at: (at / "SiteServer/SMSServer/x").symlink_to("/etc"), "a link"),
]


@pytest.mark.parametrize(("spoil", "says"), [case[1:] for case in SPOILED], ids=[case[0] for case in SPOILED])
def test_a_staging_set_that_is_not_what_was_pulled(good: Good, spoil: Callable[[Path], object], says: str) -> None:
    good.pull()
    spoil(good.folder)
    with pytest.raises(IntegrityError, match=says):
        good.publish()


def test_without_its_database_a_set_is_worth_less(good: Good) -> None:
    good.parts = good.parts[:2]
    good.pull()
    result = good.publish()
    assert result.consistency == "separate"
    assert "no database" in result.partial


def test_unless_that_was_wanted(good: Good) -> None:
    good.parts = good.parts[:2]
    good.accept = ("separate",)
    good.pull()
    assert good.publish().partial == ""


def test_a_secondary_site_has_no_database(good: Good) -> None:
    good.parts = good.parts[:2]
    good.site = good.site.model_copy(update={"database": None, "type": "secondary"})
    good.snapshot = good.snapshot.model_copy(update={"consistency": "files"})
    good.pull()
    result = good.publish()
    assert (result.consistency, result.partial) == ("files", "")
    assert manifest_file.read(Path(str(result.folder))).feeds == ("restore drills of files only",)


def test_no_recovery_is_promised_of_a_secondary_site(good: Good) -> None:
    """Not with a database either: a secondary site of 2012 and later has one."""
    good.site = good.site.model_copy(update={"type": "secondary"})
    good.pull()
    feeds = manifest_file.read(Path(str(good.publish().folder))).feeds
    assert not any("option" in one or "attach" in one for one in feeds)
    assert any("primary site" in one for one in feeds)
    assert feeds_of("2012", "secondary") == feeds


def test_links_are_named_among_what_is_left_out(good: Good) -> None:
    good.disk.links["SMS\\inboxes\\away"] = 16
    good.pull()
    result = good.publish()
    assert "1 links were not followed" in result.msg
    assert (
        "what lies behind the link PR1:D:\\: SMS\\inboxes\\away"
        in manifest_file.read(Path(str(result.folder))).left_out
    )


def published(good: Good) -> Path:
    good.pull()
    return Path(str(good.publish().folder))


def rewrite(folder: Path, **changes: Any) -> None:
    """A manifest and its checksum, both written anew: what somebody would do who wants to hide something."""
    manifest = manifest_file.read(folder)
    manifest_file.write(folder, manifest.model_copy(update=changes))


def flip(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[0] ^= 1
    (folder / name).write_bytes(data)


def replaced_by_link(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("a flipped byte", lambda at: flip(at, "SiteDBServer/CM.mdf"), "SiteDBServer/CM.mdf: the content was changed"),
    ("a missing file", lambda at: (at / "SiteDBServer/CM.mdf").unlink(), "SiteDBServer/CM.mdf: the file is missing"),
    ("a longer file", lambda at: (at / "SiteDBServer/CM.mdf").write_bytes(b"12345"), "5 bytes instead of 4"),
    ("a missing folder", lambda at: (at / "SiteServer/SMSServer/data").rmdir(), "data: the folder is missing"),
    ("an extra file", lambda at: (at / "SiteServer/x").write_bytes(b""), "SiteServer/x: not in the manifest"),
    ("an extra folder", lambda at: (at / "SiteServer/y").mkdir(), "SiteServer/y: a folder that is not"),
    (
        "a file that is a link",
        lambda at: replaced_by_link(at, "SiteDBServer/CM.mdf"),
        "SiteDBServer/CM.mdf: the file is missing",
    ),
    (
        "a folder that is a link",
        lambda at: replaced_by_link(at, "SiteServer/SMSServer/logs"),
        "logs: the folder is missing",
    ),
    ("a folder above that is a link", lambda at: replaced_by_link(at, "SiteServer"), "SiteServer: a link"),
    ("a changed manifest", lambda at: flip(at, "manifest.json"), "changed after it was published"),
    ("no manifest", lambda at: (at / "manifest.json").unlink(), "no readable manifest"),
    ("no checksum", lambda at: (at / "manifest.sha256").write_text(""), "no readable manifest"),
    (
        "entries taken out",
        lambda at: rewrite(at, entries=manifest_file.read(at).entries[1:]),
        "does not list the 6 files",
    ),
    ("the manifest of another set", lambda at: rewrite(at, id="PR1-000001"), "it is of set PR1-000001"),
    (
        "an entry that goes outside",
        lambda at: rewrite(
            at,
            entries=tuple(
                entry.model_copy(update={"file": "../../x"}) if entry.file.endswith("mdf") else entry
                for entry in manifest_file.read(at).entries
            ),
        ),
        "../../x: outside of the set",
    ),
]


@pytest.mark.parametrize(("damage", "says"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_verification_names_what_is_wrong(good: Good, damage: Callable[[Path], object], says: str) -> None:
    folder = published(good)
    damage(folder)
    problems = verify_set(folder)
    assert problems, "nothing was seen"
    assert any(says in problem for problem in problems), problems


def test_a_manifest_of_another_format(good: Good) -> None:
    folder = published(good)
    data = json.loads((folder / "manifest.json").read_text())
    data["format"] = 2
    text = json.dumps(data)
    (folder / "manifest.json").write_text(text)
    (folder / "manifest.sha256").write_text(hashlib.sha256(text.encode()).hexdigest())
    with pytest.raises(SitekeeperError, match="not a manifest that this version reads"):
        manifest_file.read(folder)
