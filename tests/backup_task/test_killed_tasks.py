"""The control host's process is killed while the site's own task is run: the backup that was there before is never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.backup.test_killed_runs import again, intent_of, killed_when, outcome_of
from tests.sweeping import some_then_sweeps

from sitekeeper.cli.main import main
from sitekeeper.engine.journal import journal
from sitekeeper_lab.sql.attach import attach

from .conftest import BOOK, beside, destination, is_new, is_previous, lay_previous

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).resolve().parents[2]
Seen = Callable[[list[journal.Row]], bool]


def disk_shows(look: Callable[[], bool]) -> Seen:
    def seen(rows: list[journal.Row]) -> bool:
        return bool(rows) and look()

    return seen


POINTS: dict[str, Callable[[Any], Seen]] = {
    "intended": lambda _: intent_of("site.backup_task"),
    "put aside": lambda here: disk_shows(lambda: bool(beside(here))),
    "services down": lambda here: disk_shows(lambda: here.state("PR2").service("SMS_EXECUTIVE").state == "Stopped"),
    "copying": lambda here: disk_shows((destination(here) / "PR2Backup" / "SiteServer" / "SMSServer" / "data").is_dir),
    "ended": lambda _: outcome_of("site.backup_task"),
    "being collected": lambda _: intent_of("store.collect"),
    "published": lambda _: outcome_of("store.publish_task"),
}


def killed(here: Any, point: str) -> str:
    lay_previous(here)
    # Long enough that the kill comes before the end of the task, whose backup would be a good one.
    here.lab.fault("PR2", "backup_slow", seconds=5 if point in {"services down", "copying"} else 1)
    return killed_when(here, POINTS[point](here), ROOT / BOOK)


@pytest.mark.parametrize("point", some_then_sweeps(POINTS, step=5))
def test_rollback(stage: Any, point: str) -> None:
    here = stage("PR2")
    run = killed(here, point)
    assert again(here, "rollback", run) == 0, here.told
    here.assert_clean("PR2")
    assert here.state("PR2").service("SMS_SITE_BACKUP").state == "Stopped"
    assert journal.open_changes(here.root / "runs" / run) == []
    folder = destination(here) / "PR2Backup"
    if point == "published":
        assert is_new(folder)
        assert beside(here) == []
        assert len(here.sets("PR2")) == 1
        return
    assert here.sets("PR2") == []
    if point in {"ended", "being collected"}:  # a good one, not in the store: both are kept
        assert is_new(folder)
        assert [is_previous(one) for one in beside(here)] == [True]
        return
    assert is_previous(folder)
    assert beside(here) == []


@pytest.mark.parametrize("point", some_then_sweeps(["put aside", "ended", "published"], step=2))
def test_resume(stage: Any, point: str) -> None:
    here = stage("PR2")
    run = killed(here, point)
    assert again(here, "resume", run) == 0, here.told
    (whole,) = here.sets("PR2") if len(here.sets("PR2")) == 1 else pytest.fail(here.told)
    files = {file.suffix.lower(): file for file in (whole / "PR2Backup" / "SiteDBServer").iterdir()}
    inbox = whole / "PR2Backup/SiteServer/SMSServer/inboxes/labcounter.box/counter.txt"
    assert attach(files[".mdf"], files[".ldf"]).counter == int(inbox.read_text().split()[0])
    assert main(["backups", "verify", "--store", str(here.store)]) == 0
    here.assert_clean("PR2")
    assert is_new(destination(here) / "PR2Backup")
    assert beside(here) == []
    assert journal.open_changes(here.root / "runs" / run) == []


@pytest.mark.parametrize("cut", ["Complete-SkTaskBackup", "Save-SkTaskBackup"])
def test_a_connection_that_is_lost_in_a_rename(stage: Any, cut: str) -> None:
    """Whether it was made is not known: what follows finds out by looking, and nothing is lost."""
    here = stage("PR2")
    folder = lay_previous(here)
    here.lab.fault("PR2", "backup_fails", step="database")
    audit, faults = here.lab.audit, here.lab.machines["PR2"].faults
    write = audit.write

    def watching(event: str, host: str, **facts: Any) -> None:
        write(event, host, **facts)
        if event == "call" and facts.get("command") == cut:
            audit.write = write
            faults.drop(operation="Receive", when="before")

    audit.write = watching
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 7
    here.assert_clean("PR2")
    assert is_previous(folder)
    assert beside(here) == []
