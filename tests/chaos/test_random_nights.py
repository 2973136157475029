"""Nights on which two things go wrong at once, by chance: the same check afterwards, and nothing leaks in our own process."""

from __future__ import annotations

import json
import os
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from .faults_table import TABLE, Row
from .judgement import tried
from .theatre import ROOT, Theatre
from .trying import EVERY

NIGHTS = 200 if EVERY else 3
CHUNKS = 4 if EVERY else 1
REQUESTS = 90
"""A backup asks a host for some more than this."""
ROWS = [
    row for row in TABLE if row.setting == "one host" and not (row.hours or row.impatient or row.asleep or row.slow)
]
OURS = ("host", "keeper", "journal", "pull")
"""Names of the threads of a run."""


@pytest.mark.sweep
@pytest.mark.timeout(4 * 3600 if EVERY else 300)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_nights(chunk: int, tmp_path: Path) -> None:
    seed = int(os.environ.get("SITEKEEPER_CHAOS_SEED", random.randrange(1 << 32))) + chunk  # noqa: S311 - no secret
    chance = random.Random(seed)  # noqa: S311 - to be drawn again the same
    theatre = Theatre(tmp_path / "theatre")
    theatre.open()
    theatre.forget()
    failures = []
    before = descriptors()
    try:
        for _ in range(NIGHTS // CHUNKS):
            row, told = two_at_once(chance)
            step = chance.choice(row.steps)
            result = tried(theatre, row, step)
            # The other fault may have ended the run before this one struck.
            wrong = [text for text in result.wrong if not text.startswith("no run came to")] + threads()
            _write_down(seed, f"{told} at {step!r}", wrong)
            if wrong:
                failures.append(f"{told} at {step!r}: {result.happened}: {wrong}\n{result.error}")
                theatre.close()
                theatre = Theatre(tmp_path / f"theatre{len(failures)}")
                theatre.open()
                theatre.forget()
                before = descriptors()
        grown = descriptors() - before
    finally:
        theatre.close()
    print(f"seed {seed}: {NIGHTS // CHUNKS} nights, {len(failures)} not held")
    assert not failures, f"seed {seed}:\n" + "\n".join(failures)
    assert grown < SOCKETS_OF_THE_LAB, f"{grown} descriptors more than before"


SOCKETS_OF_THE_LAB = 20
"""Connections that the lab has not closed yet; a leak of ours would be one a night."""


def two_at_once(chance: random.Random) -> tuple[Row, str]:
    """A fault of the table, and a connection that breaks somewhere in the run."""
    row = chance.choice(ROWS)
    ahead, when = chance.randrange(1, REQUESTS), chance.choice(["before", "after", "during"])
    first = row.before

    def before(theatre: Theatre) -> None:
        if first is not None:
            first(theatre)
        seen = [
            line["number"]
            for line in theatre.lab.audit_lines(0)
            if line["event"] == "request" and line["host"] == theatre.site
        ]
        theatre.lab.fault(theatre.site, "drop_connection", at=max(seen, default=0) + ahead, when=when)

    return replace(row, before=before), f"{row.fault} ({row.how}), and {when} request {ahead} the connection breaks"


def threads() -> list[str]:
    """Threads of a run that is over."""
    return [f"thread {one.name}" for one in threading.enumerate() if one.name.startswith(OURS)]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _write_down(seed: int, told: str, wrong: list[str]) -> None:
    if EVERY:
        folder = ROOT / ".chaos"
        folder.mkdir(exist_ok=True)
        with (folder / "nights.jsonl").open("a") as file:
            file.write(json.dumps({"seed": seed, "night": told, "wrong": wrong}) + "\n")
