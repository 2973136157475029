"""How services start is changed for a while, and put back, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import SERVICES, Ward

PLAY = """- hosts: sites
  tasks:
    - windows.service: {names: [%s], state: stopped, settle: 0.3s}
      undo: play
    - windows.startup: {names: [%s, SMS_SITE_BACKUP], mode: Disabled}
      undo: play
    - %s
"""
FOUND = {**dict.fromkeys(SERVICES, "Auto"), "SMS_SITE_BACKUP": "Manual"}


def _modes(ward: Ward) -> dict[str, str]:
    return {name: ward.state("PR3").machine.services[name].start_mode for name in FOUND}


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("core.debug: {msg: done}", 0),
        ("core.fail: {msg: no}", 1),
        ("windows.startup: {names: [nobody], mode: Manual}", 7),
    ],
)
def test_put_back(ward: Ward, tmp_path: Path, then: str, code: int) -> None:
    host, names = ward.lab.host("PR3"), ", ".join(SERVICES)
    before = len(ward.audit("change", "PR3"))
    (tmp_path / "play.yml").write_text(PLAY % (names, names, then))
    outcome = ward.run("--limit", "PR3", playbook=tmp_path / "play.yml")
    assert outcome.code == code
    turned = [one["to"] for one in ward.audit("change", "PR3")[before:] if one["kind"] == "start mode"]
    assert turned == ["Disabled"] * 3 + ["Auto", "Auto", "Manual"]
    assert _modes(ward) == FOUND
    starts = {
        name: host.registry.value(f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}", "Start") for name in FOUND
    }
    assert {name: value.data if value else None for name, value in starts.items()} == {
        **dict.fromkeys(SERVICES, 2),
        "SMS_SITE_BACKUP": 3,
    }
    ward.assert_works("PR3")
