"""Sealed sets: Debian's own tools open them, nothing but the head is readable, and no kill leaves plain bytes or half a set."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest
from tests.store.good_set import Good

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import IntegrityError, InventoryError, RunInterruptedError, SecretError
from sitekeeper.engine.secrets import inline
from sitekeeper.model.store import Staging
from sitekeeper.store.format import catalogue, head_file, manifest_file, packed_files
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping.verify import verify_set
from sitekeeper.store.sealing import seal_set
from sitekeeper.store.sealing.open_set import open_set
from sitekeeper.store.set import Set, SetParams
from sitekeeper.transport.age_identity import Keys, keys_of

from .conftest import Kit

TOOLS = pytest.mark.skipif(
    not (shutil.which("age") and shutil.which("zstd")), reason="Debian's packages age and zstd are not installed"
)
BIG = random.Random(3).randbytes(300_000) + b"page" * 50_000  # noqa: S311 - test data, the same every time


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    file = tmp_path / "key.txt"
    file.write_text(f"# created: today\n{pyrage.x25519.Identity.generate()}\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def public(identity: Path) -> str:
    return str(pyrage.x25519.Identity.from_str(identity.read_text().splitlines()[1]).to_public())


@pytest.fixture
def good(kit: Kit, staging: Staging, public: str) -> Good:
    one = Good(kit, staging)
    one.disk.files["SMS\\inboxes\\big.dat"] = BIG
    one.disk.files["SMS\\inboxes\\empty.dat"] = b""
    one.ctx.vars = {"store_compress": "zstd", "store_recipients": [public]}
    return one


def sealed(good: Good) -> Path:
    good.pull()
    return Path(str(good.publish().folder))


def plain_files(good: Good) -> dict[str, bytes]:
    """By their name in the set, as the stand-in's disks have them."""
    names = {path: data for path, data in good.disk.files.items() if data is not None}
    inside = {
        f"SiteServer/SMSServer/{path[4:]}".replace("\\", "/"): data
        for path, data in names.items()
        if path[:4] == "SMS\\"
    }
    inside |= {f"SiteServer/Registry/{path[5:]}": data for path, data in names.items() if path[:5] == "work\\"}
    return inside | {"SiteDBServer/CM.mdf": b"data", "SiteDBServer/CM.ldf": b"log."}


def test_a_sealed_set_is_whole_and_opens_with_the_key(good: Good, identity: Path) -> None:
    folder = sealed(good)
    assert verify_set(folder) == []
    assert {one.name for one in folder.iterdir()} == {"head.json", "head.sha256", "body.json.zst.age", "sealed"}
    kept = catalogue.read(folder)
    assert (kept.id, kept.site, kept.kind, kept.sealed, kept.consistency) == (
        "PR1-000007",
        "PR1",
        "snapshot",
        True,
        "writer",
    )
    assert (kept.facts["files"], kept.facts["offline_seconds"]) == (8, 12.5)
    assert list((Path(good.staging.store) / ".staging").iterdir()) == []
    found = open_set(folder, keys_of(str(identity)))
    assert found.manifest.database is not None
    for name, data in plain_files(good).items():
        (entry,) = [one for one in found.manifest.entries if one.file == name]
        target = folder.parent.parent / "out"
        with target.open("wb") as out:
            found.copy(entry, out)
        assert target.read_bytes() == data


@TOOLS
def test_debian_s_age_and_zstd_alone_open_it(good: Good, identity: Path) -> None:
    folder = sealed(good)

    def opened_by_hand(name: str) -> bytes:
        age = subprocess.run(["age", "-d", "-i", identity, folder / name], check=True, capture_output=True)
        return subprocess.run(["zstd", "-d", "-q"], input=age.stdout, check=True, capture_output=True).stdout

    body = json.loads(opened_by_hand("body.json.zst.age"))
    files = {name: opened_by_hand(stored["name"]) for name, stored in body["stored"].items()}
    assert files == plain_files(good)
    assert body["manifest"]["site"] == "PR1"


@TOOLS
def test_what_debian_s_tools_made_is_opened_by_us(identity: Path, public: str, tmp_path: Path) -> None:
    """The format is theirs, not ours."""
    (tmp_path / "plain").write_bytes(BIG)
    subprocess.run(["zstd", "-q", "-3", tmp_path / "plain", "-o", tmp_path / "x.zst"], check=True)
    subprocess.run(["age", "-r", public, "-o", tmp_path / "x.zst.age", tmp_path / "x.zst"], check=True)
    keys = keys_of(str(identity))
    assert keys is not None
    with (tmp_path / "x.zst.age").open("rb") as source, (tmp_path / "out").open("wb") as target:
        packed_files.unpack(source, target, ("zstd", "age"), keys.reader())
    assert (tmp_path / "out").read_bytes() == BIG


def test_without_the_key_only_the_head_can_be_read(good: Good) -> None:
    folder = sealed(good)
    manifest_words = [word for name in plain_files(good) for word in (name, name.rpartition("/")[2])]
    hashes = [hashlib.sha256(data).hexdigest() for data in plain_files(good).values()]
    facts = [
        "6487",
        "D:\\\\SMS",
        "CM_PR1",
        "SMS_EXECUTIVE",
        "20200101000000",
        "Windows Registry",
        "MSSQLSERVER",
        "SiteDBServer",
    ]
    stored = [file for file in folder.rglob("*") if file.is_file()]
    assert len(stored) == 8 + 3
    everything = b"\n".join(str(file.relative_to(folder)).encode() + b"\n" + file.read_bytes() for file in stored)
    for word in (*manifest_words, *hashes, *facts):
        for encoding in ("utf-8", "utf-16-le"):
            assert word.encode(encoding) not in everything, word
    for digest in hashes:
        assert bytes.fromhex(digest) not in everything
    head = json.loads((folder / "head.json").read_text())
    assert set(head) == {
        "format",
        "id",
        "kind",
        "site",
        "generation",
        "run",
        "tool",
        "taken_at",
        "published_at",
        "offline_seconds",
        "consistency",
        "feeds",
        "files",
        "bytes",
        "packing",
        "recipients",
        "body",
        "stored",
    }
    with pytest.raises(SecretError, match="needs the secret key"):
        open_set(folder)
    other = Keys("other", (pyrage.x25519.Identity.generate(),))
    with pytest.raises(SecretError, match="other does not open it"):
        open_set(folder, other)


class Killed(BaseException):
    """As a kill: nothing of ours catches it."""


STEPS = ("pull", "pack 1", "pack 5", "pack body", "head", "drop 1", "drop 2", "rename")


def kill_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count = {"pack": 0, "drop": 0}
    one, write, unlink, rmtree = seal_set._one, head_file.write, Path.unlink, shutil.rmtree
    publish = Folder.publish

    def packing(plain: Path, *rest: Any) -> Any:
        count["pack"] += 1
        if step in {f"pack {count['pack']}", "pack body" if plain.name == "body.json" else "-"}:
            made = one(plain, *rest)
            rest[0].write_bytes(rest[0].read_bytes()[:7])  # half of it is on the disk
            raise Killed(made)
        return one(plain, *rest)

    def heading(folder: Path, head: Any) -> None:
        if step == "head":
            (folder / ".head.json.new").write_text("{")
            raise Killed
        write(folder, head)
        monkeypatch.setattr(Path, "unlink", dropping(unlink))
        monkeypatch.setattr(shutil, "rmtree", dropping(rmtree))

    def dropping(work: Any) -> Any:
        def drop(path: Path, *rest: Any, **more: Any) -> Any:
            count["drop"] += 1
            if step == f"drop {count['drop']}":
                raise Killed
            return work(path, *rest, **more)

        return drop

    def publishing(*_: Any) -> Any:
        raise Killed

    monkeypatch.setattr(seal_set, "_one", packing)
    monkeypatch.setattr(head_file, "write", heading)
    monkeypatch.setattr(Folder, "publish", publishing if step == "rename" else publish)


@pytest.mark.parametrize("step", STEPS[1:])
def test_killed_at_any_moment_it_is_done_again(step: str, good: Good, identity: Path) -> None:
    good.pull()
    store = Folder(Path(good.staging.store))
    with pytest.MonkeyPatch.context() as patched:
        kill_at(step, patched)
        with pytest.raises(Killed):
            good.publish()
    assert list(store.sets()) == []  # not even half of it
    folder = Path(str(good.publish().folder))
    assert verify_set(folder) == []
    assert {one.name for one in folder.iterdir()} == {"head.json", "head.sha256", "body.json.zst.age", "sealed"}
    found = open_set(folder, keys_of(str(identity)))
    assert {entry.file for entry in found.manifest.entries if entry.kind == "file"} == set(plain_files(good))
    assert list((store.root / ".staging").iterdir()) == []
    assert good.publish().msg == "PR1-000007 was published already"


def test_the_operator_can_stop_it(good: Good) -> None:
    good.pull()
    good.ctx.stop.set()
    with pytest.raises(RunInterruptedError):
        good.publish()
    good.ctx.stop.clear()
    assert verify_set(Path(str(good.publish().folder))) == []


def test_a_byte_that_changed_between_pull_and_sealing_is_found(good: Good) -> None:
    good.pull()
    file = good.folder / "SiteDBServer/CM.mdf"
    file.write_bytes(b"dat!")
    with pytest.raises(IntegrityError, match=r"SiteDBServer/CM\.mdf is not in the staging set as it was pulled"):
        good.publish()
    assert list(Folder(Path(good.staging.store)).sets()) == []


def test_a_full_store_while_sealing_is_told_as_one(small_disk: Path, kit: Kit, public: str) -> None:
    store = Folder(small_disk)
    store.prepare()
    folder = store.claim("PR1-000007", kit.run)
    good = Good(kit, Staging(id="PR1-000007", store=str(store.root), folder=str(folder), generation=7))
    good.disk.files["SMS\\inboxes\\big.dat"] = random.Random(4).randbytes(150_000)  # noqa: S311 - fits once, not twice
    good.ctx.vars = {"store_recipients": [public]}
    good.pull()
    with pytest.raises(Exception, match="is full"):
        good.publish()
    assert list(store.sets()) == []


@pytest.mark.parametrize("steps", [("zstd",), ("age",)])
def test_one_of_the_two_alone(good: Good, identity: Path, steps: tuple[str, ...]) -> None:
    del good.ctx.vars["store_recipients" if steps == ("zstd",) else "store_compress"]
    folder = sealed(good)
    assert verify_set(folder) == []
    assert head_file.read(folder).packing == steps
    assert catalogue.read(folder).sealed == (steps == ("age",))
    assert open_set(folder, keys_of(str(identity)) if steps == ("age",) else None).manifest.id == "PR1-000007"


@pytest.mark.parametrize("seal", [True, False])
def test_a_name_with_half_a_surrogate_pair(seal: bool, good: Good, identity: Path, tmp_path: Path) -> None:
    """Legal on NTFS, not in UTF-8, and refused by some readers of JSON."""
    good.disk.files["SMS\\inboxes\\half\ud83d.dat"] = b"legal"
    if not seal:
        good.ctx.vars = {}
    folder = sealed(good)
    assert verify_set(folder) == []
    found = open_set(folder, keys_of(str(identity)) if seal else None)
    (entry,) = [one for one in found.manifest.entries if one.path.endswith("half\ud83d.dat")]
    with (tmp_path / "out").open("wb") as out:
        found.copy(entry, out)
    assert (tmp_path / "out").read_bytes() == b"legal"


def test_stopped_in_the_middle_of_a_file(good: Good, identity: Path, tmp_path: Path) -> None:
    good.disk.files["SMS\\inboxes\\big.dat"] = random.Random(5).randbytes(20 << 20)  # noqa: S311 - test data
    good.host.block = 1 << 20
    good.pull()
    good.ctx.progress = lambda done, *_: good.ctx.stop.set() if done else None
    with pytest.raises(RunInterruptedError):
        good.publish()
    assert not (good.folder / "head.json").exists()
    good.ctx.stop.clear()
    good.ctx.progress = lambda *_: None
    found = open_set(Path(str(good.publish().folder)), keys_of(str(identity)))
    (big,) = [one for one in found.manifest.entries if one.file.endswith("big.dat")]

    def stop(count: int) -> None:
        if count:
            raise RunInterruptedError("stopped")

    with (tmp_path / "out").open("wb") as out, pytest.raises(RunInterruptedError):
        found.copy(big, out, stop)
    assert 0 < (tmp_path / "out").stat().st_size < big.size


def test_list_and_show_of_sealed_sets(good: Good, identity: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(sealed(good).parent.parent)]

    def told(*arguments: str) -> Any:
        assert main(["backups", *arguments, *store, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    (row,) = told("list")
    assert (row["id"], row["sealed"], row["version"], row["files"]) == ("PR1-000007", True, None, 8)
    assert row["feeds"][0] == "restore drills"
    head = told("show", "PR1")
    assert (head["format"], head["sealed"], "machine" in head) == (2, True, False)
    whole = told("show", "PR1", "--identity", str(identity))
    assert (whole["machine"]["name"], len(whole["entries"]) > 8) == ("PR1", True)
    assert {
        one["file"]: one["stored"][:7]
        for one in told("files", "PR1", "--identity", str(identity), "--files", "database")
    } == {
        "SiteDBServer/CM.ldf": "sealed/",
        "SiteDBServer/CM.mdf": "sealed/",
    }
    for action in ("files", "diff"):
        both = ("PR1", "PR1") if action == "diff" else ("PR1",)
        assert main(["backups", action, *both, *store]) == 4
        assert "needs the secret key" in capsys.readouterr().err


def test_plain_sets_stay_as_they_are(good: Good) -> None:
    good.ctx.vars = {}
    folder = sealed(good)
    assert (folder / "SiteDBServer/CM.mdf").read_bytes() == b"data"
    assert json.loads((folder / manifest_file.NAME).read_text())["format"] == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"store_compress": "gzip"}, "store_compress: 'gzip' is not known"),
        ({"store_recipients": ["age1nonsense"]}, "not a public key of age"),
        ({"store_recipients": "ssh-ed25519 AAAA"}, "not a public key of age"),
        ({"store_recipients": []}, "store_recipients is empty"),
    ],
)
def test_variables_that_make_no_sense_are_told_before_the_site_is_down(kit: Any, variables: Any, said: str) -> None:
    ctx = kit.Context(None)
    ctx.vars = {"store": "/srv/x", **variables}
    with pytest.raises(InventoryError, match=said):
        Set().plan(ctx, SetParams(site=kit.site_facts()))


def test_keys(identity: Path, tmp_path: Path) -> None:
    text = identity.read_text().splitlines()[1]
    assert text not in repr(keys_of(str(identity)))
    assert keys_of(inline(text, "vault:1")) is not None
    assert keys_of(None) is None
    with pytest.raises(SecretError, match="contains the key itself") as told:
        keys_of(text)
    assert text not in told.value.render()
    identity.chmod(0o640)
    with pytest.raises(SecretError, match="other users can read"):
        keys_of(str(identity))
    (tmp_path / "none").write_text("# nothing\n")
    (tmp_path / "bad").write_text("AGE-SECRET-KEY-1NONSENSE\n")
    for name, said in (
        ("none", "contains no age identity"),
        ("bad", "is not an age identity"),
        ("missing", "No such file"),
    ):
        if name != "missing":
            os.chmod(tmp_path / name, 0o600)  # noqa: PTH101 - a path of a test
        with pytest.raises(SecretError, match=said):
            keys_of(str(tmp_path / name))
