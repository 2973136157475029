"""Every way to damage a set: verify names the file and ends with 10, nothing gets it out, and retention does not trust it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from tests.store.good_set import published

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import IntegrityError
from sitekeeper.model.store import ExtractedSet
from sitekeeper.store.format import catalogue, head_file, manifest_file
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.get import Get, GetParams
from sitekeeper.store.keeping.pruning import judge
from sitekeeper.store.keeping.retention import Policy

from .conftest import Kit

Damage = Callable[["Sets"], str]


class Sets:
    """Two sets of a site, of which the first is damaged."""

    def __init__(self, kit: Any, store: Folder, tmp_path: Path, *, seal: bool) -> None:
        key = pyrage.x25519.Identity.generate()
        self.identity = tmp_path / "key.txt"
        self.identity.write_text(str(key))
        self.identity.chmod(0o600)
        variables = {"store_compress": "zstd", "store_recipients": [str(key.to_public())]} if seal else {}
        self.store = store
        self.folder = published(kit, store, 7, variables)
        self.other = published(kit, store, 8, variables)
        self.seal = seal
        if seal:
            self.files = [one.name for one in head_file.read(self.folder).stored]
        else:
            self.files = [
                one.file for one in manifest_file.read(self.folder).entries if one.kind == "file" and one.size
            ]


def got(sets: Sets, kit: Any, work: Path, name: str = "PR1-000007") -> ExtractedSet:
    """As a play gets it."""
    ctx = kit.Context(None)
    ctx.vars = {"store": str(sets.store.root), "store_identity": str(sets.identity), "store_work": str(work)}
    module, params = Get(), GetParams(set=name)
    return module.apply(ctx, params, module.plan(ctx, params))


@pytest.fixture(params=["plain", "sealed"])
def sets(request: pytest.FixtureRequest, kit: Kit, store: Folder, tmp_path: Path) -> Sets:
    return Sets(kit, store, tmp_path, seal=request.param == "sealed")


def flipped(sets: Sets) -> str:
    file = sets.folder / sets.files[0]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    return f"{sets.files[0]}: the content was changed"


def cut(sets: Sets) -> str:
    file = sets.folder / sets.files[1]
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    return f"{sets.files[1]}: {size - 1} bytes instead of {size}"


def missing(sets: Sets) -> str:
    (sets.folder / sets.files[2]).unlink()
    return f"{sets.files[2]}: the file is missing"


def extra(sets: Sets) -> str:
    name = f"{sets.files[0]}.more"
    (sets.folder / name).write_bytes(b"x")
    return f"{name}: not in the"


def extra_folder(sets: Sets) -> str:
    (sets.folder / "more").mkdir()
    return "more: a folder that is not in the"


def link(sets: Sets) -> str:
    file = sets.folder / sets.files[0]
    file.unlink()
    file.symlink_to(sets.other / sets.files[0])
    return f"{sets.files[0]}: a link, which no set holds"


def linked_folder(sets: Sets) -> str:
    name = sets.files[0].split("/")[0]
    (sets.folder / name).rename(sets.store.root / "elsewhere")
    (sets.folder / name).symlink_to(sets.store.root / "elsewhere")
    return f"{name}: a link, which no set holds"


def swapped_files(sets: Sets) -> str:
    one, other = sets.folder / sets.files[0], sets.folder / sets.files[1]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{sets.files[0]}: "


def file_of_the_other_night(sets: Sets) -> str:
    if sets.seal:
        name = sets.files[0]
        shutil.copy(sets.other / head_file.read(sets.other).stored[0].name, sets.folder / name)
        return f"{name}: "
    name = "SiteServer/SMSServer/inboxes/counter"
    shutil.copy(sets.other / name, sets.folder / name)
    return f"{name}: the content was changed"


def facts_name(sets: Sets) -> str:
    return head_file.NAME if sets.seal else manifest_file.NAME


def sum_name(sets: Sets) -> str:
    return head_file.SUM_NAME if sets.seal else manifest_file.SUM_NAME


def changed_facts(sets: Sets) -> str:
    file = sets.folder / facts_name(sets)
    file.write_text(file.read_text().replace('"generation": 7', '"generation": 9', 1))
    return f"{file} was changed after it was published"


def lost_facts(sets: Sets) -> str:
    (sets.folder / facts_name(sets)).unlink()
    return f"{sets.folder / facts_name(sets)}: No such file"


def lost_sum(sets: Sets) -> str:
    (sets.folder / sum_name(sets)).unlink()
    return f"{sets.folder / sum_name(sets)}: No such file"


def facts_of_the_other(sets: Sets) -> str:
    for name in (facts_name(sets), sum_name(sets)):
        shutil.copy(sets.other / name, sets.folder / name)
    return "belongs to set PR1-000008"


def a_future_format(sets: Sets) -> str:
    file = sets.folder / facts_name(sets)
    data = json.loads(file.read_text()) | {"format": 9}
    rewrite(sets, data)
    return f"{file} is not "


def rewrite(sets: Sets, data: dict[str, Any]) -> None:
    """With a right checksum: as somebody would who knows the format."""
    text = json.dumps(data, ensure_ascii=True, indent=1)
    (sets.folder / facts_name(sets)).write_text(text)
    (sets.folder / sum_name(sets)).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  x\n")


def whole_folder_is_a_link(sets: Sets) -> str:
    sets.folder.rename(sets.store.root / "elsewhere")
    sets.folder.symlink_to(sets.store.root / "elsewhere")
    return "is a link or a file, not a folder of a set"


DAMAGES = [
    flipped,
    cut,
    missing,
    extra,
    extra_folder,
    link,
    linked_folder,
    swapped_files,
    file_of_the_other_night,
    changed_facts,
    lost_facts,
    lost_sum,
    facts_of_the_other,
    a_future_format,
    whole_folder_is_a_link,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_nothing_comes_out(
    damage: Damage, sets: Sets, kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = damage(sets)
    store = ["--store", str(sets.store.root)]
    assert main(["backups", "verify", *store]) == 10
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "PR1-000007: DAMAGED"
    assert told[-1] == "PR1-000008: ok"
    assert any(said in line for line in told[1:-1]), told

    target = tmp_path / "out"
    key = ["--identity", str(sets.identity)]
    assert main(["backups", "get", "PR1-000007", "--to", str(target), *key, *store]) == 10
    assert not target.exists()
    with pytest.raises(IntegrityError):
        got(sets, kit, tmp_path / "work")
    assert not list((tmp_path / "work").glob("*"))

    # The other one is the newest good set now, and the damaged one is left to be looked at.
    assert catalogue.find(sets.store, "PR1").folder == sets.other
    first, second = judge(sets.store, "PR1", Policy(keep=1))
    assert (first.goes, first.damage != "") == (False, True)
    assert second.reasons[0] == "newest good snapshot"


@pytest.mark.parametrize("damage", [flipped, cut, missing, link, swapped_files])
def test_store_get_finds_it_without_any_verification(damage: Damage, sets: Sets, kit: Kit, tmp_path: Path) -> None:
    said = damage(sets)
    with pytest.raises(IntegrityError) as told:
        got(sets, kit, tmp_path / "work")
    assert said.split(":")[0].rpartition("/")[2] in told.value.message
    assert not list((tmp_path / "work").glob("*"))
    assert catalogue.read(sets.folder).doubt.startswith("damaged")  # and it is remembered


def test_a_newest_set_that_is_found_damaged_is_not_replaced_by_an_older_one_in_silence(
    sets: Sets, kit: Kit, tmp_path: Path
) -> None:
    sets.folder, sets.other = sets.other, sets.folder
    if sets.seal:
        sets.files = [one.name for one in head_file.read(sets.folder).stored]
    flipped(sets)
    with pytest.raises(IntegrityError, match="PR1-000008"):
        got(sets, kit, tmp_path / "work", "PR1")
    assert got(sets, kit, tmp_path / "work", "PR1").id == "PR1-000007"  # from now on it is known not to be good


def swap_body(sets: Sets) -> str:
    """Body and all stored files of the other night, under a head that is right for itself."""
    head, other = head_file.read(sets.folder), head_file.read(sets.other)
    shutil.copy(sets.other / other.body.name, sets.folder / head.body.name)
    return f"{head.body.name}: "


def swap_body_and_head_sums(sets: Sets) -> str:
    head, other = head_file.read(sets.folder), head_file.read(sets.other)
    shutil.copy(sets.other / other.body.name, sets.folder / head.body.name)
    rewrite(sets, head.model_dump(mode="json") | {"body": other.body.model_dump(mode="json")})
    return ""


def swap_two_stored_names(sets: Sets) -> str:
    """Two sealed files exchanged, and the head made to fit: only the body knows better."""
    swapped_files(sets)
    data = head_file.read(sets.folder).model_dump(mode="json")
    by_name = {one["name"]: one for one in data["stored"]}
    one, other = (by_name[name] for name in sets.files[:2])
    one["size"], other["size"] = other["size"], one["size"]
    one["sha256"], other["sha256"] = other["sha256"], one["sha256"]
    rewrite(sets, data)
    return ""


def an_earlier_date(sets: Sets) -> str:
    rewrite(sets, head_file.read(sets.folder).model_dump(mode="json") | {"run": "another"})
    return ""


@pytest.mark.parametrize("damage", [swap_body, swap_body_and_head_sums, swap_two_stored_names, an_earlier_date])
def test_what_a_forger_of_heads_can_do_ends_at_the_body(
    damage: Damage, kit: Kit, store: Folder, tmp_path: Path
) -> None:
    sets = Sets(kit, store, tmp_path, seal=True)
    said = damage(sets)
    there = ["--store", str(store.root)]
    without_key = main(["backups", "verify", "PR1-000007", *there])
    assert without_key == (10 if said else 0)  # without the key nobody can tell
    assert main(["backups", "verify", "PR1-000007", "--identity", str(sets.identity), *there]) == 10
    assert (
        main(["backups", "get", "PR1-000007", "--to", str(tmp_path / "o"), "--identity", str(sets.identity), *there])
        == 10
    )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("how", ["text", "link", "folder"])
def test_damaged_marks_are_said_and_not_fatal(
    how: str, sets: Sets, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there = ["--store", str(sets.store.root)]
    assert main(["backups", "pin", "PR1-000007", *there]) == 0
    marks = sets.folder / "marks.json"
    if how == "text":
        marks.write_text(marks.read_text()[:-5])
    else:
        marks.unlink()
        marks.symlink_to(tmp_path / "nowhere") if how == "link" else marks.mkdir()
    first, _ = judge(sets.store, "PR1", Policy(keep=1))
    assert first.reasons[0].startswith("not judged: marks.json")  # it may have been pinned
    capsys.readouterr()
    assert main(["backups", "list", *there]) == 0
    assert "marks" in capsys.readouterr().out
    for _ in range(2):  # nobody but the operator creates them again: there may have been a pin among them
        main(["backups", "verify", "PR1-000007", *there])
        told = capsys.readouterr().out
        assert "note: marks.json: " in told
        assert "not recorded" in told
    assert judge(sets.store, "PR1", Policy(keep=1))[0].reasons[0].startswith("not judged: marks.json")
    if how == "text":
        assert main(["backups", "unpin", "PR1-000007", *there]) == 0
        assert "recreated" in capsys.readouterr().out
        assert main(["backups", "verify", *there]) == 0
        assert "note" not in capsys.readouterr().out
        assert judge(sets.store, "PR1", Policy(keep=1))[0].goes
