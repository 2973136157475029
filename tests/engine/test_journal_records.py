"""Every record comes back as it was written; every damaged or foreign row is named."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.journals import an_intent, run_begun

from sitekeeper.engine import events
from sitekeeper.engine.errors import IntegrityError, SitekeeperError
from sitekeeper.engine.journal import journal, open_run, records
from sitekeeper.engine.journal.journal import Journal, Row
from sitekeeper.engine.plan import Check
from sitekeeper.report import evidence

T0 = datetime(2026, 1, 2, tzinfo=UTC)
ENDED = events.TaskEnded(
    at=T0, host="PR1", task="t", module="m", status="ok", seconds=1.0, checks=(Check(name="n", status="ok", said="s"),)
)
ALL: list[records.AnyRecord] = [
    run_begun("r1"),
    records.RunResumed(**{**run_begun("r1").data(), "tags": (), "skip_tags": ()}),
    records.RunLeft(),
    records.Told(ENDED),
    records.Told(events.RunStarted(at=T0, run="r1", playbook="p.yml", check=False)),
    an_intent("x"),
    records.Outcome({"changed": True}),
    records.UndoDone("gone", {"offline": 1}),
    records.UndoFailed("remote", "no"),
    records.Kept(),
    records.TaskDone(round="0", module="", result={"skipped": True}),
    records.Registered("site", 1),
    records.FactsSet({"a": 1}),
    records.LeaseTaken("PR1"),
    records.GuardArmed("PR1"),
    records.BlockClosed("0"),
    records.Abandoned(),
    records.Rescued(),
    records.StartedOver(),
    records.TasksDone(),
    records.PlayDone(),
]


def row(record: records.AnyRecord, data: Any = None) -> Row:
    given_ = json.loads(json.dumps(record.data())) if data is None else data
    return Row(7, T0.isoformat(), record.kind, "PR1", "0.tasks.0", 3, given_)


def test_all_kinds_are_here() -> None:
    assert {type(one) for one in ALL} == set(get_args(records.AnyRecord))


@pytest.mark.parametrize("record", ALL, ids=[f"{number}-{one.kind}" for number, one in enumerate(ALL)])
def test_a_record_comes_back(record: records.AnyRecord) -> None:
    assert records.record_of(row(record)) == record


@pytest.mark.parametrize(
    ("record", "data", "why"),
    [
        (an_intent("x"), {"module": "m", "policy": "sometimes", "name": "n", "round": "", "intent": None}, "policy"),
        (an_intent("x"), {"module": "m"}, "policy"),
        (records.Outcome({}), [], "not a mapping"),
        (records.TaskDone(round="", module="", result=None), {"module": ""}, "round"),
        (records.LeaseTaken("h"), {"host": 5}, "host"),
        (records.UndoDone("x"), {"msg": "x", "notes": ["x"]}, "notes"),
        (records.Told(ENDED), {"event": "TaskEnded"}, "at"),
        (records.Told(ENDED), {"event": ["x"]}, "unknown event"),
        (records.Told(ENDED), {**ENDED.as_dict(), "status": "wonderful"}, "status"),
        (records.Told(ENDED), {**ENDED.as_dict(), "checks": [{"name": "n", "statu": "ok", "said": "s"}]}, "checks.0"),
        (records.Told(ENDED), {**ENDED.as_dict(), "at": "a/../../b"}, "at"),
        (records.Told(ENDED), {**ENDED.as_dict(), "more": 1}, "unknown field more"),
        (run_begun("r1"), {"run": "r1"}, "playbook"),
    ],
)
def test_a_damaged_row_is_named(record: records.AnyRecord, data: Any, why: str) -> None:
    with pytest.raises(IntegrityError, match=rf"record 7 \({record.kind}\) of the journal cannot be read: .*{why}"):
        records.record_of(row(record, data))


def test_a_foreign_kind_a_change_without_number_and_a_host_without_name_are_named() -> None:
    for damaged in (
        Row(7, "", "teleport", "PR1", "", None, {}),
        Row(7, "", "intent", "PR1", "", None, an_intent("x").data()),
        Row(7, "", "kept", "", "", 1, {}),
    ):
        with pytest.raises(IntegrityError, match="record 7"):
            records.record_of(damaged)


def _written(folder: Path) -> Path:
    written = Journal(folder / "r1")
    written.commit(run_begun("r1"))
    for one in ALL[1:]:
        if isinstance(one, records.Intent):
            written.intent(one, host="PR1", task="0.tasks.0")
        else:
            of_change = isinstance(one, records.Outcome | records.UndoDone | records.UndoFailed | records.Kept)
            written.note(one, host="PR1", task="0.tasks.0", change=1 if of_change else None)
    written.note(records.Told(events.RunEnded(at=T0, run="r1", exit_code=0, seconds=1)))
    written.close()
    return folder / "r1"


def _readers(folder: Path) -> None:
    for read in (open_run.read, journal.open_changes, evidence.of_run):
        try:
            found = read(folder)
            if isinstance(found, evidence.Evidence):
                evidence.as_html(found)
                evidence.as_junit(found)
        except SitekeeperError:
            pass  # typed: it names what is wrong


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "ok", "../x", "a\0b", "RunEnded"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["event", "at", "round", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(seq=st.integers(1, len(ALL) + 1), column=st.sampled_from(["kind", "host", "change", "data", "key"]), value=JSON)
def test_no_row_makes_a_reader_fall_over(
    tmp_path_factory: pytest.TempPathFactory, seq: int, column: str, value: Any
) -> None:
    folder = _written(tmp_path_factory.mktemp("runs"))
    connection = sqlite3.connect(folder / "journal.db")
    if column == "key":
        (text,) = connection.execute("SELECT data FROM record WHERE seq = ?", (seq,)).fetchone()
        data = json.loads(text)
        for name in list(data)[:2] if isinstance(data, dict) else ():
            data[name] = value
        column, value = "data", data
    given_ = json.dumps(value) if column == "data" or isinstance(value, list | dict) else value
    try:
        connection.execute(f"UPDATE record SET {column} = ? WHERE seq = ?", (given_, seq))  # noqa: S608 - fixed names
        connection.commit()
    except sqlite3.IntegrityError:
        pass  # the table itself refuses it
    connection.close()
    _readers(folder)


@pytest.mark.parametrize("status", ["ok", "partial", "skipped", "rolled back"])
def test_a_host_that_finished_has_nothing_left(tmp_path: Path, status: events.HostStatus) -> None:
    written = Journal(tmp_path / "r1")
    written.commit(run_begun("r1"))
    written.note(records.Told(events.HostStarted(at=T0, host="PR1", play="p")), host="PR1")
    written.commit(records.LeaseTaken("PR1"), host="PR1")
    ended = events.HostEnded(at=T0, host="PR1", play="p", status=status, seconds=1.0)
    written.note(records.Told(ended), host="PR1")
    written.note(records.Told(events.RunEnded(at=T0, run="r1", exit_code=20, seconds=1.0)))
    written.close()
    assert open_run.read(tmp_path / "r1").left() == {}


def test_a_damaged_event_keeps_nobody_from_undoing(tmp_path: Path) -> None:
    written = Journal(tmp_path / "r1")
    written.commit(run_begun("r1"))
    written.intent(an_intent("x", "core.debug"), host="PR1", task="0.tasks.0")
    written.close()
    connection = sqlite3.connect(tmp_path / "r1" / "journal.db")
    connection.execute(
        "INSERT INTO record (at, kind, host, task, data) VALUES ('', 'event', 'PR1', '', '{\"event\": 5}')"
    )
    connection.commit()
    connection.close()
    assert list(open_run.read(tmp_path / "r1").left()) == ["PR1"]
