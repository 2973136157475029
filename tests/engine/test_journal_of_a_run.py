"""The journal: durable before a change is made, closed to others, and the same for whoever reads it later."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.journals import an_intent

from sitekeeper.engine import secrets
from sitekeeper.engine.errors import IntegrityError, LimitError, UsageError
from sitekeeper.engine.inventory import inventory_reader
from sitekeeper.engine.journal import journal, open_run
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import Kept, LeaseTaken, Outcome, Rescued, UndoDone, UndoFailed
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.plain import plain
from sitekeeper.engine.plan import Record, Unknown
from sitekeeper.engine.run import resume

from .conftest import Stage


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_closed_to_others_whatever_the_umask(tmp_path: Path, umask: None, mask: int) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    os.umask(mask)
    written = Journal(tmp_path / "state" / "runs" / "r1")
    written.close()
    for folder in (written.folder.parent, written.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_wider_folder_is_refused(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    runs.chmod(0o755)  # whatever the umask
    with pytest.raises(UsageError, match="open to others") as caught:
        Journal(runs / "r1")
    assert caught.value.hint == f"chmod 700 {runs}"
    assert list(runs.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot keep a journal"):
        Journal(tmp_path / "file" / "runs" / "r1")


def test_records_come_back_in_order_and_commits_are_on_disk(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "runs" / "r1")) as written:
        written.note(LeaseTaken("PR1"), host="PR1")
        change = written.intent(an_intent("y", "x"), host="PR1", task="0.tasks.1")
        assert [row.kind for row in journal.read(written.folder)] == ["lease", "intent"]  # while it is still open
        written.note(Outcome({}), host="PR1", change=change)
    rows = list(journal.read(written.folder))
    assert [(row.seq, row.kind, row.change) for row in rows] == [
        (1, "lease", None),
        (2, "intent", 1),
        (3, "outcome", 1),
    ]
    assert (rows[1].host, rows[1].task, rows[1].data) == (
        "PR1",
        "0.tasks.1",
        {"module": "x", "policy": "failure", "name": "y", "round": "", "intent": {}},
    )


class _Slow(sqlite3.Connection):
    """A journal's connection on a slow disk."""

    def commit(self) -> None:
        time.sleep(0.2)
        super().commit()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Those that journals open from now on, all of them slow."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def slow(file: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
        opened.append(connect(file, check_same_thread=check_same_thread, factory=_Slow))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", slow)
    return opened


def test_a_commit_is_answered_when_it_is_on_disk(tmp_path: Path, connections: list[sqlite3.Connection]) -> None:
    with closing(Journal(tmp_path / "runs" / "r1")) as written:
        (mode,) = connections[0].execute("PRAGMA synchronous").fetchone()
        assert mode == 2, "FULL: SQLite syncs its log with each commit"
        written.intent(an_intent("y"), host="PR1", task="0.tasks.1")
        assert [row.kind for row in journal.read(written.folder)] == ["intent"]


def test_one_process_writes_a_journal(tmp_path: Path) -> None:
    with (
        closing(Journal(tmp_path / "runs" / "r1")) as written,
        pytest.raises(LimitError, match="run r1 is still going on in another process"),
    ):
        Journal(written.folder, again=True).close()
    Journal(written.folder, again=True).close()


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    written = Journal(tmp_path / "runs" / "r1")
    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(lambda n: written.intent(an_intent(str(n)), host="h", task="t"), range(200)))
    written.close()
    assert sorted(numbers) == list(range(1, 201))
    rows = list(journal.read(written.folder))
    assert sorted(int(row.data["name"]) for row in rows) == list(range(200))


def test_open_changes_are_those_neither_undone_nor_kept(tmp_path: Path) -> None:
    written = Journal(tmp_path / "runs" / "r1")
    for name in ("undone", "kept", "failed", "cut off"):
        written.intent(an_intent(name), host="h", task="t")
    written.commit(Outcome({}), host="h", task="t", change=1)
    written.commit(UndoDone("gone"), host="h", task="t", change=1)
    written.commit(Kept(), host="h", task="t", change=2)
    written.commit(UndoFailed("remote", "no"), host="h", task="t", change=3)
    written.close()
    assert [left.intent.name for left in journal.open_changes(written.folder)] == ["failed", "cut off"]


def test_what_is_closed_takes_nothing_more(tmp_path: Path) -> None:
    written = Journal(tmp_path / "runs" / "r1")
    written.close()
    written.note(Rescued())
    with pytest.raises(IntegrityError, match="it is closed"):
        written.commit(Rescued())


def test_values_as_json_can_hold_them() -> None:
    class Own(Record):
        pw: Any
        when: Any

    value = {
        "own": Own(pw=secrets.inline("hunter2", "f:1"), when=datetime(2026, 1, 2, tzinfo=UTC)),
        "path": Path("/x"),
        5: (1, {2}),
        "unknown": Unknown("a.b"),
        "bytes": b"abc",
        "time": timedelta(minutes=1),
        "day": date(2026, 1, 2),
        "money": Decimal("1.50"),
        "guid": UUID(int=5),
    }
    assert plain(value) == {
        "own": {"pw": "<secret inline:f:1>", "when": "2026-01-02T00:00:00+00:00"},
        "path": "/x",
        "5": [1, [2]],
        "unknown": "known after a.b",
        "bytes": "<3 bytes>",
        "time": 60.0,
        "day": "2026-01-02",
        "money": "1.50",
        "guid": "00000000-0000-0000-0000-000000000005",
    }


def test_what_json_cannot_hold_is_refused_before_it_is_queued(tmp_path: Path) -> None:
    written = Journal(tmp_path / "runs" / "r1")
    with pytest.raises(TypeError, match="object cannot be journaled"):
        written.commit(Outcome({"x": object()}))
    written.close()


def test_no_run_a_damaged_one_and_one_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run at"):
        list(journal.read(tmp_path))
    (tmp_path / "journal.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(IntegrityError, match="is damaged"):
        list(journal.read(tmp_path))
    written = Journal(tmp_path / "runs" / "r1")
    written.close()
    with sqlite3.connect(written.file) as connection:
        connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(IntegrityError, match="has format 9"):
        list(journal.read(written.folder))


def _break(stage: Any) -> None:
    """From now on the journal cannot be written: its table is gone."""
    (folder,) = stage.runs.iterdir()
    connection = sqlite3.connect(folder / "journal.db")
    connection.execute("DROP TABLE record")
    connection.commit()
    connection.close()


def test_a_journal_that_cannot_be_written_stops_changes_before_they_are_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listener(event: Any) -> None:
        if getattr(event, "status", "") == "changed":
            _break(stage)

    stage.listeners = (listener,)
    with pytest.raises(IntegrityError, match="could not be written") as caught:
        stage.tasks("- test.change: {name: a}", "- test.change: {name: b}", "- test.read: {value: c}")
    assert caught.value.exit_code == 10
    # `b` was never made, and `a` is taken back although nobody can write that down.
    assert stage.did() == ["made a", "undone a"]
    assert stage.told() == [("test.change", "changed"), ("test.change", "failed")]


def test_older_changes_are_taken_back_without_a_journal(stage: Stage) -> None:
    def listener(event: Any) -> None:
        if getattr(event, "task", "") == "now" and getattr(event, "status", "") == "failed":
            _break(stage)

    stage.listeners = (listener,)
    with pytest.raises(IntegrityError):
        stage.tasks(
            "- test.change: {name: a}",
            "- test.change: {name: b}",
            "- test.change: {name: c}\n  undo: play",
            "- core.fail:\n  name: now",
        )
    assert stage.did() == ["made a", "made b", "made c", "undone c", "undone b", "undone a"]


def test_intent_before_outcome_before_undone(stage: Stage) -> None:
    stage.tasks("- test.change: {name: a}\n  undo: play\n  register: x")
    rows = [row for row in stage.rows() if row.change is not None]
    assert [row.kind for row in rows] == ["intent", "outcome", "undone"]
    assert rows[0].data == {
        "module": "test.change",
        "policy": "play",
        "name": "test.change",
        "round": "",
        "intent": {"version": 1, "name": "a", "fails": "no"},
    }
    assert rows[1].data["made"] == "id of a"
    assert {row.task for row in rows} == {"0.tasks.0"}


def test_a_half_made_change_has_no_outcome(stage: Stage) -> None:
    stage.tasks("- test.change: {name: a, fails: undo}\n  failed_when: true")
    assert [row.kind for row in stage.rows() if row.change] == ["intent", "outcome", "undo failed"]
    stage.runs = stage.root / "other"
    stage.tasks("- test.change: {name: a, fails: half}")
    assert [row.kind for row in stage.rows() if row.change] == ["intent", "undone"]


def test_what_the_run_was_made_of(stage: Stage) -> None:
    part = stage.file("part.yml", "- test.read:\n")
    stage.tasks("- core.include_tasks: part.yml", extra={"a": 1}, limit="PR1")
    (run,) = stage.rows("run")
    assert run.data["extra"] == {"a": 1}
    assert run.data["limit"] == "PR1"
    assert run.data["texts"][str(part)] == "- test.read:\n"
    assert list(run.data["texts"]) == [str(stage.root / "play.yml"), str(part)]


def test_a_run_is_resumed_only_with_the_files_that_it_started_with(stage: Stage) -> None:
    part = stage.file("part.yml", "- test.read:\n")
    stage.tasks("- core.include_tasks: part.yml")
    (folder,) = stage.runs.iterdir()
    file = stage.root / "play.yml"
    inventory = inventory_reader.load(stage.root / "hosts.yml")
    resume.same_sources(open_run.read(folder), playbook_reader.load(file), inventory, {}, "")
    part.write_text("- test.read: {value: 1}\n")
    with pytest.raises(UsageError, match=r"part\.yml was changed since the run started"):
        resume.same_sources(open_run.read(folder), playbook_reader.load(file), inventory, {}, "")
