"""The connection is dropped at the n-th request of a drill: it ends well or is cleanly undone, and the scratch server is clean.

``make drops`` tries every single request, to WinRM and to SQL Server, before it is handled and after; the suite a sample.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest
from tests.backup.conftest import stage

from .conftest import SCRATCH, Night

__all__ = ["stage"]
EVERY = bool(os.environ.get("SITEKEEPER_ALL_DROPS"))
STEP = 1 if EVERY else 19
FAULTS = {"request": "drop_connection", "sql": "sql_drop_connection"}
"""What a request is called in the audit log, and how it is cut off."""


def small(data: dict[str, Any]) -> None:
    data["hosts"]["PR2"]["site"]["size"] = 0.05


def requests_of(here: Night, kind: str) -> list[int]:
    return [line["number"] for line in here.audit(kind, SCRATCH)]


@pytest.mark.timeout(3600 if EVERY else 300)
@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.sweep)])
def test_every_request(stage: Any, when: str) -> None:
    made = stage("PR2", SCRATCH, change=small)
    here = Night(made.lab, made.root, made.capture, ["-e", "settle=0.1s", "-e", "maintenance=none"])
    assert super(Night, here).run().code == 0
    (whole,) = here.sets("PR2")
    site = len(here.audit("request", "PR2"))
    for kind, fault in FAULTS.items():
        before = len(requests_of(here, kind))
        assert drilled(here) == 0
        total = len(requests_of(here, kind)) - before
        assert total > 20
        well = undone = 0
        for offset in range(random.randint(1, STEP), total + 1, STEP):  # noqa: S311 - no secret
            (whole / "marks.json").unlink(missing_ok=True)
            here.lab.fault(SCRATCH, fault, at=max(requests_of(here, kind)) + offset, when=when)
            code = drilled(here)
            here.lab.clear_faults()
            told = f"{kind} {offset} of {total}, {when}: code {code}"
            try:
                here.assert_scratch_is_clean()
            except AssertionError as error:
                raise AssertionError(f"{told}: {error}") from None
            marks = whole / "marks.json"
            mark = json.loads(marks.read_text())["drilled"]["result"] if marks.is_file() else ""
            assert mark == ("" if code else "ok"), f"{told}: a set is at fault for nothing but itself"
            well += not code
            undone += bool(code)
        print(f"{kind} {when}: {total} requests, {well} went on to their end, {undone} cleanly undone")
        assert well > undone or not EVERY
    assert len(here.audit("request", "PR2")) == site, "the site was asked something"


def drilled(here: Night) -> int:
    arguments = ["--limit", "PR2", "-e", f"drill_on={SCRATCH}"]
    return super(Night, here).run(*arguments, playbook="playbooks/drill.yml").code
