"""Two sites of which one lies above the other never have a window open at the same time; siblings may."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import LimitError, RemoteTimeoutError, RunInterruptedError
from sitekeeper.engine.holding import branches
from sitekeeper.engine.holding.branches import Branch
from sitekeeper.engine.holding.limits import Held, Limit, Limits
from sitekeeper.engine.inventory import inventory_reader
from sitekeeper.engine.journal.journal import Journal

from .conftest import Stage

THREE_LEVELS = """\
all:
  hosts:
    CEN: {site_code: CEN, site_type: central}
    PR1: {site_code: PR1, parent: CEN}
    PR2: {site_code: PR2, parent: CEN}
    SEC: {site_code: AA1, site_type: secondary, parent: PR1}
    SQL:
"""
WINDOW = """\
- hosts: {hosts}
  {keyword}
  tasks:
    - test.wait: {{wait: "{{{{ first if inventory_hostname != first else '' }}}}"}}
    - guard: {guard}
      block:
        - test.change: {{name: window}}
          undo: block
        - test.wait: {{set: "{{{{ inventory_hostname }}}}", wait: "{{{{ wait[inventory_hostname] }}}}"}}
    - test.wait: {{wait: "{{{{ after[inventory_hostname] | default('') }}}}"}}
"""


def windows(
    stage: Any,
    *,
    hosts: str,
    wait: dict[str, str],
    keyword: str = "tags: all-of-it",
    guard: str = "15m",
    **options: Any,
) -> list[tuple[str, str]]:
    """Windows of hosts; the first of them opens it first, each keeps it open until its event. Answers what was done."""
    stage.clock = SystemClock()
    stage.hosts(THREE_LEVELS)
    first, after = hosts.split(":", maxsplit=1)[0], options.pop("after", {})
    extra = {"first": first, "wait": wait, "after": after}
    outcome = stage.run(WINDOW.format(hosts=hosts, keyword=keyword, guard=guard), extra=extra, **options)
    assert outcome.exit_code == 0, [error.render() for host in outcome.hosts.values() for error in host.errors]
    return [(what, host) for what, host, name in stage.log.entries if name == "window"]


@pytest.mark.parametrize("guard", ["15m", "none"])
@pytest.mark.parametrize(("first", "second"), [("CEN", "PR1"), ("PR1", "CEN"), ("CEN", "SEC"), ("SEC", "CEN")])
def test_one_window_on_a_line(stage: Stage, first: str, second: str, guard: str) -> None:
    wait = {first: f"{second} is told", second: ""}
    done = windows(stage, hosts=f"{first}:{second}", wait=wait, guard=guard)
    assert done == [("made", first), ("undone", first), ("made", second), ("undone", second)]
    (told,) = [(host, text) for what, host, text in stage.log.entries if what == "told"]
    assert told[0] == second
    assert told[1].startswith("waiting for limit branch:CEN, held by ")
    assert told[1].endswith("; one offline window at a time on a branch")


@pytest.mark.parametrize(("one", "other"), [("PR1", "PR2"), ("SEC", "PR2")])
def test_siblings_do_not_exclude_each_other(stage: Stage, one: str, other: str) -> None:
    done = windows(stage, hosts=f"{one}:{other}", wait={one: other, other: one})
    assert {what for what, _ in done[:2]} == {"made"}


def test_unless_the_play_says_otherwise(stage: Stage) -> None:
    done = windows(stage, hosts="CEN:PR1", wait={"CEN": "PR1", "PR1": "CEN"}, keyword="branch_windows: any")
    assert {what for what, _ in done[:2]} == {"made"}


def test_a_host_without_a_site_waits_for_nobody(stage: Stage) -> None:
    done = windows(stage, hosts="CEN:SQL", wait={"CEN": "SQL", "SQL": "CEN"})
    assert {what for what, _ in done[:2]} == {"made"}


def test_it_is_given_back_when_the_window_is_closed_not_when_the_play_ends(stage: Stage) -> None:
    done = windows(stage, hosts="CEN:PR1", wait={"CEN": "PR1 is told", "PR1": ""}, after={"CEN": "PR1"})
    assert done == [("made", "CEN"), ("undone", "CEN"), ("made", "PR1"), ("undone", "PR1")]


def test_a_check_takes_nothing(stage: Stage) -> None:
    assert windows(stage, hosts="CEN:PR1", wait={"CEN": "PR1", "PR1": "CEN"}, check=True) == []
    assert not (stage.runs / ".limits").exists()


@pytest.mark.parametrize("value", ["two", "1", "[one]", "true"])
def test_wrong_number_of_windows(stage: Any, value: str) -> None:
    error = stage.refused(f"- hosts: PR1\n  branch_windows: {value}\n  tasks: []\n")
    assert error.message == "`branch_windows` must be one or any"
    assert (error.origin.line, error.origin.column) == (2, 19)


IN_A_WINDOW = """\
- hosts: PR1
  tasks:
    - guard: 15m
      block:
        - guard: 10m
          block:
            - test.change: {name: inside, fails: "{{ fails }}"}
              undo: block
        - test.change: {name: around}
          undo: block
      rescue:
        - guard: 5m
          block:
            - test.change: {name: rescue}
              undo: block
    - guard: 15m
      block:
        - test.change: {name: second}
          undo: block
"""


@pytest.mark.parametrize("fails", ["no", "half"])
def test_windows_inside_and_after_each_other(stage: Stage, fails: str) -> None:
    assert stage.run(IN_A_WINDOW, extra={"fails": fails}).exit_code == 0
    limits(stage.runs / ".limits").hold([Limit("branch:CEN")], threading.Event(), print, wait=1).release()


def held(stage: Any, name: str) -> Held:
    """Somebody else has this lock."""
    stage.clock = SystemClock()
    stage.runs.mkdir(mode=0o700)
    return limits(stage.runs / ".limits").hold([Limit(name)], threading.Event(), print)


def limits(folder: Path, run: str = "another") -> Limits:
    return Limits(folder, SystemClock(), run)


ONE_WINDOW = """\
- hosts: PR1
  tasks:
    - guard: 15m
      block:
        - test.change: {name: window}
          undo: block
      always:
        - test.read: {value: always}
"""


def test_the_operator_ends_the_waiting(stage: Any) -> None:
    other = held(stage, "branch:CEN")
    run = stage.prepare(ONE_WINDOW)
    stopper = threading.Thread(target=lambda: stage.log.event("PR1 is told").wait(20) and run.interrupt())
    stopper.start()
    outcome = run.run()
    stopper.join()
    other.release()
    assert outcome.exit_code == RunInterruptedError.exit_code
    assert stage.did()[1:] == ["read always"]


def test_a_signal_that_wakes_nobody_is_heard(stage: Stage) -> None:
    """As one that comes when the main thread is about to fall asleep: the kernel gives it to that thread too early."""
    other = held(stage, "branch:CEN")
    run = stage.prepare(ONE_WINDOW)
    heard: list[bool] = []

    def signalled() -> None:
        stage.log.event("PR1 is told").wait(20)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        heard.append(run.stop.wait(20))
        other.release()

    before = signal.signal(signal.SIGTERM, lambda *_: run.interrupt())
    try:
        stopper = threading.Thread(target=signalled)
        stopper.start()
        outcome = run.run()
        stopper.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]
    assert outcome.exit_code == RunInterruptedError.exit_code


def test_a_second_signal_at_the_very_end_waits_for_no_journal(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stage.prepare(ONE_WINDOW)
    close, left = Journal.close, []

    def closed(journal: Journal) -> None:
        close(journal)
        run.leave()  # as the signal handler does; with a closed journal, this would fail or never end
        left.append(True)

    monkeypatch.setattr(Journal, "close", closed)
    assert run.run().exit_code == 0
    assert left == [True]


def test_the_deadline_of_the_run_ends_the_waiting(stage: Stage) -> None:
    other = held(stage, "branch:CEN")
    outcome = stage.run(ONE_WINDOW, deadline=timedelta(seconds=0.3))
    other.release()
    (error, *_) = outcome.hosts["PR1"].errors
    assert isinstance(error, RemoteTimeoutError)
    assert error.message == "the deadline of the run has passed"
    assert "made window" not in stage.did()


def branch(folder: Path, host: str, tell: Callable[[str], None] = print) -> Branch:
    """The branch of a host of the three levels, as a run of its own."""
    file = folder / "hosts.yml"
    file.write_text(THREE_LEVELS)
    all_limits = limits(folder / "limits", f"run-{host}")
    return Branch(
        branches.locks(host, inventory_reader.load(file).sites),
        lambda lock, wait: all_limits.hold([lock], threading.Event(), tell, wait),
    )


def test_the_locks_are_taken_in_one_order_everywhere(tmp_path: Path) -> None:
    wanted = branch(tmp_path, "SEC")._wanted
    assert wanted == (Limit("branch:AA1"), Limit("branch:CEN", shared=True), Limit("branch:PR1", shared=True))
    assert branch(tmp_path, "CEN")._wanted == (Limit("branch:CEN"),)
    assert branch(tmp_path, "SQL")._wanted == ()


def test_a_site_with_many_below_it_gets_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of many is always open: whoever comes later than the site above waits for it."""
    monkeypatch.setattr(branches, "AT_ONCE", 0.1)
    waits, has = threading.Event(), threading.Event()

    def tell(text: str) -> None:
        assert text == "waiting for limit branch:CEN, held by others"
        waits.set()

    below, later, above = branch(tmp_path, "PR1"), branch(tmp_path, "PR2"), branch(tmp_path, "CEN", tell)
    assert below.at_once()
    assert later.at_once()
    later.release()

    def enter_above() -> None:
        above.enter(is_open=False)
        has.set()

    waiter = threading.Thread(target=enter_above)
    waiter.start()
    assert waits.wait(20)
    assert not later.at_once()
    assert not has.is_set()
    below.release()
    waiter.join(20)
    assert has.is_set()
    assert not later.at_once()
    above.leave()
    assert later.at_once()
    later.release()


def test_an_open_window_is_not_waited_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "AT_ONCE", 0.1)
    above, below = branch(tmp_path, "CEN"), branch(tmp_path, "PR1")
    above.enter(is_open=False)
    below.enter(is_open=True)
    below.leave()
    above.leave()
    assert below.at_once()
    below.release()


def test_many_windows_of_a_whole_hierarchy_neither_meet_nor_block(tmp_path: Path) -> None:
    line = {"CEN": {"PR1", "PR2", "SEC"}, "PR1": {"CEN", "SEC"}, "PR2": {"CEN"}, "SEC": {"CEN", "PR1"}}
    inside: list[str] = []
    wrong: list[tuple[str, str]] = []
    lock = threading.Lock()

    def work(host: str, ours: Branch) -> None:
        for _ in range(6):
            ours.enter(is_open=False)
            with lock:
                wrong.extend((host, other) for other in inside if other in line[host] or other == host)
                inside.append(host)
            threading.Event().wait(0.002)
            with lock:
                inside.remove(host)
            ours.leave()

    both_runs = [(host, branch(tmp_path, host, lambda _: None)) for host in [*line, *line]]
    threads = [threading.Thread(target=work, args=one, daemon=True) for one in both_runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


OTHER_PROCESS = """
import signal, sys, threading
from pathlib import Path
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.holding.limits import Limit, Limits
Limits(Path(sys.argv[1]) / "limits", SystemClock(), "run-2").hold([Limit("branch:CEN")], threading.Event(), print)
print("holding", flush=True)
signal.pause()
"""


def test_it_holds_across_processes_and_goes_with_them(tmp_path: Path) -> None:
    below = branch(tmp_path, "SEC")
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "holding\n"
        with pytest.raises(LimitError, match="branch:CEN, held by run run-2"):
            below._take(0.1)
        child.kill()
    below._take(5)
    below.release()
