"""What setup refuses reaches the operator, and nothing half done is left; a set that is sealed, and setup that takes its time."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pyrage
import pytest
from tests.drill.conftest import edited

from sitekeeper.engine.errors import RemoteError
from sitekeeper.site import setup
from sitekeeper.site.recovery import setup_state
from sitekeeper.site.setup import Setup
from sitekeeper.sql.server import queries
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.model import ScheduledTask

from .conftest import INSTALLER, Ward

SETUP_LOG = r"C:\ConfigMgrSetup.log"


class Way(NamedTuple):
    """What is wrong, what is said, with which exit code, and whether setup itself was started."""

    wrong: Callable[[Ward], object]
    said: str
    code: int = 11
    started: bool = False


def _task(ward: Ward, **facts: object) -> None:
    task = next(one for one in ward.lab.host("PR2").machine.tasks if one.name == "sitekeeper-setup")
    for name, value in facts.items():
        setattr(task, name, value)


def _no_task(ward: Ward) -> None:
    tasks: list[ScheduledTask] = ward.lab.host("PR2").machine.tasks
    tasks[:] = [one for one in tasks if one.name != "sitekeeper-setup"]


WAYS = {
    "no task": Way(_no_task, "task sitekeeper-setup does not exist"),
    "a task that runs something else": Way(
        lambda ward: _task(ward, command=r"C:\other.cmd"), "does not run sitekeeper's file"
    ),
    "a task that runs as SYSTEM": Way(lambda ward: _task(ward, account="SYSTEM"), "runs as SYSTEM"),
    "a task of another account": Way(
        lambda ward: _task(ward, account=r"LAB\somebody"),
        r"runs as LAB\somebody, but recovery.account is LAB\installer",
    ),
    "prerequisites that fail": Way(
        lambda ward: ward.lab.fault("PR2", "setup_fails", step="prerequisites"),
        "prerequisites finished with exit code 1: ",
        7,
    ),
    "setup that fails": Way(
        lambda ward: ward.lab.fault("PR2", "setup_fails", step="setup"),
        "setup finished with exit code 1: ",
        7,
        started=True,
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_refusal_reaches_the_operator_and_nothing_is_left(ward: Ward, name: str) -> None:
    way, host = WAYS[name], ward.lab.host("PR2")
    ward.wreck("PR2")
    way.wrong(ward)
    recovery = {"provider": "PR2.lab.example", "sql_server": "PR2.lab.example", "account": INSTALLER}
    outcome = ward.restore(
        "PR2", "-e", f"set={ward.set_of('PR2', 'snapshot').name}", "-e", json.dumps({"recovery": recovery})
    )
    said = outcome.error("PR2")
    assert (outcome.code, ward.failed_task(outcome)) == (way.code, "site.setup"), said
    assert way.said in said
    assert host.exists(SETUP_LOG) is way.started
    if way.started:
        assert host.read(SETUP_LOG).decode().splitlines()[-1].strip() in said
    ward.assert_bare("PR2")


def test_2012_without_media_is_refused_before_anything_is_changed(ward: Ward) -> None:
    """As every real set of it: CD.Latest came with current branch."""
    chosen = ward.set_of("PR3", "snapshot")
    shutil.rmtree(chosen / "SiteServer" / "SMSServer" / "CD.Latest")

    def edit(data: dict[str, Any]) -> None:
        data["entries"] = [one for one in data["entries"] if "/CD.Latest" not in one["file"]]
        files = [one for one in data["entries"] if one["kind"] == "file"]
        data |= {"files": len(files), "bytes": sum(one["size"] for one in files)}

    edited(chosen, edit)
    ward.lab.operate("PR3", "wreck")
    outcome = ward.restore("PR3", "-e", f"set={chosen.name}")
    assert (outcome.code, ward.failed_task(outcome)) == (11, "site.target"), outcome.error("PR3")
    assert "version 5.0.7958.1000 has no CD.Latest" in outcome.error("PR3")
    assert not ward.lab.host("PR3").exists(r"C:\sitekeeper")
    whole = ward.set_of("PR3", "task").name
    ward.lab.operate("PR3", "allow_setup", account=INSTALLER)
    assert ward.restore("PR3", "-e", f"set={whole}").code == 0, "the other tests find it working"


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_setup_that_never_ends_is_left_alone(ward: Ward, way: str) -> None:
    host, server = ward.lab.host("PR2"), ward.lab.site_servers["PR2"]
    ward.wreck("PR2")
    ward.lab.fault("PR2", "setup_hangs", times=0)
    chosen = ward.set_of("PR2", "snapshot").name
    try:
        outcome = ward.restore("PR2", "-e", f"set={chosen}", "-e", "setup_timeout=1s")
        assert outcome.code == 7
        assert "setup has not finished after" in outcome.error("PR2")
        assert [one for one in outcome.events if one["event"] == "Undone"] == []
        assert ward.again(way) == {"resume": 7, "rollback": 13}[way], "as long as setup is at work"
        assert len(ward.staged("PR2")) == 2, "the database and the stage"
        assert server.instance.database("CM_PR2") is not None
    finally:
        ward.lab.clear_faults()
    while b"completed" not in host.read(SETUP_LOG):
        time.sleep(0.02)
    assert ward.again(way) == 0, ward.said
    assert host.read(SETUP_LOG).count(b"began") == 1, "it ran once"
    ward.assert_works("PR2")
    assert len(ward.staged("PR2")) == {"resume": 2, "rollback": 1}[way], "the database is the site's"


@pytest.mark.parametrize("how", ["killed", "the host restarted"])
def test_setup_that_is_gone_is_noticed_and_undone(ward: Ward, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within minutes: a program that is not seen for a minute is gone, and half a minute later its stage may be deleted."""
    assert setup.GONE_SECONDS + setup.FOLLOW_SECONDS * 2 + setup_state.GONE_SECONDS < 300
    monkeypatch.setattr(setup, "GONE_SECONDS", 1.0)
    monkeypatch.setattr(setup_state, "GONE_SECONDS", 0.2)
    host = ward.lab.host("PR2")
    ward.wreck("PR2")
    ward.lab.fault("PR2", "setup_killed" if how == "killed" else "setup_hangs", times=0)
    restarting = threading.Thread(target=_restart_once_setup_runs, args=(ward, host))
    if how != "killed":
        restarting.start()
    try:
        outcome = ward.restore("PR2", "-e", f"set={ward.set_of('PR2', 'snapshot').name}")
    finally:
        ward.lab.clear_faults()
        if how != "killed":
            restarting.join()
    assert outcome.code == 7, outcome.error("PR2")
    assert "setup was cut off: none of its programs runs on PR2, and it left no exit code" in outcome.error("PR2")
    assert "ConfigMgrSetup.log" in outcome.error("PR2")
    assert ward.staged("PR2") == [], "what was laid there for it is deleted"
    assert ward.lab.failure is None


def _restart_once_setup_runs(ward: Ward, host: Host) -> None:
    end = time.monotonic() + 60
    while not (host.exists(SETUP_LOG) and b"began" in host.read(SETUP_LOG)) and time.monotonic() < end:
        time.sleep(0.02)
    ward.lab.fault("PR2", "reboot")


def test_a_silent_setup_that_is_alive_is_told_as_such() -> None:
    watch = setup._StepWatch(grew=0.0)
    watch.note({"Length": 10, "Alive": True, "Tail": "one\ntwo\n"}, 5.0)
    assert watch.describe({"Length": 10, "Alive": True, "Tail": "one\ntwo\n"}, 100.0) == "two"
    assert watch.describe({"Length": 10, "Alive": True, "Tail": "one\ntwo\n"}, 725.0) == (
        "still running, but its log has no new line for 12 min"
    )
    assert watch.gone is None


def test_a_site_of_2007_that_lives_is_not_touched(ward: Ward) -> None:
    """Nor one that was recovered once: its database is young, and what it holds is not."""
    database = ward.lab.site_servers["PR1"].instance.database("SMS_PR1")
    assert database is not None
    created = database.options()["created"]
    ahead = datetime.fromisoformat(created) + timedelta(days=1)
    before = len(ward.audit("change", "PR1"))
    for young, said in ((created, "before the set was taken"), (ahead.isoformat(), "status message of")):
        database.set_option("created", young)
        outcome = ward.restore("PR1", "-e", f"set={ward.set_of('PR1', 'task').name}")
        assert (outcome.code, ward.failed_task(outcome)) == (11, "site.target"), outcome.error("PR1")
        assert "installed anew: " in outcome.error("PR1")
        assert said in outcome.error("PR1")
    database.set_option("created", created)
    turned = [one for one in ward.audit("change", "PR1")[before:] if one["kind"] in {"service", "start mode"}]
    assert turned == []
    ward.assert_works("PR1")


@pytest.mark.parametrize(
    ("site", "kind", "said"),
    [
        ("PR2", "snapshot", "Recover Secondary Site"),
        ("PR2", "task", "Recover Secondary Site"),
        ("PR1", "task", "from its primary site"),
    ],
)
def test_a_secondary_site_is_never_recovered_as_a_primary(ward: Ward, site: str, kind: str, said: str) -> None:
    chosen = ward.set_of(site, kind)

    def edit(data: dict[str, Any]) -> None:
        data["site_type"] = "secondary"

    edited(chosen, edit)
    outcome = ward.restore(site, "-e", f"set={chosen.name}")
    assert (outcome.code, ward.failed_task(outcome)) == (11, "site.target"), outcome.error(site)
    assert f"kind of site: {site} is a secondary site" in outcome.error(site)
    assert said in outcome.error(site)


@pytest.mark.parametrize("lost", ["its database", "the right to read it"])
def test_a_site_of_2007_whose_database_says_nothing_is_not_touched(
    ward: Ward, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = ward.lab.site_servers["PR1"].instance
    if lost == "its database":
        monkeypatch.setattr(instance, "databases", {})
    else:
        statement = "SELECT x.First AS first FROM SMS_PR1.dbo.NotMine AS x WHERE x.Name IN (?, ?, ?)"
        monkeypatch.setattr(queries, "first_message", lambda _: statement)
    outcome = ward.restore("PR1", "-e", f"set={ward.set_of('PR1', 'task').name}")
    assert (outcome.code, ward.failed_task(outcome)) == (11, "site.target"), outcome.error("PR1")
    assert "it could be a site in use" in outcome.error("PR1")


def test_a_site_that_is_there_keeps_its_database_whatever_setup_ended_with(ward: Ward) -> None:
    """Not even a code that an operator has written down for it takes it away; that the site is whole is for him to say."""
    host, server = ward.lab.host("PR2"), ward.lab.site_servers["PR2"]
    ward.wreck("PR2")
    ward.lab.fault("PR2", "setup_wants_restart")
    outcome = ward.restore("PR2", "-e", f"set={ward.set_of('PR2', 'snapshot').name}")
    assert outcome.code == 20, outcome.error("PR2")
    assert "setup finished with exit code 3010" in outcome.error("PR2")
    (code,) = host.files.resolve("C:\\sitekeeper").glob("*/setup/setup.code")
    for said in (None, "1\r\n"):
        if said is not None:
            code.write_text(said)
            assert ward.again("rollback") == 13, ward.said
        assert server.instance.database("CM_PR2") is not None
        assert len(ward.staged("PR2")) == 2, "the database and the stage"
        ward.assert_works("PR2")
    code.write_text("0\r\n")
    assert ward.again("rollback") == 0, ward.said
    assert len(ward.staged("PR2")) == 1, "the database is the site's"
    ward.assert_works("PR2")


def test_a_site_that_was_set_up_by_hand_keeps_its_database(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run died before it started setup; the operator ran it as the book says, and takes the run back afterwards."""
    server = ward.lab.site_servers["PR2"]
    ward.wreck("PR2")

    def by_hand(*_: object) -> None:
        (script,) = server.host.files.resolve(str(ward.lab.hierarchy.hosts["PR2"].sql_work_dir)).glob("*/recover.ini")
        folder = f"{ward.lab.hierarchy.hosts['PR2'].sql_work_dir}\\{script.parent.name}"
        assert (
            server.setup(
                f"{folder}\\CD.Latest\\SMSSETUP\\BIN\\X64\\setup.exe", ["/script", f"{folder}\\recover.ini"]
            ).code
            == 0
        )
        raise RemoteError("the run ends here")

    with monkeypatch.context() as patch:
        patch.setattr(Setup, "apply", by_hand)
        assert ward.restore("PR2", "-e", f"set={ward.set_of('PR2', 'snapshot').name}").code == 20
    assert ward.again("rollback") == 13, ward.said
    assert "write" in ward.said or "hold 0" in ward.said
    assert server.instance.database("CM_PR2") is not None
    ward.assert_works("PR2")


def test_a_sealed_set_leaves_no_plain_copy(ward: Ward) -> None:
    """The set is made here, of a site that every test leaves working."""
    key = pyrage.x25519.Identity.generate()
    identity = ward.root / "key.txt"
    identity.write_text(f"{key}\n")
    identity.chmod(0o600)
    sealed = ("-e", json.dumps({"store_recipients": [str(key.to_public())]}), "-e", "store_compress=zstd")
    made = ward.run("--limit", "PR3", *sealed, playbook="playbooks/backup.yml")
    assert made.code == 0, made.error("PR3")
    chosen = ward.sets("PR3")[-1].name
    ward.wreck("PR3")
    without = ward.restore("PR3", "-e", f"set={chosen}")
    assert (without.code, ward.failed_task(without)) == (4, "store.get"), without.error("PR3")
    work = ward.root / "work"
    outcome = ward.restore("PR3", "-e", f"set={chosen}", "-e", f"store_identity={identity}", "-e", f"work={work}")
    assert outcome.code == 0, outcome.error("PR3")
    ward.assert_works("PR3")
    left = [path for path in ward.root.rglob("*") if path.name.lower() in {"cm_pr3.mdf", "srvacct.pr3"}]
    assert [path for path in left if chosen in path.parts or ward.store not in path.parents] == []
