"""Each way in which the site's own task fails: what we say of it, and that the backup that was there before is there again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sweeping import some_then_sweeps

from sitekeeper.cli.main import main
from sitekeeper.engine.errors import RemoteError
from sitekeeper.site import backup_task
from sitekeeper.site.task import following
from sitekeeper.store.collect import Collect
from sitekeeper_lab.windows.services import ServiceControl

from .conftest import BOOK, beside, is_new, is_previous, lay_previous

pytestmark = pytest.mark.timeout(120)


Way = tuple[str, dict[str, Any], int, str]
WAYS: dict[str, list[Way]] = {
    "destination": [
        ("backup_fails", {"step": "destination"}, 7, "create the folder"),
        ("backup_fails", {"step": "rights"}, 7, "cannot write to the destination"),
        ("backup_fails", {"step": "delete"}, 7, "KB 2387913"),
    ],
    "copying": [
        ("backup_fails", {"step": "database"}, 7, "Windows error 1117"),
        ("backup_fails", {"step": "disk"}, 9, "the destination is full"),
        ("snapshot_fails", {}, 7, "5043"),
    ],
    "end": [
        ("backup_ends_silently", {}, 10, "completion message (5035) is missing"),
        ("backup_hangs", {}, 7, "did not finish within 3 s"),
        ("start_and_die", {"service": "SMS_SITE_BACKUP"}, 10, "5035"),
    ],
}


@pytest.mark.parametrize("kind", some_then_sweeps(WAYS, step=2))
def test_the_previous_backup_comes_back(stage: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE", 0.5)
    monkeypatch.setattr(following, "SILENT_MINUTES", 0)
    here = stage("PR2")
    folder = lay_previous(here)
    for fault, arguments, code, said in WAYS[kind]:
        here.lab.fault("PR2", fault, **arguments)
        if fault == "start_and_die":
            here.lab.fault("PR2", "backup_hangs")
        outcome = here.run("-e", "longest=3s", playbook=BOOK)
        assert outcome.code == code, outcome.error("PR2")
        assert said in outcome.error("PR2")
        assert ("its log has not grown for 0 min" in outcome.error("PR2")) == (fault == "backup_hangs")
        assert here.state("PR2").service("SMS_SITE_BACKUP").state == "Stopped"
        here.assert_clean("PR2")
        assert is_previous(folder), said
        assert beside(here) == []
        assert here.sets("PR2") == []
        here.lab.clear_faults()


def test_services_that_the_task_leaves_stopped_are_started(stage: Any) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "backup_leaves_stopped")
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 0, outcome.error("PR2")
    here.assert_clean("PR2")
    assert set(here.manifest("PR2")["task"]["started_by_us"]) == {"SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE"}


@pytest.mark.parametrize(
    ("where", "said"), [(None, "no destination is configured"), ("Q:\\SMSBackup", "does not exist")]
)
def test_a_bad_destination_is_refused(stage: Any, where: str | None, said: str) -> None:
    here = stage("PR2")
    here.lab.host("PR2").machine.site.backup_to = where
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 11
    assert said in outcome.error("PR2")
    assert {"Save-SkTaskBackup", "Start-SkBackupTask"}.isdisjoint(line["command"] for line in here.audit("call"))
    here.assert_clean("PR2")


def test_a_space_is_taken_from_2012_on(stage: Any) -> None:
    def change(data: dict[str, Any]) -> None:
        data["hosts"]["PR2"]["site"]["backup_to"] = "C:\\SMS Backup"

    here = stage("PR2", change=change)
    assert here.run(playbook=BOOK).code == 0


def test_a_run_of_somebody_else_is_recognised_before(stage: Any) -> None:
    here = stage("PR2")
    lay_previous(here)
    here.lab.fault("PR2", "backup_hangs")
    control = ServiceControl(here.lab.host("PR2"))
    service = control.find("SMS_SITE_BACKUP")
    assert service is not None
    control.start(service)
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 11
    assert "Save-SkTaskBackup" not in {line["command"] for line in here.audit("call")}
    assert here.state("PR2").service("SMS_SITE_BACKUP").state == "Running"  # none of ours is stopped
    assert beside(here) == []  # what was there before is his run's affair: it deletes it, as the task does


def _begin(here: Any) -> None:
    control = ServiceControl(here.lab.host("PR2"))
    service = control.find("SMS_SITE_BACKUP")
    assert service is not None
    assert control.start(service) == 0


def test_a_run_of_somebody_else_at_the_same_moment(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """His run is awaited, not stopped; it is good, so it stays, and what was there before lies beside it."""
    here = stage("PR2")
    folder = lay_previous(here)
    ours = backup_task._start

    def too_late(*arguments: Any) -> None:
        _begin(here)
        ours(*arguments)

    monkeypatch.setattr(backup_task, "_start", too_late)
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 12, outcome.error("PR2")
    assert is_new(folder)
    (kept,) = beside(here)
    assert is_previous(kept)
    monkeypatch.undo()
    assert here.run(playbook=BOOK).code == 0  # and the next set that is published ends that
    assert beside(here) == []


def test_a_run_of_somebody_else_before_ours_is_collected(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage("PR2")
    folder = lay_previous(here)
    collect = Collect.apply

    def overtaken(*arguments: Any) -> Any:
        _begin(here)
        return collect(*arguments)

    monkeypatch.setattr(Collect, "apply", overtaken)
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 10
    assert "was started again" in outcome.error("PR2")
    assert here.sets("PR2") == []
    assert is_new(folder)
    assert [is_previous(one) for one in beside(here)] == [True]


@pytest.mark.parametrize("asked", ["the site database", "the store"])
def test_a_question_that_cannot_be_asked_deletes_no_backup(
    stage: Any, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Collecting fails, and nobody can say then whether the new backup is good: both stay until somebody can."""
    here = stage("PR2")
    folder = lay_previous(here)
    away = here.store.with_name("away")

    def fails(*_: Any) -> None:
        if asked == "the store":
            here.store.rename(away)
            here.store.mkdir(mode=0o700)
            host = here.lab.host("PR2")
            log = host.files.resolve(f"{host.machine.site.install}\\Logs\\smsbkup.log")
            log.rename(log.with_name("smsbkup.lo_"))  # it rolled over
        else:
            here.lab.fault("PR2", "sql_refuse_login", times=0, number=18456)
            here.lab.fault("PR2", "sql_stops")  # whoever was connected is no longer
            here.lab.fault("PR2", "sql_starts")
        raise RemoteError("collecting failed")

    with monkeypatch.context() as patch:
        patch.setattr(Collect, "apply", fails)
        outcome = here.run(playbook=BOOK)
    assert outcome.code == 20, outcome.error("PR2")
    assert is_new(folder)
    assert [is_previous(one) for one in beside(here)] == [True]
    here.lab.clear_faults()
    if asked == "the store":
        here.store.rmdir()
        away.rename(here.store)
    (run,) = (one.name for one in (here.root / "runs").iterdir() if (one / "journal.db").is_file())
    assert main(["rollback", run, "--runs", str(here.root / "runs"), "--json"]) == 0
    here.assert_clean("PR2")
    if asked == "the site database":
        assert is_new(folder)
        assert [is_previous(one) for one in beside(here)] == [True]


def test_a_destination_that_is_gone_is_no_success(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of the destination goes away: the run says that the previous backup lies there, and rollback ends it later."""
    here = stage("PR2")
    folder = lay_previous(here)
    away = folder.parent.with_name("away")

    def gone(*_: Any) -> None:
        folder.parent.rename(away)
        raise RemoteError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(backup_task, "_start", gone)
        outcome = here.run(playbook=BOOK)
    assert outcome.code == 20
    away.rename(folder.parent)
    assert len(beside(here)) == 1
    (run,) = (one.name for one in (here.root / "runs").iterdir() if (one / "journal.db").is_file())
    assert main(["rollback", run, "--runs", str(here.root / "runs"), "--json"]) == 0
    assert is_previous(folder)
    assert beside(here) == []
    here.assert_clean("PR2")
