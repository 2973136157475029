"""Two control hosts, one site, one store: one backs up, the other is refused by name and changes nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from .conftest import MakeStage, Stage

pytestmark = pytest.mark.timeout(120)


def started(here: Stage, runs: Path) -> subprocess.Popen[str]:
    """A backup by a control host whose journals lie in ``runs``."""
    return here.start(runs=runs, settle="2s", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_of(runs: Path) -> str:
    return next(one.name for one in runs.iterdir() if one.name.startswith("20"))


def test_the_second_is_refused_by_name(stage: MakeStage) -> None:
    here = stage("PR2")
    first = started(here, here.root / "first")
    while here.state("PR2").service("SMS_EXECUTIVE").state == "Running" and first.poll() is None:
        time.sleep(0.02)
    holder = run_of(here.root / "first")
    outcome = here.run()
    assert outcome.code == 12
    assert holder in outcome.error("PR2")
    assert " until 20" in outcome.error("PR2")
    told, _ = first.communicate(timeout=60)
    assert first.returncode == 0, told
    (published,) = here.sets("PR2")
    assert f'"run": "{holder}"' in (published / "manifest.json").read_text()
    here.assert_clean("PR2")
    stops = [line for line in here.calls("PR2") if line["arguments"].get("Name") == "StopService"]
    assert len(stops) == 2, "each service once"


def test_both_at_once(stage: MakeStage) -> None:
    """Whoever comes first; the other is refused, or comes when the first has ended. No set id is given twice."""
    here = stage("PR2")
    both = [started(here, here.root / name) for name in ("first", "second")]
    told = [one.communicate(timeout=90)[0] for one in both]
    codes = sorted(one.returncode for one in both)
    assert codes in ([0, 0], [0, 12]), told
    assert len(here.sets("PR2")) == codes.count(0)
    here.assert_clean("PR2")
