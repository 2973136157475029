"""What a run proved: made from its journal, signed so that the public tools verify it, and honest about what failed."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.journals import run_begun

from sitekeeper.engine import events
from sitekeeper.engine.errors import SecretError, UsageError
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import Told
from sitekeeper.engine.plan import Check
from sitekeeper.report import evidence

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD = Check(name="site code", status="ok", said="PR1 <in> the database")
BAD = Check(name="row counts", status="failed", said="v_Site: 3, was 4", consequence="What is restored lacks a site.")


def _journal(tmp_path: Path, *, ended: bool = True, check: bool = False, failed: bool = True) -> Path:
    told: list[events.Event] = [
        events.RunStarted(at=T0, run="r1", playbook="drill.yml", check=check, by="kim@control"),
        events.PlayStarted(at=T0, play="Drill", hosts=("PR1", "PR2")),
        events.TaskEnded(
            at=T0, host="PR1", task="Attach", module="sql.attach", status="changed", seconds=2.5, msg="attached"
        ),
        events.TaskEnded(
            at=T0,
            host="PR1",
            task="Ask",
            module="site.examine",
            status="failed" if failed else "ok",
            seconds=1,
            msg="1 of 2 failed",
            checks=(GOOD, BAD) if failed else (GOOD,),
        ),
        events.Undone(at=T0, host="PR1", task="Attach", module="sql.attach", ok=True, msg="dropped"),
        events.HostEnded(
            at=T0,
            host="PR1",
            play="Drill",
            status="failed" if failed else "ok",
            seconds=4,
            word="integrity" if failed else "",
            error="error[integrity]: it broke" if failed else "",
            summary={"set": "PR1-000007"},
        ),
        events.HostEnded(at=T0, host="PR2", play="Drill", status="ok", seconds=3, summary={"set": "PR2-000002"}),
    ]
    if ended:
        told.append(events.RunEnded(at=T0 + timedelta(seconds=9), run="r1", exit_code=10 if failed else 0, seconds=9.0))
    folder = tmp_path / "runs" / "r1"
    journal = Journal(folder)
    journal.commit(run_begun("r1"))
    for event in told:
        journal.note(Told(event), host=event.host)
    journal.close()
    return folder


def test_everything_that_was_found_is_in_all_three(tmp_path: Path) -> None:
    found = evidence.of_run(_journal(tmp_path))
    html, data, junit = (file.read_text("utf-8") for file in evidence.write(found, tmp_path / "out"))
    for said in (
        "Not passed",
        "kim@control",
        "PR1-000007",
        "PR1 &lt;in&gt; the database",
        "What is restored lacks a site.",
    ):
        assert said in html
    assert "http" not in html.replace("http-equiv", "")
    read = json.loads(data)
    assert (read["passed"], read["exit_code"], read["tool"], read["subjects"][0]["taken_back"]) == (
        False,
        10,
        "9.9",
        [[True, "dropped"]],
    )
    suites: dict[str, Any] = {one.get("name", ""): one for one in ET.fromstring(junit.split("\n", 1)[1])}  # noqa: S314 - our own file
    assert (suites["PR1"].get("tests"), suites["PR1"].get("failures")) == ("5", "3")
    assert (suites["PR2"].get("tests"), suites["PR2"].get("failures")) == ("0", "0")
    assert suites["PR1"].find("testcase[@name='Ask: row counts']/failure") is not None


def test_a_run_that_went_well(tmp_path: Path) -> None:
    found = evidence.of_run(_journal(tmp_path, failed=False))
    assert found.passed
    assert "<h1>Passed" in evidence.as_html(found)
    assert "<failure" not in evidence.as_junit(found)


def test_nothing_is_shown_of_a_check_or_of_a_run_that_has_not_ended(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has not ended"):
        evidence.of_run(_journal(tmp_path / "a", ended=False))
    with pytest.raises(UsageError, match="was a check"):
        evidence.of_run(_journal(tmp_path / "b", check=True))


def _add(folder: Path, *told: events.Event) -> None:
    """More of the same run, by a later process."""
    journal = Journal(folder, again=True)
    for event in told:
        journal.note(Told(event), host=event.host)
    journal.close()


def _rolled_back(folder: Path, *hosts: str, code: int = 0) -> None:
    ended = [
        events.HostEnded(
            at=T0,
            host=host,
            play="rollback",
            status="failed" if code else "rolled back",
            seconds=1,
            word="undo" if code else "",
            error="error[undo]: it stays" if code else "",
        )
        for host in hosts
    ]
    undone = [
        events.Undone(at=T0, host=host, task="Attach", module="sql.attach", ok=True, msg="gone") for host in hosts
    ]
    play = events.PlayStarted(at=T0, play="roll back r1", hosts=hosts)
    _add(folder, play, *undone, *ended, events.RunEnded(at=T0, run="r1", exit_code=code, seconds=1.0))


@pytest.mark.parametrize("code", [0, 13])
def test_a_rollback_stands_beside_what_the_run_found(tmp_path: Path, code: int) -> None:
    folder = _journal(tmp_path)
    _rolled_back(folder, "PR1", code=code)
    found = evidence.of_run(folder)
    subject = found.subjects[0]
    assert (found.passed, found.exit_code, found.seconds) == (False, 10, 9.0)
    assert (subject.status, subject.word, subject.error) == ("failed", "integrity", "error[integrity]: it broke")
    assert (subject.rollback, subject.taken_back) == (
        "failed" if code else "rolled back",
        [(True, "dropped"), (True, "gone")],
    )
    assert [one.exit_code for one in found.rollbacks] == [code]
    html = evidence.as_html(found)
    assert "Not passed" in html
    assert "it broke" in html
    assert ("it stays" in html) is bool(code)


def test_a_run_that_was_cut_off_and_rolled_back_did_not_pass(tmp_path: Path) -> None:
    folder = _journal(tmp_path, failed=False, ended=False)
    _rolled_back(folder, "PR2")
    found = evidence.of_run(folder)
    assert (found.passed, found.exit_code) == (False, None)
    assert "it was cut off" in evidence.as_html(found)
    assert "<failure" in evidence.as_junit(found)  # although both sites had ended well


def test_a_run_that_was_cut_off_and_resumed_is_judged_by_its_end(tmp_path: Path) -> None:
    folder = _journal(tmp_path, failed=False, ended=False)
    again = events.RunStarted(at=T0, run="r1", playbook="drill.yml", check=False)
    _add(folder, again, events.RunEnded(at=T0, run="r1", exit_code=0, seconds=1.0))
    assert evidence.of_run(folder).passed


@pytest.mark.parametrize("status", ["cut off", "rolled back", "partial", "failed"])
def test_every_site_must_be_proved(tmp_path: Path, status: str) -> None:
    found = evidence.of_run(_journal(tmp_path, failed=False))
    found.subjects[1].status = status
    assert not found.passed


def test_nothing_passed_where_no_site_did(tmp_path: Path) -> None:
    found = evidence.of_run(_journal(tmp_path, failed=False))
    for subject in found.subjects:
        subject.status = "skipped"
    assert not found.passed


def _not_its_turn(folder: Path, *hosts: str) -> Path:
    """The run goes on to hosts whose play found that nothing is to be done there."""
    told = [
        events.HostEnded(
            at=T0, host=host, play="Drill", status="ok", seconds=0, summary={"skipped": "not its turn: it waits"}
        )
        for host in hosts
    ]
    _add(folder, *told, events.RunEnded(at=T0, run="r1", exit_code=0, seconds=1.0))
    return folder


def test_a_site_whose_turn_it_was_not_proves_nothing(tmp_path: Path) -> None:
    found = evidence.of_run(_not_its_turn(_journal(tmp_path / "a", failed=False), "CEN"))
    assert (found.passed, found.subjects[-1].status, found.subjects[-1].error) == (
        True,
        "skipped",
        "not its turn: it waits",
    )
    suite = ET.fromstring(evidence.as_junit(found).split("\n", 1)[1]).find("testsuite[@name='CEN']")  # noqa: S314 - our own
    assert suite is not None
    assert (suite.get("skipped"), suite.find("testcase/skipped") is not None) == ("1", True)
    assert "not its turn: it waits" in evidence.as_html(found)
    nothing = evidence.of_run(_not_its_turn(_journal(tmp_path / "b", failed=False), "PR1", "PR2"))
    assert not nothing.passed
    assert "<failure" in evidence.as_junit(nothing)


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        ({"status": "ok", "summary": {"skipped": "not its turn"}}, {"status": "ok"}, "skipped"),
        ({"status": "ok"}, {"status": "skipped"}, "ok"),
        ({"status": "partial", "error": "error[partial]: half"}, {"status": "ok"}, "partial"),
        ({"status": "ok"}, {"status": "ok"}, "ok"),
    ],
)
def test_a_later_play_does_not_hide_an_earlier_one(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], stands: str
) -> None:
    folder = _journal(tmp_path, failed=False, ended=False)
    plays = zip(("Drill", "Prune"), (first, second), strict=True)
    told = [events.HostEnded(at=T0, host="CEN", play=name, seconds=1, **ended) for name, ended in plays]
    _add(folder, *told, events.RunEnded(at=T0, run="r1", exit_code=0, seconds=1.0))
    found = evidence.of_run(folder)
    assert (found.subjects[-1].name, found.subjects[-1].status) == ("CEN", stands)
    assert found.passed is (stands != "partial")


def test_what_the_run_was_limited_to_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "r1"
    journal = Journal(folder)
    journal.commit(run_begun("r1", limit="PR2", tags=("drill",), skip_tags=("slow",)))
    for event in (
        events.RunStarted(at=T0, run="r1", playbook="x.yml", check=False),
        events.RunEnded(at=T0, run="r1", exit_code=0, seconds=1),
    ):
        journal.note(Told(event))
    journal.close()
    found = evidence.of_run(folder)
    assert (found.limit, found.tags, found.skip_tags) == ("PR2", ("drill",), ("slow",))
    html = evidence.as_html(found)
    assert all(said in html for said in ("only PR2", "only those tagged drill", "without those tagged slow"))


def _key(tmp_path: Path) -> Path:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen: apt-get install openssh-client")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


def _verified(file: Path, key: Path) -> bool:
    signers = key.with_name("signers")
    signers.write_text(f"drills@example {key.with_suffix('.pub').read_text()}")
    words = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        str(signers),
        "-I",
        "drills@example",
        "-n",
        evidence.NAMESPACE,
        "-s",
        f"{file}.sig",
    ]
    with file.open("rb") as text:
        return subprocess.run(words, stdin=text, capture_output=True, check=False).returncode == 0


def test_ssh_keygen_verifies_it_and_refuses_what_was_changed(tmp_path: Path) -> None:
    key = _key(tmp_path)
    found = evidence.of_run(_journal(tmp_path))
    files = evidence.write(found, tmp_path / "out", key)
    files = evidence.write(found, tmp_path / "out", key)  # a second time over the first
    signed = [file for file in files if file.suffix != ".sig"]
    assert len(files) == 2 * len(signed) == 6
    assert all(_verified(file, key) for file in signed)
    signed[0].write_text(signed[0].read_text().replace("Not passed", "Passed"))
    assert not _verified(signed[0], key)


def test_minisign_verifies_it(tmp_path: Path) -> None:
    if shutil.which("minisign") is None:
        pytest.skip("no minisign: apt-get install minisign")
    key, public = tmp_path / "key", tmp_path / "key.pub"
    subprocess.run(["minisign", "-G", "-W", "-s", str(key), "-p", str(public)], check=True, capture_output=True)
    for file in evidence.write(evidence.of_run(_journal(tmp_path)), tmp_path / "out", key)[:3]:
        subprocess.run(["minisign", "-V", "-q", "-p", str(public), "-m", str(file)], check=True)


def test_a_key_that_cannot_sign_says_so(tmp_path: Path) -> None:
    found = evidence.of_run(_journal(tmp_path))
    with pytest.raises(SecretError, match="cannot be read"):
        evidence.write(found, tmp_path / "out", tmp_path / "nowhere")
    key = _key(tmp_path)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a pass phrase", "-f", str(key)], check=True, capture_output=True
    )
    with pytest.raises(SecretError, match="did not sign") as refused:
        evidence.write(found, tmp_path / "out", key)
    assert "a pass phrase" not in str(refused.value)
