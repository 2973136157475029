"""The reports: what a person reads, live and from the journal, and what a machine reads."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from sitekeeper.engine import events
from sitekeeper.report.console import Console
from sitekeeper.report.jsonl import JsonLines

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _run(status: events.HostStatus = "ok", **ended: Any) -> list[events.Event]:
    failed = status != "ok"
    return [
        events.RunStarted(at=T0, run="r1", playbook="play[1].yml", check=True),
        events.PlayStarted(at=T0, play="Back up [all]", hosts=("PR1",)),
        events.HostStarted(at=T0, host="PR1", play="Back up"),
        events.TaskStarted(at=T0, host="PR1", task="Stop", module="windows.service"),
        events.Progressed(
            at=T0 + timedelta(minutes=1), host="PR1", task="Pull", done=2048, total=4 << 20, unit="B", text="[x]"
        ),
        events.TaskEnded(
            at=T0,
            host="PR1",
            task="Stop [1]",
            module="windows.service",
            status="failed" if failed else "changed",
            seconds=2.5,
            msg="did [this]",
            changes=("service A: Running -> Stopped",),
            error="error[remote]: it broke" if failed else "",
        ),
        events.Undone(at=T0, host="PR1", task="Stop", module="windows.service", ok=not failed, msg="started [again]"),
        events.HostEnded(at=T0, host="PR1", play="p", status=status, seconds=9, **ended),
        events.RunEnded(at=T0, run="r1", exit_code=7 if failed else 0, seconds=9.04),
    ]


def _shown(told: list[events.Event], *, diff: bool = False) -> str:
    out = StringIO()
    console = Console(out, diff=diff)
    for event in told:
        console(event)
    console.close()
    return out.getvalue()


def test_a_line_per_task_and_a_table() -> None:
    folder = f"/{'long-way-down/' * 6}store/PR1/PR1-000001"
    facts = {"offline": 12.34, "files": 7, "bytes": 3 << 20, "folder": folder}
    text = _shown(_run(summary=facts), diff=True)
    assert "run r1 play[1].yml (check: nothing is changed)" in text
    assert "Back up [all]: PR1" in text
    assert "PR1      changed  Stop [1]: did [this] (2.5 s)" in text
    assert "~ service A: Running -> Stopped" in text
    assert "PR1      undone Stop: started [again]" in text
    assert "... Pull: [x] 2.0 KiB of 4.0 MiB" in text
    assert "run r1: exit code 0, 9.0 s" in text
    row = next(line for line in text.splitlines() if "PR1-000001" in line)
    assert [cell.strip() for cell in row.split("  ") if cell.strip()] == [
        "PR1",
        "ok",
        "12.3 s",
        "7",
        "3.0 MiB",
        "9.0 s",
        folder,
    ]
    assert "\x1b" not in text
    assert "Running -> Stopped" not in _shown(_run())


def test_a_host_without_anything_to_do_is_no_success() -> None:
    text = _shown(_run(summary={"skipped": "not its turn: drilled yesterday"}))
    row = next(line for line in text.splitlines() if line.strip().startswith("PR1") and "9.0 s" in line)
    assert row.split()[1] == "skipped"
    assert text.count("not its turn: drilled yesterday") == 1


def test_every_failure_is_told_once() -> None:
    error = "error[remote]: it broke\nerror[undo]: [left] behind\n  hint: look"
    text = _shown(_run("failed", word="remote", error=error))
    assert text.count("it broke") == 1
    assert text.count("[left] behind") == 1
    assert "hint: look" in text
    assert "NOT UNDONE" in text
    assert "failed (remote)" in text


@pytest.mark.parametrize("status", ["partial", "skipped", "unreachable"])
def test_why_a_host_did_not_make_it(status: events.HostStatus) -> None:
    assert "PR1: because of [this]" in _shown(_run(status, error="because of [this]"))


def test_json_lines_come_back_as_the_events_that_they_were() -> None:
    out = StringIO()
    told = _run(summary={"offline": 1.5})
    for event in told:
        JsonLines(out)(event)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines == [event.as_dict() for event in told]
    assert [events.event_of(line) for line in lines] == told


def test_an_event_of_a_later_version_is_named() -> None:
    with pytest.raises(events.UnknownEventError, match="Teleported"):
        events.event_of({"event": "Teleported", "at": T0.isoformat(), "host": ""})


@pytest.fixture
def terminal() -> Iterator[tuple[Any, list[bytes]]]:
    """A terminal to write to, and what came out at its other end."""
    ours, theirs = pty.openpty()
    got: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 65536):
                got.append(piece)
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w") as out:
        yield out, got
    reader.join()
    os.close(ours)


def test_on_a_terminal_it_is_live_and_gives_the_terminal_back(
    terminal: tuple[Any, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out, got = terminal
    console = Console(out)
    for event in _run():
        console(event)
    console.close()
    console.close()
    out.flush()
    os.write(out.fileno(), b"END")
    while b"END" not in b"".join(got):
        threading.Event().wait(0.01)
    text = b"".join(got)
    assert b"\x1b[?25l" in text  # the cursor is hidden while it is live
    assert text.rindex(b"\x1b[?25h") > text.rindex(b"\x1b[?25l")
