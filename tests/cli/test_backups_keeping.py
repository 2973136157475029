"""``sitekeeper backups pin|unpin|prune|get|files|diff`` and ``verify --share``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from tests.cli.small_store import FILES, make_set
from tests.killing import killed

from sitekeeper.store.format import marks_file

from .conftest import Done

INVENTORY = """\
all:
  children:
    sites:
      vars: {retention: {keep: 2}}
      hosts:
        server-a: {site_code: CEN, ansible_host: 127.0.0.9}
        server-b: {site_code: PR1, parent: CEN, ansible_host: 127.0.0.9}
        server-c: {site_code: PR2, parent: CEN, ansible_host: 127.0.0.9, retention: {keep: 1, monthly: 2}}
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for site in ("PR1", "PR2", "XYZ"):
        for generation, taken in enumerate(("2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"), 1):
            make_set(root, site, generation, f"{taken}T01:00:00+00:00")
    root.chmod(0o700)
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    return root


def names(store: Path) -> list[str]:
    return sorted(folder.name for site in ("PR1", "PR2", "XYZ") for folder in (store / site).iterdir())


def inside(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


LEFT = [
    "PR1-000003",
    "PR1-000004",
    "PR2-000002",
    "PR2-000004",
    "XYZ-000001",
    "XYZ-000002",
    "XYZ-000003",
    "XYZ-000004",
]
"""Two of PR1; of PR2 the newest and the newest of January; all of XYZ, which the inventory does not know."""


def test_prune_site_by_site(sitekeeper: Callable[..., Done], store: Path) -> None:
    before = names(store)
    arguments = ("backups", "prune", "--store", store, "-i", store.parent / "hosts.yml")
    rows = sitekeeper(*arguments, "--check", "--json").json
    assert [row["id"] for row in rows if row["action"] == "keep"] == LEFT
    assert {row["why"] for row in rows if row["id"].startswith("XYZ")} == {
        "no policy",
        "no policy, newest good snapshot",
    } | {row["why"] for row in rows if row["id"] == "XYZ-000004"}
    assert next(row["why"] for row in rows if row["id"] == "PR2-000002") == "monthly 2026-01"
    assert names(store) == before  # --check changes nothing
    done = sitekeeper(*arguments)
    assert (done.code, names(store)) == (0, LEFT)
    assert "dropped 4 of 12 sets" in done.out
    assert "XYZ is not in" in done.out
    assert list((store / ".trash").iterdir()) == []
    assert sitekeeper(*arguments).code == 0
    assert names(store) == LEFT
    assert sitekeeper("backups", "verify", "--store", store).code == 0


def test_pinned_and_drilled_sets_never_go(sitekeeper: Callable[..., Done], store: Path) -> None:
    done = sitekeeper("backups", "pin", "PR1-000001", "PR2-000001", "--why", "before the upgrade", "--store", store)
    assert done.out.splitlines() == ["PR1-000001: pinned", "PR2-000001: pinned"]
    drilled = marks_file.DrillMark(at="2026-01-31T05:00:00+00:00", run="r9", result="ok")
    marks_file.change(store / "PR1/PR1-000002", lambda marks: marks.model_copy(update={"drilled": drilled}))
    arguments = ("backups", "prune", "--store", store, "-i", store.parent / "hosts.yml", "--json")
    assert sitekeeper(*arguments, "--site", "PR1").code == 0
    assert sitekeeper(*arguments, "--site", "PR2").code == 0
    assert names(store)[:7] == [
        "PR1-000001",
        "PR1-000002",
        "PR1-000003",
        "PR1-000004",
        "PR2-000001",
        "PR2-000002",
        "PR2-000004",
    ]
    (row,) = [
        row for row in sitekeeper("backups", "list", "--store", store, "--json").json if row["id"] == "PR1-000001"
    ]
    assert row["pinned"]["why"] == "before the upgrade"
    assert "@" in row["pinned"]["by"]
    assert sitekeeper("backups", "verify", "--store", store).code == 0  # marks are outside of the hashes
    assert sitekeeper("backups", "unpin", "PR1-000001", "--store", store, "--json").json[0]["pinned"] is None
    sitekeeper(*arguments)
    assert "PR1-000001" not in names(store)


def test_a_truncated_newest_set_keeps_the_older_ones(sitekeeper: Callable[..., Done], store: Path) -> None:
    (store / "PR1/PR1-000004/C/inboxes/sitectrl.ct0").write_bytes(b"")
    done = sitekeeper("backups", "prune", "--store", store, "-i", store.parent / "hosts.yml", "--site", "PR1")
    assert done.code == 10
    assert "PR1-000004 was left alone: damaged: C/inboxes/sitectrl.ct0: 0 bytes instead of 17" in done.err
    assert names(store)[:3] == ["PR1-000002", "PR1-000003", "PR1-000004"]


def test_a_policy_that_makes_no_sense_drops_nothing(sitekeeper: Callable[..., Done], store: Path) -> None:
    file = store.parent / "hosts.yml"
    file.write_text(file.read_text().replace("{keep: 1, monthly: 2}", "{keep: 1, mothly: 2}"))
    before = names(store)
    done = sitekeeper("backups", "prune", "--store", store, "-i", file)
    assert (done.code, "retention.mothly" in done.err, "hosts.yml:8" in done.err) == (3, True, True)
    assert names(store) == before  # of the other sites, too
    done = sitekeeper("backups", "prune", "--store", store, "-i", file, "--site", "QQQ")
    assert done.code == 2


KILLED = {
    "first rename": "from pathlib import Path; Path.rename = kill_after(Path.rename, 1)",
    "second rename": "from pathlib import Path; Path.rename = kill_after(Path.rename, 2)",
    "in the middle of a set": "os.unlink = kill_after(os.unlink, 2)",
}


@pytest.mark.parametrize("step", KILLED)
def test_killed_half_way_the_catalogue_is_true_and_the_next_one_ends_it(
    sitekeeper: Callable[..., Done], store: Path, step: str
) -> None:
    arguments = ["backups", "prune", "--store", str(store), "-i", str(store.parent / "hosts.yml")]
    done = subprocess.run(
        [sys.executable, "-c", killed(KILLED[step]), *arguments], check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 9, done.stderr
    rows = sitekeeper("backups", "list", "--store", store, "--json").json
    assert [row["id"] for row in rows] == names(store)
    assert set(LEFT) <= set(names(store)) != set(LEFT) or step == "in the middle of a set"
    assert sitekeeper("backups", "verify", "--store", store).code == 0  # what is listed is whole
    assert list((store / ".trash").iterdir()) != []
    assert sitekeeper(*arguments).code == 0
    assert names(store) == LEFT
    assert list((store / ".trash").iterdir()) == []


def test_get(sitekeeper: Callable[..., Done], store: Path, tmp_path: Path) -> None:
    done = sitekeeper("backups", "get", "PR1", "--to", tmp_path / "out", "--store", store, "--json")
    assert (done.code, done.json["id"], done.json["files"]) == (0, "PR1-000004", 3)
    found = {
        str(file.relative_to(tmp_path / "out")): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    }
    assert found == FILES
    assert (tmp_path / "out/C/empty").is_dir()
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    done = sitekeeper("backups", "get", "PR1-000001", "--to", tmp_path / "out", "--store", store)
    assert (done.code, "is not empty" in done.err) == (2, True)
    (tmp_path / "empty").mkdir()
    done = sitekeeper("backups", "get", "PR1", "--to", tmp_path / "empty", "--store", store, "--files", "C/inboxes")
    assert (done.code, inside(tmp_path / "empty"), inside(tmp_path / "empty/C")) == (0, ["C"], ["inboxes"])
    for to, said in ((store / "x", "inside of the store"), (tmp_path / "hosts.yml", "is not a folder")):
        done = sitekeeper("backups", "get", "PR1", "--to", to, "--store", store)
        assert (done.code, said in done.err) == (2, True)
    done = sitekeeper("backups", "get", "PR1", "--to", tmp_path / "y", "--store", store, "--files", "C/inb")
    assert (done.code, "has nothing below 'C/inb'" in done.err) == (2, True)
    done = sitekeeper("backups", "get", "PR1", "--kind", "task", "--to", tmp_path / "y", "--store", store)
    assert (done.code, "no set of PR1 of kind task" in done.err) == (2, True)
    (store / "PR1/PR1-000004/manifest.json").write_text("{}")
    done = sitekeeper("backups", "get", "PR1", "--to", tmp_path / "older", "--store", store)
    assert done.code == 0
    assert "note: skipped: PR1-000004: " in done.out


def test_get_writes_all_or_nothing(sitekeeper: Callable[..., Done], store: Path, tmp_path: Path) -> None:
    file = store / "PR1/PR1-000004/registry/SMS.reg"  # the last of them
    file.write_bytes(b"REG")
    done = sitekeeper("backups", "get", "PR1-000004", "--to", tmp_path / "a/out", "--store", store)
    assert (done.code, "registry/SMS.reg: the content was changed" in done.err) == (10, True)
    assert inside(tmp_path / "a") == []


def test_files_and_diff(sitekeeper: Callable[..., Done], store: Path) -> None:
    make_set(store, "PR1", 5, "2026-02-03T01:00:00+00:00", "separate", more={"registry/SMS.reg": b"new", "x": b"1"})
    rows = sitekeeper("backups", "files", "PR1-000005", "--store", store, "--json", "--files", "registry").json
    assert [(row["file"], row["size"], row["stored"]) for row in rows] == [("registry/SMS.reg", 3, "registry/SMS.reg")]
    rows = sitekeeper("backups", "diff", "PR1-000004", "PR1-000005", "--store", store, "--json").json
    assert [(row["what"], row["change"]) for row in rows] == [
        ("consistency", "fact"),
        ("files", "fact"),
        ("bytes", "fact"),
        ("registry/SMS.reg", "changed"),
        ("x", "added"),
    ]
    done = sitekeeper("backups", "diff", "PR1-000003", "PR1-000004", "--store", store)
    assert (done.code, done.out) == (0, "no difference\n")


def test_a_share_a_day_verifies_everything_in_its_turn(sitekeeper: Callable[..., Done], store: Path) -> None:
    seen: list[str] = []
    for _ in range(4):
        rows = sitekeeper("backups", "verify", "--store", store, "--share", "1/4", "--json").json
        assert len(rows) == 3  # of twelve of one size
        seen += [row["id"] for row in rows]
    assert sorted(seen) == names(store)
    again = [row["id"] for row in sitekeeper("backups", "verify", "--store", store, "--share", "1/4", "--json").json]
    assert again == seen[:3]  # those that were verified longest ago
    marks = json.loads((store / "PR1/PR1-000001/marks.json").read_text())
    assert marks["verified"]["problems"] == []
    for wrong in ("0", "2", "1/0", "x", "-1/3"):
        assert sitekeeper("backups", "verify", "--store", store, f"--share={wrong}").code == 2
    assert sitekeeper("backups", "verify", "PR1", "--store", store, "--share", "1/4").code == 2


def test_what_was_found_damaged_stays_listed_so_until_it_verifies_again(
    sitekeeper: Callable[..., Done], store: Path
) -> None:
    file = store / "PR1/PR1-000002/registry/SMS.reg"
    file.write_bytes(b"REG")
    assert sitekeeper("backups", "list", "--store", store).code == 0  # nobody has looked yet
    assert sitekeeper("backups", "verify", "PR1-000002", "--store", store).code == 10
    done = sitekeeper("backups", "list", "--store", store, "--json")
    (row,) = [row for row in done.json if row["consistency"] == "DAMAGED"]
    assert (done.code, row["id"], "registry/SMS.reg" in row["error"]) == (10, "PR1-000002", True)
    file.write_bytes(b"reg")
    assert sitekeeper("backups", "verify", "PR1-000002", "--store", store).code == 0
    assert sitekeeper("backups", "list", "--store", store).code == 0


def test_a_listing_says_which_recovery_takes_a_set(sitekeeper: Callable[..., Done], store: Path) -> None:
    rows = sitekeeper("backups", "list", "--store", store, "--json", "--site", "PR1").json
    assert {tuple(row["feeds"]) for row in rows} == {("restore drills",)}
    assert "restore drills" in sitekeeper("backups", "list", "--store", store).out.replace("\n", " ")


PLAY = """\
- hosts: sites
  tasks:
    - store.get: {set: "{{ site_code }}", kind: snapshot, files: C/inboxes}
      register: backup
      undo: play
    - core.assert: {that: ["{{ backup.id == site_code ~ '-000004' }}", "{{ backup.database is none }}"]}
    - store.mark: {set: "{{ backup.id }}", drilled: ok}
    - store.prune: {}
"""


def test_plays_of_sites_that_are_never_contacted(
    sitekeeper: Callable[..., Done], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEKEEPER_RUNS", str(tmp_path / "runs"))
    inventory = dedent(INVENTORY).replace("        server-a: {site_code: CEN, ansible_host: 127.0.0.9}\n", "")
    (tmp_path / "hosts.yml").write_text(inventory.replace("parent: CEN, ", ""))
    (tmp_path / "play.yml").write_text(PLAY)
    run = ("run", tmp_path / "play.yml", "-i", tmp_path / "hosts.yml", "-e", f"store={store}")
    done = sitekeeper(*run, "--check")
    assert done.code == 0, done.err + done.out
    assert len(names(store)) == 12
    assert not (store / "PR1/PR1-000004/marks.json").exists()
    done = sitekeeper(*run)
    assert done.code == 0, done.err + done.out
    assert names(store) == LEFT
    for site in ("PR1", "PR2"):
        marks = json.loads((store / site / f"{site}-000004" / "marks.json").read_text())
        assert marks["drilled"]["result"] == "ok"
        assert marks["drilled"]["run"] in {folder.name for folder in (tmp_path / "runs").iterdir()}
