"""What safety costs: the journal beside one commit for each record, a run with and without guard, a change with and without fence."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.measuring import BACKUP, FOLDER, Lab, Night, backup, client, pair, row
from benchmarks.parts import HOSTS, RECORDS

from sitekeeper_lab.audit import read_audit

GUARD_CALLS = ("Register-SkGuard", "Test-SkGuard", "Send-SkBeat", "Unregister-SkGuard")


def costs() -> list[dict[str, Any]]:
    """All of it, over one lab."""
    lab = Lab("costs", 1)
    lab.up()
    try:
        rows = journal(lab)
        found = nights(lab)
        rows += guard(found) + beat(lab) + fence(lab, found)
    finally:
        lab.down()
    shutil.rmtree(lab.folder, ignore_errors=True)
    return rows


def journal(lab: Lab) -> list[dict[str, Any]]:
    """Records a second that a run of a hundred hosts commits."""
    changes = 20
    records = changes * HOSTS * RECORDS
    ours, alone, ratio = pair(lab, "journal", "alone", changes, 3, "parts")
    return [
        row(
            f"journal of {HOSTS} hosts",
            records / ours["seconds"],
            "rec/s",
            records / alone["seconds"],
            ratio,
            f"times one commit for each record; 2 of {RECORDS} records are waited for",
        )
    ]


def nights(lab: Lab) -> list[tuple[Night, Night]]:
    """Backups as shipped beside such with ``guard: none``; each goes first in turn."""
    text = BACKUP.read_text()
    without = FOLDER / "unguarded.yml"
    without.write_text(text.replace("guard: 15m", "guard: none"))
    assert without.read_text() != text
    found: list[tuple[Night, Night]] = []
    for number in range(6):
        if number % 2:
            bare = backup(lab, without)
            found.append((backup(lab), bare))
        else:
            found.append((backup(lab), backup(lab, without)))
    return found


def guard(found: list[tuple[Night, Night]]) -> list[dict[str, Any]]:
    """What guard and keeper add to a whole run."""

    def beside(name: str, unit: str, of: Callable[[Night], float], about: str = "") -> dict[str, Any]:
        both = [(of(guarded), of(bare)) for guarded, bare in found]
        more = statistics.median(ours - other for ours, other in both)
        return row(
            name,
            statistics.median(ours for ours, _ in both),
            unit,
            statistics.median(other for _, other in both),
            statistics.median(ours / other for ours, other in both),
            f"{more:+.2f} {unit} by guard and keeper{about}",
        )

    calls = {name: statistics.median(guarded.calls(name) for guarded, _ in found) for name in GUARD_CALLS}
    told = ", ".join(f"{count:.0f} {name}" for name, count in calls.items())
    return [
        beside("requests of a guarded run", "req", lambda night: night.requests(), f": {told}"),
        beside("requests while the site is down", "req", lambda night: night.requests(inside=True)),
        beside("a guarded run", "s", lambda night: night.seconds),
        beside("its offline window", "s", lambda night: night.offline),
    ]


def beat(lab: Lab) -> list[dict[str, Any]]:
    """What the keeper does for each host every 20 seconds, for as long as the run lasts."""
    audit = lab.folder / "audit.jsonl"
    after = max(line["n"] for line in read_audit(audit))
    count = 100
    measured = client(lab, "beat", count, "parts")
    lines = read_audit(audit, after)
    beats = [line["n"] for line in lines if line["event"] == "call" and line["command"] == "Send-SkBeat"]
    between = [line for line in lines if line["event"] == "request" and beats[0] < line["n"] < beats[-1]]
    each = len(between) / (len(beats) - 1)
    return [
        row(
            "a beat of the keeper",
            measured["seconds"] / count * 1000,
            "ms",
            None,
            None,
            f"{each:.0f} requests, every 20 s",
            requests=each,
        )
    ]


def fence(lab: Lab, found: list[tuple[Night, Night]]) -> list[dict[str, Any]]:
    """``Assert-SkLease`` before and ``Clear-SkFence`` after a change, in its pipeline."""
    measured = client(lab, "fence", 300, "parts")
    ours, bare = measured["seconds"], measured["bare"]
    changes = statistics.median(guarded.calls("Assert-SkLease") for guarded, _ in found)
    return [
        row(
            "a change behind its fence",
            ours * 1000,
            "ms",
            bare * 1000,
            ours / bare,
            f"times without; {changes:.0f} in a run: {(ours - bare) * changes:.3f} s",
        )
    ]
