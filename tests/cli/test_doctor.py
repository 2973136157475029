"""``sitekeeper doctor``: a lab host is as we believe hosts to be; one that is not is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitekeeper.cli.main import main
from sitekeeper_lab.hierarchy import Ports, load_hierarchy
from sitekeeper_lab.server import Lab

HIERARCHY = Path(__file__).parents[2] / "inventory" / "lab" / "hierarchy.yml"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    hierarchy = load_hierarchy(HIERARCHY)
    hosts = {
        name: spec.model_copy(update={"site": spec.site.model_copy(update={"size": 0.1}) if spec.site else None})
        for name, spec in hierarchy.hosts.items()
    }
    made = hierarchy.with_(hosts=hosts, ports=Ports(http=0, https=0, sql=0))
    with Lab(made, tmp_path_factory.mktemp("doctor") / "lab") as lab:
        yield lab


def asked(lab: Lab, host: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[str, str]]]:
    code = main(["doctor", host, "-i", str(lab.folder / "hosts.yml"), "--json"])
    told = capsys.readouterr()
    assert told.out, told.err
    rows = json.loads(told.out)
    return code, {row["believed"]: (row["status"], row["saw"]) for row in rows}


@pytest.mark.parametrize("host", ["CEN", "PR1", "PR2"])
def test_a_site_is_as_believed_and_nothing_was_changed(lab: Lab, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(lab.audit_lines(0))
    code, seen = asked(lab, host, capsys)
    assert {status for status, _ in seen.values()} <= {"ok", "unknown"}, seen
    assert code == 0
    assert "SqlServerWriter among them" in seen["vssadmin lists every writer by an id and a state number"][1]
    assert f"site {host}" in seen["sitecomp.exe has the version, the site database answers"][1]
    changes = [line for line in lab.audit_lines(before) if line["event"] == "change" and line["host"] == host]
    assert not changes


def test_what_differs_is_named(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    service = lab.host("PR2").machine.services["SMS_SITE_COMPONENT_MANAGER"]
    service.name = "SMS_SITE_COMPONENTS"
    try:
        code, seen = asked(lab, "PR2", capsys)
    finally:
        service.name = "SMS_SITE_COMPONENT_MANAGER"
    assert code == 11
    status, saw = seen["component manager and executive are the services to stop"]
    assert status == "differs"
    assert "no SMS_SITE_COMPONENT_MANAGER" in saw


def test_a_host_that_is_none(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "PR9", "-i", str(lab.folder / "hosts.yml")]) == 2
    assert "PR9 is not a host of this inventory" in capsys.readouterr().err
