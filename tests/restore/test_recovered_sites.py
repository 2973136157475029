"""A wrecked site of each version is recovered through Microsoft's own tool, and has exactly the differences that it must have.

They are listed here, before anything is run: ``site.compare`` fails on one more, and on one fewer.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.drill.conftest import edited

from sitekeeper.engine.errors import RemoteError
from sitekeeper.site.save import Save
from sitekeeper_lab.configmgr import life
from sitekeeper_lab.configmgr.site import database_files
from sitekeeper_lab.sql.site_schema import status_message

from .conftest import SERVICES, Ward

CRYPTOGRAPHY = r"HKLM\SOFTWARE\Microsoft\Cryptography"
NEW_WINDOWS = ("machine.guid", "machine.installed")
BY_HAND = (*NEW_WINDOWS, "database.files")
"""A database that was brought up by hand lies where it was pushed to."""
REPAIRED = (*NEW_WINDOWS, "database.broker")
"""Attaching leaves Service Broker off, and the Site Repair Wizard of 2007 does not turn it on."""


@pytest.mark.parametrize(
    ("site", "kind", "expected"),
    [
        ("PR2", "task", NEW_WINDOWS),
        ("PR3", "snapshot", BY_HAND),
        ("PR4", "snapshot", BY_HAND),
    ],
)
def test_setup_recovers_a_site_of_2012_and_later(ward: Ward, site: str, kind: str, expected: tuple[str, ...]) -> None:
    chosen = ward.set_of(site, kind).name
    ward.wreck(site)
    before = len(ward.audit("change", site))
    outcome = ward.restore(site, "-e", f"set={chosen}", "--check")
    assert (outcome.code, ward.audit("change", site)[before:]) == (0, []), outcome.error(site)
    outcome = ward.restore(site, "-e", f"set={chosen}")
    assert outcome.code == 0, outcome.error(site)
    ran = {one["task"] for one in outcome.events if one["event"] == "TaskEnded" and one["status"] in {"ok", "changed"}}
    assert {"Set the options of the recovered database", "Check that only expected differences exist"} <= ran
    assert ("Check the attached database" in ran) is (kind == "snapshot"), (
        "what a dry run cannot tell is asked for real"
    )
    ward.assert_works(site)
    assert ward.lab.site_servers[site].passwords_readable, "what is entered from now on"
    compared = ward.compare(site, chosen, *expected)
    assert compared.code == 0, compared.error(site)
    assert ward.compare(site, chosen, *expected[1:]).code == 10, "one that nobody expected"
    assert ward.compare(site, chosen, *expected, "site.parent").code == 10, "one that did not come"


def test_a_central_site_of_2007_is_installed_first(ward: Ward) -> None:
    ward.wreck("CEN")
    ward.lab.operate("CEN", "install")
    assert any("CEN" in one for one in ward.lab.exchange()), "it begins to count anew"
    since = len(ward.audit("change", "CEN"))
    book = _recovered("CEN", ward)
    turned = [
        (one["what"], one["from"], one["to"])
        for one in ward.audit("change", "CEN")[since:]
        if one["kind"] == "start mode"
    ]
    assert turned == [
        *((name, "Auto", "Disabled") for name in SERVICES),
        *((name, "Disabled", "Auto") for name in SERVICES),
    ], "it did not work while its set was laid beside it"
    kept = _place(book, r"It is saved in (C:\\sitekeeper\\\S+\\srvacct)")
    _put_back("CEN", ward, kept)
    ward.assert_works("CEN")
    assert ward.lab.exchange() == []


def test_what_was_kept_of_srvacct_is_not_replaced_by_a_run_that_goes_on(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the folder may hold what the wizard has restored, and the kept one the only keys that open anything."""
    ward.wreck("CEN")
    ward.lab.operate("CEN", "install")
    server, whole = ward.lab.site_servers["CEN"], Save.apply
    file = f"{server.spec.install}\\srvacct\\srvacct.CEN"
    new = server.host.read(file)

    def cut_off(*arguments: Any) -> None:
        whole(*arguments)
        server.host.write(file, b"what was restored")
        error = RemoteError("the run is cut off here")
        error.goes_on = True
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Save, "apply", cut_off)
        assert ward.restore("CEN", "-e", f"set={ward.set_of('CEN', 'task').name}").code == 7
    assert ward.again("resume") == 0, ward.said
    book = ward.book()
    kept = _place(book, r"It is saved in (C:\\sitekeeper\\\S+\\srvacct)")
    assert server.host.read(f"{kept}\\srvacct.CEN") == new
    ward.lab.operate("CEN", "repair", folder=_place(book, r"site backup: (\S+)"))
    _put_back("CEN", ward, kept)
    ward.assert_works("CEN")


def test_a_child_of_2007_whose_server_is_bare(ward: Ward) -> None:
    """The book is written first; who then installs the site puts its srvacct aside himself."""
    ward.wreck("PR1")
    book = _recovered("PR1", ward, install=True)
    assert "It is saved in" not in book
    _put_back("PR1", ward, r"D:\aside")
    ward.assert_works("PR1")


def test_a_child_of_2007_on_the_same_windows(ward: Ward) -> None:
    """Its old keys still open: nothing of srvacct is put back, and the machine is the same."""
    guid = json.loads((ward.set_of("PR1", "task") / "manifest.json").read_text())["machine"]["guid"]
    ward.lab.host("PR1").registry.set(CRYPTOGRAPHY, "MachineGuid", "REG_SZ", guid)  # another test may have changed it
    ward.wreck("PR1", new_windows=False)
    ward.lab.operate("PR1", "install")
    book = _recovered("PR1", ward)
    assert "Copy the new srvacct folder back" not in book
    ward.lab.operate("PR1", "reset")
    ward.assert_works("PR1")
    assert ward.lab.site_servers["PR1"].passwords_readable


@pytest.mark.parametrize(
    ("site", "machine", "module"),
    [("PR1", "PR1", "SMS Server"), ("CEN", "CLIENT7", "SMS Client"), ("CEN", "CEN", "SMS Client")],
    ids=["a child", "a client", "the client on it"],
)
def test_what_was_queued_elsewhere_makes_no_new_site_an_old_one(
    ward: Ward, site: str, machine: str, module: str
) -> None:
    """Written after the set was taken, and a day before the site was installed anew; it comes in afterwards."""
    server, chosen = ward.lab.site_servers["CEN"], ward.set_of("CEN", "task")

    def older(data: dict[str, Any]) -> None:
        data["taken_at"] = (datetime.fromisoformat(data["taken_at"]) - timedelta(days=3)).isoformat()

    edited(chosen, older)
    ward.wreck("CEN")
    ward.lab.operate("CEN", "install")
    database = server.instance.database(server.name)
    assert database is not None
    queued = datetime.fromisoformat(database.options()["created"]) - timedelta(days=1)
    with database.change("INSERT StatusMessages") as data:
        status_message(data, queued.isoformat(sep=" ", timespec="milliseconds"), 4711, site, machine, module)
    outcome = ward.restore("CEN", "-e", f"set={chosen.name}")
    assert outcome.code == 0, outcome.error("CEN")


def test_a_new_site_that_nothing_is_known_of_is_not_touched(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its database has messages, and none of them can be told to be its own."""
    monkeypatch.setattr(life, "sender", lambda *_: "ELSEWHERE")
    server = ward.lab.site_servers["CEN"]
    ward.wreck("CEN")
    ward.lab.operate("CEN", "install")
    database = server.instance.database(server.name)
    assert database is not None
    with database.change("UPDATE StatusMessages") as data:
        data.execute("UPDATE StatusMessages SET MachineName = 'ELSEWHERE'")
    outcome = ward.restore("CEN", "-e", f"set={ward.set_of('CEN', 'task').name}")
    assert (outcome.code, ward.failed_task(outcome)) == (11, "site.target"), outcome.error("CEN")
    assert "none of CEN itself" in outcome.error("CEN")


def _recovered(site: str, ward: Ward, *, install: bool = False) -> str:
    """Up to the Site Repair Wizard, as the book says; answers the book."""
    chosen, server = ward.set_of(site, "task").name, ward.lab.site_servers[site]
    outcome = ward.restore(site, "-e", f"set={chosen}")
    assert outcome.code == 0, outcome.error(site)
    book = ward.book()
    assert ("Install ConfigMgr 2007 again" in book) is install
    if install:
        ward.lab.operate(site, "install")
        files = server.host.files
        files.resolve(f"{server.spec.install}\\srvacct").rename(files.resolve(r"D:\aside"))
    ward.lab.operate(site, "repair", folder=_place(book, r"site backup: (\S+)"))
    assert any("reset was left out" in one for one in ward.lab.exchange())
    return book


def _put_back(site: str, ward: Ward, kept: str) -> None:
    """The rest of it, on another Windows."""
    server = ward.lab.site_servers[site]
    assert not server.passwords_readable, "the wizard brings the old srvacct"
    name = f"srvacct.{site}"
    server.host.write(f"{server.spec.install}\\srvacct\\{name}", server.host.read(f"{kept}\\{name}"))
    ward.lab.operate(site, "reset")
    assert server.passwords_readable
    compared = ward.compare(site, ward.set_of(site, "task").name, *REPAIRED)
    assert compared.code == 0, compared.error(site)


def _place(book: str, what: str) -> str:
    found = re.search(what, book)
    assert found is not None, book
    return found[1]


def test_a_recovered_site_is_backed_up_again(ward: Ward) -> None:
    """Its database lies where it was laid for setup, and no longer where it did."""
    ward.wreck("PR2")
    assert ward.restore("PR2", "-e", f"set={ward.set_of('PR2', 'snapshot').name}").code == 0
    where = {
        file.physical.rpartition("\\")[0] for file in ward.lab.site_servers["PR2"].instance.databases["CM_PR2"].files
    }
    assert where != {file.physical.rpartition("\\")[0] for file in database_files(ward.lab.site_servers["PR2"].spec)}
    made = ward.run("--limit", "PR2", playbook="playbooks/backup.yml")
    assert made.code == 0, made.error("PR2")
