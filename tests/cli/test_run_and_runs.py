"""``sitekeeper run`` and what ``sitekeeper runs`` tells of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tests.journals import an_intent, run_begun

from sitekeeper.cli.common import wiring
from sitekeeper.cli.run import extra_vars
from sitekeeper.engine import events
from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.journal import journal
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import Told
from sitekeeper.engine.secrets import Secret

from .conftest import Done


def _run(sitekeeper: Any, place: Path, *more: str) -> Any:
    return sitekeeper("run", place / "play.yml", "-i", place / "hosts.yml", *more)


def test_a_run_and_its_report_from_the_journal(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = _run(sitekeeper, place, "-e", "who=operator", "--limit", "001")
    assert (done.code, done.err) == (0, "")
    assert "server-b ok       Say it: hello operator from 001" in done.out
    assert "server-b skipped  Only one of us:" in done.out
    assert "exit code 0" in done.out
    shown = sitekeeper("runs", "show", "last")
    assert shown.out == done.out
    listed = sitekeeper("runs", "list", "--json").json
    assert [(row["state"], row["exit_code"], row["open_changes"], row["hosts"]) for row in listed] == [
        ("ended", 0, 0, {"server-b": "ok"})
    ]
    assert listed[0]["playbook"] == str(place / "play.yml")
    assert listed[0]["run"] in sitekeeper("runs", "list").out


def test_events_as_json_lines_are_those_of_the_journal(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = _run(sitekeeper, place, "--json")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert told[0]["event"] == "RunStarted"
    assert told[-1]["event"] == "RunEnded"
    rows = sitekeeper("runs", "show", "last", "--json").json
    assert [row["data"] for row in rows if row["kind"] == "event"] == told


def test_a_failure_is_told_with_its_line(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = _run(sitekeeper, place, "-e", "unwilling=001")
    assert done.code == 1
    assert "error[failed]: 001 will not (host server-b, task 'Only one of us')" in done.out
    assert "play.yml:7:7" in done.out
    assert done.out.count("001 will not (host") == 1
    assert "failed (failed)" in done.out


def test_check_and_tags(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = _run(sitekeeper, place, "--check", "--diff", "--forks", "1")
    assert (done.code, "(check: nothing is changed)" in done.out) == (0, True)
    done = _run(sitekeeper, place, "--tags", "nope")
    assert (done.code, done.out) == (2, "")
    assert "error[usage]: no task has the tag `nope`" in done.err


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--limit", "server-x"), 2, "error[usage]: `server-x` is neither a host nor a group"),
        (("--forks", "0"), 2, "error[usage]: --forks must be at least 1"),
        (("-e", "novalue"), 2, "error[usage]: -e takes NAME=VALUE, not 'novalue'"),
        (("-e", "{broken"), 2, "error[usage]: -e is not JSON"),
        (("-e", "@/nowhere.yml"), 2, "error[usage]: cannot read /nowhere.yml"),
        (("--runs", "/proc/nowhere/runs"), 2, "error[usage]: cannot keep a journal in"),
        (("--unknown",), 2, "unrecognized arguments: --unknown"),
        (("--forks", "many"), 2, "invalid int value"),
    ],
)
def test_wrong_arguments_start_nothing(
    sitekeeper: Callable[..., Done], place: Path, more: tuple[str, ...], code: int, message: str
) -> None:
    done = _run(sitekeeper, place, *more)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert not (place / "runs").exists()


def test_no_inventory_no_playbook_and_a_broken_one(sitekeeper: Callable[..., Done], place: Path) -> None:
    done = sitekeeper("run", place / "play.yml", "-i", place / "none.yml")
    assert (done.code, done.err.split(":")[0]) == (3, "error[inventory]")
    done = sitekeeper("run", place / "none.yml", "-i", place / "hosts.yml")
    assert (done.code, done.err.split(":")[0]) == (2, "error[usage]")
    (place / "play.yml").write_text("- hosts: sites\n  tasks:\n    - core.debugg: {msg: x}\n")
    done = _run(sitekeeper, place)
    assert done.code == 2
    assert "  3 |     - core.debugg: {msg: x}\n    |       ^" in done.err
    assert "hint: did you mean `core.debug`?" in done.err
    done = _run(sitekeeper, place, "--json")
    assert done.json == {
        "error": "usage",
        "message": "no module `core.debugg`",
        "host": None,
        "origin": f"{place / 'play.yml'}:3:7",
        "hint": "did you mean `core.debug`?",
    }
    assert not (place / "runs").exists()


def test_a_host_that_cannot_be_reached(sitekeeper: Callable[..., Done], place: Path) -> None:
    (place / "play.yml").write_text("- hosts: sites\n  tasks:\n    - site.facts:\n")
    (place / "hosts.yml").write_text(
        "sites:\n  hosts:\n    gone: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: a, ansible_password: hunter2}\n"
    )
    done = _run(sitekeeper, place)
    assert done.code == 5
    assert "unreachable" in done.out
    assert "hunter2" not in done.out + done.err


def test_passwords_on_the_command_line_are_kept_nowhere(sitekeeper: Callable[..., Done], place: Path) -> None:
    (place / "more.yml").write_text("sql_password: hunter3\n")
    done = _run(sitekeeper, place, "-e", "ansible_password=hunter2", "-e", f"@{place / 'more.yml'}")
    assert done.code == 0
    written = b"".join(file.read_bytes() for file in (place / "runs").rglob("*") if file.is_file())
    assert b"-e ansible_password" in written
    assert b"hunter" not in written


def test_extra_variables(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("a: 1\nb: [x]\n")
    assert extra_vars(["a=1", '{"c": {"d": 2}}', f"@{file}", "e=f=g", "h="]) == {
        "a": 1,
        "b": ["x"],
        "c": {"d": 2},
        "e": "f=g",
        "h": "",
    }
    assert isinstance(extra_vars(["sql_password=x"])["sql_password"], Secret)
    for wrong in ("=x", "a b=c", "[1]", "{}x"):
        with pytest.raises(UsageError):
            extra_vars([wrong])
    file.write_text("- a\n")
    with pytest.raises(UsageError, match="must give a mapping"):
        extra_vars([f"@{file}"])


def test_runs_that_were_cut_off_come_first_and_a_damaged_one_is_named(
    sitekeeper: Callable[..., Done], place: Path
) -> None:
    _run(sitekeeper, place)
    cut = Journal(place / "runs" / "0-cut-off")
    cut.commit(run_begun("0-cut-off"))
    cut.intent(an_intent("Stop"), host="PR1", task="0")
    cut.close()
    (place / "runs" / "1-damaged").mkdir(mode=0o700)
    (place / "runs" / "1-damaged" / "journal.db").write_bytes(b"no database" * 99)
    rows = sitekeeper("runs", "list", "--json").json
    assert [(row["state"], row["open_changes"]) for row in rows] == [("open", 1), ("damaged", None), ("ended", 0)]
    shown = sitekeeper("runs", "show", "0-cut-off")
    assert shown.out == "open: PR1 windows.service (Stop), change 1\n"
    assert sitekeeper("runs", "show", "1-damaged").code == 10
    done = sitekeeper("runs", "show", "nothing")
    assert (done.code, "error[usage]: no run at" in done.err) == (2, True)


@pytest.mark.parametrize(("ended", "left"), [(10, "failed"), (None, None)])
def test_a_run_that_was_rolled_back_keeps_its_own_end(
    sitekeeper: Callable[..., Done], place: Path, ended: int | None, left: str | None
) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    told: list[events.Event] = [events.RunStarted(at=at, run="r1", playbook="p.yml", check=False)]
    if ended is not None:
        told += [
            events.HostEnded(at=at, host="PR1", play="Drill", status="failed", seconds=1, word="integrity"),
            events.RunEnded(at=at, run="r1", exit_code=ended, seconds=1),
        ]
    told += [
        events.PlayStarted(at=at, play=events.play_of_rollback("r1"), hosts=("PR1",)),
        events.HostEnded(at=at, host="PR1", play="rollback", status="rolled back", seconds=1),
        events.RunEnded(at=at, run="r1", exit_code=0, seconds=1),
    ]
    made = Journal(place / "runs" / "r1")
    made.commit(run_begun("r1"))
    for event in told:
        made.note(Told(event), host=event.host)
    made.close()
    (row,) = sitekeeper("runs", "list", "--json").json
    assert (row["state"], row["exit_code"], row["hosts"].get("PR1")) == ("rolled back", ended, left)


def test_no_runs(sitekeeper: Callable[..., Done], place: Path) -> None:
    assert sitekeeper("runs", "list").out == "no runs\n"
    assert sitekeeper("runs", "list", "--json").json == []
    assert sitekeeper("runs", "show", "last").code == 2


def test_an_event_of_a_later_version_is_shown_by_name(sitekeeper: Callable[..., Done], place: Path) -> None:
    _run(sitekeeper, place)
    (folder,) = (place / "runs").iterdir()
    with sqlite3.connect(folder / "journal.db") as connection:
        connection.execute("UPDATE record SET data = replace(data, 'HostStarted', 'Teleported')")
    connection.close()
    done = sitekeeper("runs", "show", "last")
    assert done.code == 0
    assert "unknown event 'Teleported'" in done.out


def _program(place: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "sitekeeper.cli.main",
        "run",
        str(place / "play.yml"),
        "-i",
        str(place / "hosts.yml"),
        *more,
    ]


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["console", "json"])
def test_a_reader_that_goes_away_stops_no_run(place: Path, more: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(_program(place, *more), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    (folder,) = (place / "runs").iterdir()
    ended = [row.data["event"] for row in journal.read(folder) if row.kind == "event"]
    assert ended.count("HostEnded") == 3
    assert ended[-1] == "RunEnded"


HEEDED = ["env", "--default-signal=HUP"]
"""Whoever runs the tests under nohup would hand its deafness on."""


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGHUP, HEEDED), (signal.SIGTERM, ["nohup"])],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGTERM after SIGHUP under nohup"],
)
def test_a_signal_stops_a_run_cleanly(place: Path, number: int, how: list[str]) -> None:
    """A lost terminal is one, unless it was asked to be none."""
    (place / "play.yml").write_text(
        "- hosts: server-a\n  tasks:\n    - core.debug: {msg: waiting}\n      until: false\n      retries: 9\n      delay: 1h\n"
    )
    with subprocess.Popen([*how, *_program(place, "--json")], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if json.loads(line)["event"] == "TaskStarted":
                break
        if how == ["nohup"]:
            child.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert child.poll() is None
        child.send_signal(number)
        try:
            out, err = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            raise
    assert child.returncode == 14, err
    last = [json.loads(line) for line in out.splitlines()]
    assert last[-1]["exit_code"] == 14
    assert err in {b"", b"nohup: ignoring input\n"}


def test_a_terminal_that_hangs_up_twice_is_no_second_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell tells its jobs, and the kernel tells them again when the shell is gone."""

    class Heard:
        stop = Event()
        times = 0

        def interrupt(self) -> None:
            self.stop.set()
            self.times += 1

    run: Any = Heard()
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with wiring._stopping(run):
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
                os.kill(os.getpid(), number)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run.times == 3


@pytest.mark.parametrize("command", ["resume", "rollback"])
def test_a_run_is_taken_up_from_any_folder(
    sitekeeper: Callable[..., Done], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (place / "play.yml").write_text("- hosts: server-a\n  tasks:\n    - core.include_tasks: part.yml\n")
    (place / "part.yml").write_text("- core.debug: {msg: x}\n  until: false\n  retries: 9\n  delay: 0.2s\n")
    given = [sys.executable, "-m", "sitekeeper.cli.main", "run", "play.yml", "-i", "hosts.yml", "--json"]
    child = subprocess.Popen(given, stdout=subprocess.PIPE, cwd=place)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["event"] == "TaskStarted":
            break
    child.kill()
    child.communicate()
    (run,) = (place / "runs").iterdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = sitekeeper(command, run.name)
    assert done.code == (1 if command == "resume" else 0), done.err  # it goes on, and fails as it would have
