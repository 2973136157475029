"""Every fault of the table, at every step that it can strike: the same check afterwards, from the disks.

``SITEKEEPER_CHAOS=all`` (``make chaos``) tries all of them and writes what happened into ``.chaos/faults.jsonl``; the suite
takes one step of each.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Callable, Iterator

import pytest
from tests.hierarchies import database_on_sql1
from tests.sweeping import some_then_sweeps

from .expected import EXPECTED
from .faults_table import TABLE, Row, Setting
from .judgement import Result, tried
from .theatre import ROOT, StoreOfItsOwn, Theatre
from .trying import EVERY, held_before

pytestmark = pytest.mark.timeout(3600 if EVERY else 120)
SAMPLE = list({row.fault: row for row in reversed(TABLE) if not row.slow}.values())
"""The first row of each fault."""
Stage = Callable[[Setting], Theatre]


@pytest.fixture(scope="module")
def theatres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Theatre]]:
    """The labs that are clean, by setting."""
    opened: dict[str, Theatre] = {}
    yield opened
    for theatre in opened.values():
        theatre.close()


@pytest.fixture
def stage(theatres: dict[str, Theatre], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    def at(setting: Setting) -> Theatre:
        if setting not in theatres:
            root = tmp_path_factory.mktemp("theatre") / setting.replace(" ", "-")
            change = database_on_sql1 if setting == "database elsewhere" else None
            site = "PR1" if setting == "Server 2003" else "PR2"
            made = StoreOfItsOwn(root) if setting == "store of its own" else Theatre(root, site, change)
            made.open()
            theatres[setting] = made
        return theatres[setting]

    return at


def judged(row: Row, step: str, stage: Stage, theatres: dict[str, Theatre]) -> Result:
    """Try it; a lab that is not as it was afterwards is not used again."""
    theatre = theatres.pop(row.setting, None) or stage(row.setting)
    theatres.pop(row.setting, None)
    try:
        result = tried(theatre, row, step)
    except BaseException:
        theatre.close()
        raise
    if result.wrong:
        theatre.close()
    else:
        theatres[row.setting] = theatre
    if EVERY:
        _write_down(result)
    return result


def _write_down(result: Result) -> None:
    """One write a line: two workers may do so at once."""
    folder = ROOT / ".chaos"
    folder.mkdir(exist_ok=True)
    place = next(number for number, row in enumerate(TABLE) if (row.fault, row.how) == (result.fault, result.how))
    more = {"happened": result.happened, "place": [place, TABLE[place].steps.index(result.step)]}
    handle = os.open(folder / "faults.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, (json.dumps(dataclasses.asdict(result) | more) + "\n").encode())
    finally:
        os.close(handle)


def told(row: Row, step: str, result: Result) -> str:
    return f"{row.fault} ({row.how}) at {step!r}: {result.happened}\n{result.error}"


@pytest.mark.parametrize("row", some_then_sweeps(TABLE if EVERY else SAMPLE, lambda row: f"{row.fault}, {row.how}"))
def test_a_fault(row: Row, stage: Stage, theatres: dict[str, Theatre]) -> None:
    failures = []
    before = {
        one["step"]
        for one in held_before("faults.jsonl")
        if (one["fault"], one["how"]) == (row.fault, row.how) and one["happened"] in EXPECTED[row.fault, row.how]
    }
    steps = [step for step in row.steps if step not in before]
    for step in steps if EVERY else (random.choice(steps),):  # noqa: S311 - by the seed that pytest-randomly prints
        result = judged(row, step, stage, theatres)
        failures += [f"{told(row, step, result)}\n{text}" for text in result.wrong]
        if result.happened not in EXPECTED[row.fault, row.how]:
            failures.append(f"{told(row, step, result)}\nis not what is expected")
    assert not failures, "\n".join(failures)


def test_every_row_stands_in_the_documentation() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    missing = [row for row in TABLE if f"| {row.fault} | {row.how} |" not in page]
    assert missing == [], "make chaos, then tests/chaos/write_reliability.py"
    assert "not held" not in page


def test_the_table_has_every_fault_that_is_promised() -> None:
    """The sentence of the promise, word for word."""
    promised = (
        "reset, black hole, half an answer, WinRM restart, reboot, account locked, password expired half-way, stop takes 25 minutes "
        "under a 15-minute guard, start hangs, starts and dies, writer fails at each VSS phase, another requester active, shadow "
        "storage exhausted, shadow copy deleted while we copy, SQL gone, disk full on site server, disk full on SQL host, disk full "
        "on store, store unmounted, site clock ±10 minutes, DST change, midnight, non-US date format, GPO AllSigned, control host "
        "suspended past the guard"
    )
    assert set(promised.split(", ")) <= {row.fault for row in TABLE}
