"""What the site itself says it is, against the inventory: a difference is refused at the inventory's line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sitekeeper_lab.windows.registry import Registry

from .conftest import MakeStage, Stage

pytestmark = pytest.mark.timeout(120)
CHECK = "playbooks/check.yml"
SMS = "HKLM\\SOFTWARE\\Microsoft\\SMS"


def registry_of(here: Stage) -> Registry:
    return here.lab.host("PR2").registry


def refused(here: Stage, said: str, **variables: Any) -> None:
    data = yaml.safe_load(here.inventory.read_text())
    data["all"]["children"]["sites"]["hosts"]["PR2"] |= variables
    file = here.root / "changed.yml"
    file.write_text(yaml.safe_dump(data))
    outcome = here.run(playbook=CHECK, inventory=file)
    assert outcome.code == 3, outcome.errors
    assert said in outcome.error("PR2")
    assert "-->" in outcome.error("PR2"), "the line of the inventory"
    assert here.audit("change", "PR2") == []


@pytest.mark.parametrize(
    ("kind", "declared", "said"),
    [
        (1, "cas", "PR2 is a primary site (registry, SMS\\Setup: Type 1), but site_type is cas"),
        (8, "primary", "PR2 is a central administration site (registry, SMS\\Setup: Type 8), but site_type is primary"),
        (2, "primary", "PR2 is a secondary site (registry, SMS\\Setup: Type 2), but site_type is primary"),
    ],
)
def test_the_type(stage: MakeStage, kind: int, declared: str, said: str) -> None:
    here = stage("PR2")
    registry_of(here).set(f"{SMS}\\Setup", "Type", "REG_DWORD", kind)
    refused(here, said, site_type=declared)


def test_a_central_site_of_2012_is_a_central_administration_site_however_it_is_called(stage: MakeStage) -> None:
    """Setup recovers it by another action than a primary site, and the set decides which."""
    here = stage("PR2", change=lambda data: data["hosts"]["PR2"]["site"].update(kind="central"))
    assert here.run().code == 0
    assert here.manifest("PR2")["site_type"] == "cas"


def test_the_parent(stage: MakeStage) -> None:
    here = stage("PR2", "CEN")
    registry_of(here).set(f"{SMS}\\Identification", "Parent Site Code", "REG_SZ", "CAS")
    assert here.run("--limit", "PR2", playbook=CHECK).code == 0, "the inventory names none"
    refused(here, "the parent site of PR2 is CAS, but parent is CEN in the inventory", parent="CEN")


@pytest.mark.parametrize(
    ("servers", "code"),
    [
        ("0;pr2.lab.example;1;pr2b.lab.example;", 3),
        ("1;pr2.lab.example;0;pr2b.lab.example;", 0),
        ("1;pr2.lab.example;", 0),
    ],
)
def test_the_passive_site_server_is_refused(stage: MakeStage, servers: str, code: int) -> None:
    """Its services run as those of the active one do, so nothing else shows it."""
    here = stage("PR2")
    registry_of(here).set(f"{SMS}\\Identification", "Site Servers", "REG_SZ", servers)
    if code:
        refused(here, "PR2 is the passive site server of PR2; the active one is pr2b.lab.example")
    else:
        assert here.run(playbook=CHECK).code == 0
