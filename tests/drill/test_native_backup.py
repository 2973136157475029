"""SQL Server's own backup in the set: pulled after the window, listed and verified, and restored by a drill; never needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import RemoteError, UnreachableError
from sitekeeper.engine.holding.leases import Leases
from sitekeeper.engine.plan import Plan
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import BackupFile
from sitekeeper.sql.backup import Backup, BackupIntent, BackupParams
from sitekeeper.store.pulling.streams import Streams
from sitekeeper.store.pulling.tree import Found
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab

from .conftest import SCRATCH, Captured, Night, rehashed

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
        assert outcome.host("PR2")["summary"]["from"] == source
    assert marked(folder) == {"drilled": "ok", "backup_drilled": "ok"}


def marked(folder: Path) -> dict[str, str]:
    """How the last drill of each kind ended."""
    marks = json.loads((folder / "marks.json").read_text())
    return {kind: marks[kind]["result"] for kind in ("drilled", "backup_drilled") if marks[kind]}


@pytest.fixture
def backed_up(night: Night) -> Path:
    assert night.run("--limit", "PR2", playbook="playbooks/backup.yml").code == 0
    (folder,) = night.sets("PR2")
    return folder


def spoiled(folder: Path, file: str) -> None:
    """A page is torn, as if it had been backed up like that."""
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 512] = bytes(512)
    (folder / file).write_bytes(data)
    rehashed(folder, file)


def test_a_sound_backup_hides_no_damage_of_the_files(night: Night, backed_up: Path) -> None:
    spoiled(backed_up, "SiteDBServer/CM_PR2.mdf")
    chosen = f"set={backed_up.name}"
    assert night.drill("PR2", "snapshot", "-e", chosen).code == 10
    assert night.drill("PR2", "snapshot", "-e", chosen, "-e", "drill_from=backup").code == 0
    assert marked(backed_up) == {"drilled": "failed", "backup_drilled": "ok"}
    assert night.drill("PR2").code == 10, "the set is no good one"
    refused = night.restore("PR2", "-e", chosen)
    assert "the last drill of" in refused.error("PR2")


def test_a_damaged_backup_is_held_against_no_sound_files(night: Night, backed_up: Path) -> None:
    spoiled(backed_up, BAK)
    outcome = night.drill("PR2", "snapshot", "-e", "drill_from=backup")
    assert (outcome.code, night.failed_task(outcome)) == (10, "sql.restore"), outcome.error("PR2")
    assert marked(backed_up) == {"backup_drilled": "failed"}
    assert night.drill("PR2").code == 0, "what a recovery uses is sound"
    assert marked(backed_up) == {"drilled": "ok", "backup_drilled": "failed"}


def test_a_word_that_names_no_source_starts_nothing(night: Night) -> None:
    assert night.drill("PR2", "snapshot", "-e", "drill_from=bak").code == 2
    assert not (night.root / "runs").exists()


Ask = Callable[[int], Iterator[object]]


def reading(patch: pytest.MonkeyPatch, change: Callable[[Ask, int], Iterator[object]]) -> None:
    """Something comes between the host's answer and the set."""
    whole = Streams.file

    def struck(self: Streams, found: Found, place: str, source: str, ask: Ask, again: Callable[[], None]) -> None:
        whole(self, found, place, source, lambda offset: change(ask, offset), again)

    patch.setattr(Streams, "file", struck)


def test_a_pull_goes_on_where_the_connection_was_lost(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection is taken up by the wire itself; here the shell is lost with it."""

    def blocks(ask: Ask, offset: int) -> Iterator[object]:
        for number, block in enumerate(ask(offset)):
            yield block
            if number == 3 and not offset:
                raise UnreachableError("the shell is gone")

    reading(monkeypatch, blocks)
    monkeypatch.setattr("sitekeeper_lab.functions.read_sk_work_file._BLOCK", 32_768)  # several to a small file
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.events[-3:]
    assert BAK in entries(night)
    asked = [one["arguments"]["Offset"] for one in night.calls("PR2") if one["command"] == "Read-SkWorkFile"]
    assert asked[-2:] == [0, 3 * 32_768]
    assert main(["backups", "verify", "--store", str(night.store)]) == 0


def test_a_pull_whose_connection_is_lost_after_the_last_byte_is_whole(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocks(ask: Ask, offset: int) -> Iterator[object]:
        yield from ask(offset)
        monkeypatch.setattr("sitekeeper.store.pull_backup.list_files", lost)
        raise UnreachableError("the shell is gone")

    reading(monkeypatch, blocks)
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.events[-3:]
    assert BAK in entries(night)
    assert main(["backups", "verify", "--store", str(night.store)]) == 0


def lost(*_: object) -> None:
    raise UnreachableError("the connection was lost")


def lost_with_its_lease(_: Night, patch: pytest.MonkeyPatch) -> None:
    """The pull before it took so long that the lease has to be renewed."""
    plan, take, due = Backup.plan, Leases.take, [True]

    def planned(self: Backup, ctx: Context, params: BackupParams) -> Plan[BackupIntent, BackupFile]:
        made = plan(self, ctx, params)
        patch.setattr(Leases, "take", taken)
        return made

    def taken(self: Leases, there: Context) -> None:
        if due:
            due.clear()
            lost()
        take(self, there)

    patch.setattr(Backup, "plan", planned)


def nonsense_after_the_last_byte(ask: Ask, offset: int) -> Iterator[object]:
    yield from ask(offset)
    yield "no bytes"


WAYS: dict[str, Callable[[Night, pytest.MonkeyPatch], object]] = {
    "no room": lambda night, _: night.lab.fault("PR2", "sql_statement", kind="backup", do="disk_full", at=70),
    "SQL Server cuts the connection": lambda night, _: night.lab.fault(
        "PR2", "sql_statement", kind="backup", do="drop"
    ),
    "lost before": lambda _, patch: patch.setattr("sitekeeper.sql.backup.list_files", lost),
    "lost with its lease": lost_with_its_lease,
    "lost while it is pulled": lambda _, patch: patch.setattr("sitekeeper.store.pull_backup.list_files", lost),
    "spoiled after the last byte": lambda _, patch: reading(patch, nonsense_after_the_last_byte),
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
    assert "no files were given" in outcome.error("PR2")


def stuck(patch: pytest.MonkeyPatch, times: int, error: type[RemoteError | UnreachableError]) -> None:
    """The file cannot be deleted, so often: a scanner holds it, or its host does not answer."""
    undo, left = Backup.undo, [error("the file stays")] * times

    def held(self: Backup, ctx: Context, intent: BackupIntent, outcome: BackupFile | None) -> str:
        if left:
            raise left.pop()
        return undo(self, ctx, intent, outcome)

    patch.setattr(Backup, "undo", held)


@pytest.mark.parametrize("error", [RemoteError, UnreachableError])
@pytest.mark.parametrize("written", [True, False])
def test_a_file_that_stays_keeps_no_set_back_and_is_told(
    night: Night, monkeypatch: pytest.MonkeyPatch, *, written: bool, error: type[RemoteError | UnreachableError]
) -> None:
    if not written:
        night.lab.fault("PR2", "sql_statement", kind="backup", do="disk_full", at=70)
    stuck(monkeypatch, 99, error)
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 13, made.errors
    assert "sql.backup" in made.error("PR2")
    assert (BAK in entries(night)) is written
    assert night.manifest("PR2")["consistency"] == "writer"
    monkeypatch.undo()
    (run,) = [one for one in (night.root / "runs").iterdir() if (one / "journal.db").is_file()]
    assert main(["rollback", run.name, "--runs", str(run.parent)]) == 0


def test_a_half_file_that_goes_at_the_second_try_is_no_failure(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.lab.fault("PR2", "sql_statement", kind="backup", do="disk_full", at=70)
    stuck(monkeypatch, 1, RemoteError)
    made = night.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.errors
    assert BAK not in entries(night)
    told = [one["ok"] for one in made.events if one["event"] == "Undone" and one["module"] == "sql.backup"]
    assert told == [False, True]
