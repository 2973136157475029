"""The connection is dropped at the n-th request of a backup: it ends published or cleanly undone; no change runs twice.

``make drops`` tries every single request, before it is handled and after; the suite takes a sample of them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from typing import Any

import pytest

from sitekeeper_lab.audit import read_audit

from .conftest import MakeStage

ONCE = {"Export-SkRegistry", "New-SkShadowSet", "New-SkShadowCopy"}
EVERY = bool(os.environ.get("SITEKEEPER_ALL_DROPS"))
STEP = 1 if EVERY else 17


def small(data: dict[str, Any]) -> None:
    for spec in data["hosts"].values():
        spec["site"]["size"] = 0.1


def requests_of(here: Any, host: str, after: int) -> list[int]:
    lines = read_audit(here.lab.folder / "audit.jsonl", after)
    return [line["number"] for line in lines if line["event"] == "request" and line["host"] == host]


@pytest.mark.timeout(3600 if EVERY else 300)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("host", ["PR1", "PR2"])  # PR1 has the old protocol: a lost command cannot be asked for
@pytest.mark.sweep
def test_every_request(stage: MakeStage, host: str, when: str) -> None:
    drop_every(stage, host, when, STEP)


@pytest.mark.sweep
def test_some_requests(stage: MakeStage) -> None:
    drop_every(stage, "PR2", "after", 60)


def drop_every(stage: Any, host: str, when: str, step: int) -> None:
    """Drop the connection at every so many requests of a backup; each night ends clean, with a set or without."""
    here = stage(host, change=small)
    here.extra = ["-e", "settle=0.1s"]
    seen = 0
    assert here.run().code == 0
    numbers = requests_of(here, host, seen)
    total = len(numbers)
    assert total > 50
    published = undone = 0
    for offset in range(1, total + 1, step):
        last = read_audit(here.lab.folder / "audit.jsonl")[-1]["n"]
        highest = max(requests_of(here, host, 0))
        for folder in here.sets(host):
            shutil.rmtree(folder)
        here.lab.fault(host, "drop_connection", at=highest + offset, when=when)
        outcome = here.run()
        here.lab.clear_faults()
        told = f"{host} {when} request {offset} of {total}: code {outcome.code} {outcome.error(host)}"
        try:
            here.assert_clean(host)
        except AssertionError as error:
            raise AssertionError(f"{told}: {error}\n{json.dumps(outcome.events, indent=1)}") from None
        sets = here.sets(host)
        assert (outcome.code == 0) == (len(sets) == 1), told
        published += len(sets)
        undone += not sets
        made = Counter(
            (line["command"], json.dumps(line["arguments"], sort_keys=True))
            for line in here.calls(host, last)
            if line["command"] in ONCE or line["arguments"].get("Name") == "StopService"
        )
        assert max(made.values(), default=0) <= 1, (told, made)
    print(f"{host} {when}: {total} requests, {published} published, {undone} cleanly undone")
    assert published + undone == len(range(1, total + 1, step))
    if host == "PR2":
        assert published > undone
