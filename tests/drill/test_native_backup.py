"""SQL Server's own backup in the set: pulled after the window, listed and verified, and restored by a drill; never needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import UnreachableError
from sitekeeper.lab.hierarchy import Hierarchy
from sitekeeper.lab.server import Lab
from sitekeeper.store._streams import Streams
from sitekeeper.store._tree import Found

from .conftest import SCRATCH, Captured, Night

NATIVE = '{"native_backup": true}'
BAK = "SiteDBServer/Backup/CM_PR2.bak"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("native")
    data = hosts_of_the_lab("PR2", SCRATCH, size=0.6)
    with Lab(Hierarchy.model_validate(data), root / "lab") as lab:
        yield lab


@pytest.fixture
def night(lab: Lab, tmp_path: Path) -> Iterator[Night]:
    mine = Night(lab, tmp_path, Captured(), ["-e", "settle=0.3s", "-e", "maintenance=none", "-e", NATIVE])
    yield mine
    mine.assert_scratch_is_clean()
    mine.assert_clean("PR2")
    work = lab.host("PR2").files.resolve("E:\\Restore")
    assert [path.name for path in work.iterdir()] == ["sitekeeper-work.txt"], "the backup was left on SQL Server's disk"


def entries(night: Night) -> dict[str, int]:
    return {one["file"]: one["size"] for one in night.manifest("PR2")["entries"] if one["kind"] == "file"}


def test_it_lies_in_the_set_and_a_drill_restores_it(night: Night) -> None:
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.events[-3:]
    (folder,) = night.sets("PR2")
    assert entries(night)[BAK] == (folder / BAK).stat().st_size > 0
    assert night.manifest("PR2")["consistency"] == "writer"
    assert main(["backups", "verify", "--store", str(night.store)]) == 0
    night.capture.readouterr()
    for source in ("backup", "files"):
        before = len(night.audit("sql", SCRATCH))
        outcome = night.drill("PR2", "snapshot", "-e", f"drill_from={source}")
        assert outcome.code == 0, outcome.error("PR2")
        said = " ".join(str(line) for line in night.audit("sql", SCRATCH)[before:]).upper()
        assert ("RESTORE DATABASE" in said) is (source == "backup")
    marks = json.loads((folder / "marks.json").read_text())
    assert marks["drilled"]["result"] == "ok"


def test_a_pull_goes_on_where_the_connection_was_lost(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection is taken up by the wire itself; here the shell is lost with it."""
    whole = Streams.file

    def struck(
        self: Streams,
        found: Found,
        place: str,
        source: str,
        ask: Callable[[int], Iterator[object]],
        again: Callable[[], None],
    ) -> None:
        def blocks(offset: int) -> Iterator[object]:
            for number, block in enumerate(ask(offset)):
                yield block
                if number == 3 and not offset:
                    raise UnreachableError("the shell is gone")

        whole(self, found, place, source, blocks, again)

    monkeypatch.setattr(Streams, "file", struck)
    monkeypatch.setattr("sitekeeper.lab.functions.read_sk_work_file._BLOCK", 32_768)  # several to a small file
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.events[-3:]
    assert BAK in entries(night)
    asked = [one["arguments"]["Offset"] for one in night.calls("PR2") if one["command"] == "Read-SkWorkFile"]
    assert asked[-2:] == [0, 3 * 32_768]
    assert main(["backups", "verify", "--store", str(night.store)]) == 0


def lost(*_: object) -> None:
    raise UnreachableError("the connection was lost")


WAYS: dict[str, Callable[[Night, pytest.MonkeyPatch], object]] = {
    "no room": lambda night, _: night.lab.fault("PR2", "sql_statement", kind="backup", do="disk_full", at=70),
    "SQL Server cuts the connection": lambda night, _: night.lab.fault(
        "PR2", "sql_statement", kind="backup", do="drop"
    ),
    "lost before": lambda _, patch: patch.setattr("sitekeeper.sql.backup.listed", lost),
    "lost while it is pulled": lambda _, patch: patch.setattr("sitekeeper.store.pull_backup.listed", lost),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_set_is_published_without_it(night: Night, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    WAYS[way](night, monkeypatch)
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.events[-3:]
    assert BAK not in entries(night)
    assert night.manifest("PR2")["consistency"] == "writer"
    outcome = night.drill("PR2", "snapshot", "-e", "drill_from=backup")
    assert outcome.code == 2
    assert "none given" in outcome.error("PR2")
