"""Parts of a run, measured on their own in a process of their own: the fence, a beat of the keeper, the journal.

parts.py CASE INVENTORY COUNT
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.client import SERVICE, Timed, context, tell

from sitekeeper.engine import events
from sitekeeper.engine.inventory import inventory_reader as inventories
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import Intent, Outcome, TaskDone, Told
from sitekeeper.engine.plain import plain
from sitekeeper.engine.plan import Result
from sitekeeper.transport.guard import send_beat

HOSTS = 100
RECORDS = 5
"""Of one change: intent and outcome, which are waited for, and three that are written some time soon."""


def fence(count: int, inventory: Inventory, timed: Timed) -> None:
    """A change behind ``Assert-SkLease`` and the same command without, in turn: one of either, as the median has it."""
    ctx = context(inventory)
    ctx.lease.take()
    laps: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * count + 2):
        send = ctx.ps.change if number % 2 else ctx.ps.raw
        started = time.perf_counter()
        assert send("Invoke-WmiMethod", Path=SERVICE, Name="StartService")
        if number > 1:
            laps[bool(number % 2)].append(time.perf_counter() - started)
    timed.seconds, timed.more["bare"] = statistics.median(laps[True]), statistics.median(laps[False])
    ctx.lease.give_back()
    ctx.close()


def beats(count: int, inventory: Inventory, timed: Timed) -> None:
    """What the keeper does every 20 seconds."""
    ctx = context(inventory)
    ctx.lease.take()
    for number in range(count + 1):
        if number == 1:
            timed.begin()
        send_beat(ctx.ps, ctx.lease, ctx.run_id)
    timed.end()
    ctx.lease.give_back()
    ctx.close()


def intent(number: int) -> Intent:
    return Intent(
        module="windows.service",
        policy="block",
        name="Stop site services",
        round="",
        intent={"version": 1, "services": ["SMS_EXECUTIVE", "SMS_SITE_COMPONENT_MANAGER"], "mark": number},
    )


def outcome(number: int) -> Result:
    return Result(changed=True, msg=f"2 services stopped in 12.{number} s, both of them Running before")


def event(number: int) -> Told:
    return Told(
        events.TaskEnded(
            at=datetime.now(UTC),
            task="Stop site services",
            module="windows.service",
            status="changed",
            seconds=12.0,
            msg=f"2 services stopped ({number})",
            changes=("SMS_EXECUTIVE: Running -> Stopped",),
        )
    )


def journal(count: int, folder: Path, timed: Timed) -> None:
    """A hundred hosts that each make ``count`` changes, journaled as a run does."""
    ours = Journal(folder / "run")
    ready = threading.Barrier(HOSTS + 1)

    def host(name: str) -> None:
        ready.wait()
        for number in range(count):
            ours.note(event(number), host=name)
            change = ours.intent(intent(number), host=name, task="0.tasks.3.block.1")
            ours.commit(Outcome(outcome(number)), host=name, task="0.tasks.3.block.1", change=change)
            done = TaskDone(round="", module="windows.service", result=outcome(number))
            ours.note(done, host=name, task="0.tasks.3.block.1")
            ours.note(event(number), host=name)

    threads = [threading.Thread(target=host, args=(f"host{number}",)) for number in range(HOSTS)]
    for thread in threads:
        thread.start()
    ready.wait()
    timed.begin()
    for thread in threads:
        thread.join()
    ours.close()
    timed.end()


def alone(count: int, folder: Path, timed: Timed) -> None:
    """As many records, each committed on its own, by one thread."""
    connection = sqlite3.connect(folder / "alone.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, kind TEXT, host TEXT, data TEXT)")
    connection.commit()
    timed.begin()
    for number in range(count * HOSTS):
        for kind, data in (
            ("event", event(number)),
            ("intent", intent(number)),
            ("outcome", outcome(number)),
            ("done", outcome(number)),
            ("event", event(number)),
        ):
            text = json.dumps(plain(data), ensure_ascii=False)
            connection.execute("INSERT INTO record (kind, host, data) VALUES (?, ?, ?)", (kind, "host", text))
            connection.commit()
    timed.end()
    connection.close()


def main() -> None:
    case, file, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    timed = Timed()
    inventory = inventories.load(file)
    # Beside the lab, because a folder for temporary files may not lie on a disk at all.
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        cases: dict[str, Callable[[], None]] = {
            "fence": lambda: fence(count, inventory, timed),
            "beat": lambda: beats(count, inventory, timed),
            "journal": lambda: journal(count, Path(name), timed),
            "alone": lambda: alone(count, Path(name), timed),
        }
        tell(cases[case], timed)


if __name__ == "__main__":
    main()
