"""Many hosts: serial, forks, order, failures over the whole fleet, interruption, and the exit code at the end."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine import events
from sitekeeper.engine.errors import (
    InventoryError,
    LimitError,
    RunInterruptedError,
    SpaceError,
    UnreachableError,
    exit_code_of,
)

from .conftest import Stage

TEN = "all:\n  hosts:\n    h[01:10]:\n"


def _order(stage: Any) -> list[str]:
    return [host for what, host, _ in stage.log.entries if what in {"began", "read"}]


def _peak(stage: Any) -> int:
    now, peak = 0, 0
    for event in stage.events:
        now += isinstance(event, events.HostStarted) - isinstance(event, events.HostEnded)
        peak = max(peak, now)
    return peak


@pytest.mark.parametrize(
    ("serial", "batches"),
    [
        ("3", [3, 3, 3, 1]),
        ("25%", [2, 2, 2, 2, 2]),
        ("[1, 4, '50%']", [1, 4, 5]),
        ("'1%'", [1] * 10),
    ],
)
def test_serial(stage: Stage, serial: str, batches: list[int]) -> None:
    stage.hosts(TEN)
    stage.run(f"- hosts: all\n  serial: {serial}\n  tasks:\n    - test.read: {{value: 1}}\n", forks=10)
    hosts = [f"h{number:02}" for number in range(1, 11)]
    ended: list[str] = []
    for size in batches:
        batch, hosts = hosts[:size], hosts[size:]
        ended += batch
        seen = [one.host for one in stage.events if isinstance(one, events.HostEnded)][: len(ended)]
        assert sorted(seen) == sorted(ended)


def test_forks_limit_how_many_run_at_once(stage: Stage) -> None:
    stage.hosts(TEN)
    stage.run("- hosts: all\n  tasks:\n    - test.read:\n", forks=2)
    assert _peak(stage) <= 2
    assert len(_order(stage)) == 10


def test_hosts_do_not_wait_for_each_other(stage: Stage) -> None:
    outcome = stage.run(
        """\
        - hosts: PR1:PR2
          tasks:
            - test.wait: {set: "{{ inventory_hostname }}", wait: "{{ 'PR2' if inventory_hostname == 'PR1' else 'PR1' }}"}
        """
    )
    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("inventory", ["h03", "h01", "h02"]),
        ("reverse_inventory", ["h02", "h01", "h03"]),
        ("sorted", ["h01", "h02", "h03"]),
        ("reverse_sorted", ["h03", "h02", "h01"]),
    ],
)
def test_order(stage: Stage, order: str, expected: list[str]) -> None:
    stage.hosts("all:\n  hosts:\n    h03:\n    h01:\n    h02:\n")
    stage.run(f"- hosts: all\n  order: {order}\n  tasks:\n    - test.read:\n", forks=1)
    assert _order(stage) == expected


def test_shuffle_runs_each_host_once(stage: Stage) -> None:
    stage.hosts(TEN)
    stage.run("- hosts: all\n  order: shuffle\n  tasks:\n    - test.read:\n")
    assert sorted(_order(stage)) == [f"h{number:02}" for number in range(1, 11)]


THREE_LEVELS = """\
all:
  hosts:
    CAS: {site_code: CAS, site_type: cas}
    PR1: {site_code: PR1, parent: CAS}
    SEC: {site_code: SE1, site_type: secondary, parent: PR1}
    SQL:
"""


@pytest.mark.parametrize(
    ("order", "sites"), [("children_first", ["SEC", "PR1", "CAS"]), ("parents_first", ["CAS", "PR1", "SEC"])]
)
@pytest.mark.parametrize("serial", ["", "  serial: 2\n"])
def test_children_and_parents_are_really_waited_for(stage: Stage, order: str, sites: list[str], serial: str) -> None:
    stage.hosts(THREE_LEVELS)
    stage.run(
        f"- hosts: all\n  order: {order}\n{serial}  tasks:\n    - test.wait: {{set: '{{{{ inventory_hostname }}}}'}}\n"
    )
    steps = [(what, host) for what, host, _ in stage.log.entries if host != "SQL"]
    assert steps == [step for site in sites for step in (("began", site), ("ended", site))]


def test_a_grandparent_waits_when_the_parent_is_not_in_the_play(stage: Stage) -> None:
    stage.hosts(THREE_LEVELS)
    stage.run("- hosts: CAS:SEC\n  order: children_first\n  tasks:\n    - test.wait: {set: x}\n")
    assert [host for _, host, _ in stage.log.entries] == ["SEC", "SEC", "CAS", "CAS"]


def test_a_failed_child_does_not_stop_its_parent(stage: Stage) -> None:
    outcome = stage.run(
        "- hosts: sites\n  order: children_first\n  tasks:\n    - core.fail:\n      when: site_code == 'PR1'\n"
    )
    assert outcome.hosts["CEN"].errors == []


def test_max_fail_percentage_counts_the_whole_fleet_and_the_unreachable(stage: Stage) -> None:
    stage.hosts(TEN)
    stage.open_fails = lambda host: UnreachableError("no route") if host in {"h01", "h03"} else None
    outcome = stage.run(
        """\
        - hosts: all
          max_fail_percentage: 20
          tasks:
            - core.fail:
              when: inventory_hostname == 'h05'
            - test.read:
        - hosts: all
          tasks:
            - test.read: {value: second play}
        """,
        forks=1,
    )
    assert [host for host, ended in outcome.hosts.items() if ended.errors] == ["h01", "h03", "h05"]
    assert [host for host, ended in outcome.hosts.items() if ended.skipped] == ["h06", "h07", "h08", "h09", "h10"]
    second = [host for what, host, value in stage.log.entries if value == "second play"]
    assert second == ["h02", "h04"]  # who never had the first play does not get the second
    assert outcome.exit_code == 20


def test_a_failed_host_is_out_of_later_plays(stage: Stage) -> None:
    stage.run(
        """\
        - hosts: PR1:PR2
          tasks:
            - core.fail:
              when: inventory_hostname == 'PR1'
        - hosts: PR1:PR2
          tasks:
            - test.read: {value: second}
        """
    )
    assert stage.did("PR1") == []
    assert stage.did("PR2") == ["read second"]


def test_hosts_named_twice_run_once(stage: Stage) -> None:
    stage.run("- hosts: PR1:sites:PR1:&sites\n  tasks:\n    - test.read:\n", limit="PR1,PR1")
    assert _order(stage) == ["PR1"]


def test_limit_by_site_code_group_and_exclusion(stage: Stage) -> None:
    stage.hosts("all:\n  hosts:\n    server-a: {site_code: '001'}\n    server-b: {site_code: NO1}\n    other:\n")
    run = stage.prepare("- hosts: all\n  tasks: []\n", limit="001")
    assert run.hosts_of(run.playbook.plays[0]) == ["server-a"]
    run = stage.prepare("- hosts: all\n  tasks: []\n", limit="!NO1")
    assert run.hosts_of(run.playbook.plays[0]) == ["server-a", "other"]


def test_unknown_host_in_limit_and_nobody_left(stage: Stage) -> None:
    error = stage.refused("- hosts: all\n  tasks: []\n", limit="PR3")
    assert (error.exit_code, error.hint) == (2, "did you mean `PR2`?")
    error = stage.refused("- hosts: PR1\n  tasks: []\n", limit="PR2")
    assert "no hosts left" in error.message
    error = stage.refused("- hosts: all\n  tasks: []\n", limit="")
    assert "no hosts left" in error.message


def test_a_host_that_cannot_be_opened_takes_no_other_down(stage: Stage) -> None:
    broken = {"PR1": InventoryError("no such variable"), "CEN": RuntimeError("bug")}
    stage.open_fails = broken.get
    outcome = stage.run("- hosts: sites\n  tasks:\n    - test.read:\n")
    assert [error.word for error in outcome.hosts["PR1"].errors] == ["inventory"]
    assert [error.word for error in outcome.hosts["CEN"].errors] == ["internal"]
    assert stage.did("PR2") == ["read None"]


def test_interruption_undoes_and_runs_always(stage: Stage) -> None:
    outcome = stage.run(
        """\
        - hosts: PR1:PR2
          serial: 1
          tasks:
            - test.change: {name: first}
            - block:
                - test.change: {name: window, stops: true}
                  undo: block
                - test.read: {value: not any more}
              rescue:
                - test.read: {value: rescue}
              always:
                - test.read: {value: always}
        """
    )
    assert stage.did() == ["made first", "made window", "undone window", "read always", "undone first"]
    assert stage.did("PR2") == []
    assert outcome.interrupted
    assert outcome.exit_code == 14
    assert [type(error) for error in outcome.hosts["PR2"].errors] == [RunInterruptedError]
    assert stage.left_open() == []


def test_an_interruption_whose_undo_fails_is_more_than_an_interruption(stage: Stage) -> None:
    outcome = stage.tasks("- test.change: {name: a, stops: true, fails: undo}", "- test.read:")
    assert outcome.exit_code == 20
    assert stage.left_open() == ["a"]


def test_an_interruption_ends_loops_and_retries(stage: Stage) -> None:
    stage.tasks("- test.change: {name: '{{ item }}', stops: true}\n  loop: [a, b]")
    assert stage.did() == ["made a", "undone a"]
    stage.log.entries.clear()
    stage.tasks("- test.change: {name: c, stops: true, fails: half}\n  retries: 5")
    assert stage.did() == ["made c", "undone c"]


def test_exit_codes(stage: Stage) -> None:
    assert exit_code_of([]) == 0
    assert exit_code_of(["unreachable", "unreachable"]) == 5
    assert exit_code_of(["unreachable", "auth"]) == 20
    stage.open_fails = {"PR1": LimitError("held"), "PR2": LimitError("held")}.get
    assert stage.run("- hosts: PR1:PR2\n  tasks: []\n").exit_code == 12
    stage.open_fails = {"PR1": LimitError("held"), "PR2": SpaceError("full")}.get
    assert stage.run("- hosts: PR1:PR2\n  tasks: []\n").exit_code == 20


def test_a_report_that_breaks_stops_no_host(stage: Stage) -> None:
    def broken(event: events.Event) -> None:
        if event.host:
            raise RuntimeError("a bug in a report")

    def gone(_event: events.Event) -> None:
        raise BrokenPipeError

    def closed(_event: events.Event) -> None:
        sys.exit(1)  # what Rich does when the pipe behind it is closed

    stage.listeners = (gone, closed)
    assert stage.tasks("- test.change: {name: a}\n  undo: play").exit_code == 0
    stage.listeners = (broken,)
    outcome = stage.tasks("- test.change: {name: b}\n  undo: play")
    assert stage.did() == ["made a", "undone a", "made b", "undone b"]
    assert [error.word for error in outcome.errors] == ["internal"]
    assert outcome.exit_code == 70


def test_a_disk_that_fills_with_the_very_last_line_counts_too(stage: Stage) -> None:
    def full(event: events.Event) -> None:
        if isinstance(event, events.RunEnded):
            raise OSError(28, "No space left on device")

    stage.listeners = (full,)
    outcome = stage.tasks("- test.read: {value: 1}")
    assert ([error.word for error in outcome.errors], outcome.exit_code) == (["space"], 9)


def test_events_of_many_threads_come_one_at_a_time(stage: Stage) -> None:
    inside: list[int] = []
    out = StringIO()

    def listener(event: events.Event) -> None:
        inside.append(1)
        assert len(inside) == 1
        out.write(type(event).__name__)
        inside.clear()

    bus = events.Bus(listener)
    event = events.HostStarted(at=stage.clock.now(), host="x", play="p")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bus.emit, [event] * 200))
    assert bus.broken == []
    assert out.getvalue().count("HostStarted") == 200


def test_the_run_folder_is_made_where_it_was_asked_for(stage: Stage, tmp_path: Path) -> None:
    outcome = stage.tasks("- test.read:")
    assert (tmp_path / "runs" / outcome.run_id / "journal.db").is_file()
