"""Nobody reads what the run says: a pager, a terminal that was halted. The site must not wait for its reader."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from sitekeeper.engine import events

from .conftest import Stage


def test_the_run_goes_on_and_is_told_in_full_later(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PATIENCE_SECONDS", 0.1)
    read_on, undone = Event(), Event()
    told: list[str] = []

    def pager(event: events.Event) -> None:
        if isinstance(event, events.TaskStarted) and event.task == "window":
            assert undone.wait(20), "the change waits for its reader"
        told.append(type(event).__name__)

    def look() -> None:
        while "undone down" not in stage.did():
            if read_on.wait(0.01):
                return
        undone.set()

    watching = Thread(target=look)
    watching.start()
    stage.listeners = (pager,)
    try:
        outcome = stage.tasks(
            """\
            - block:
                - name: window
                  test.change: {name: down}
                  undo: block
            """
        )
    finally:
        read_on.set()
        watching.join()
    assert undone.is_set()
    assert outcome.exit_code == 0
    assert told[-1] == "RunEnded"
    assert told.count("TaskEnded") == 1
