"""Ways to log in that work, and those that are refused at the line that is wrong."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(120)
CHECK = "playbooks/check.yml"


def with_vars(here: Any, **variables: Any) -> Path:
    data = yaml.safe_load(here.inventory.read_text())
    data["all"]["vars"] |= {key: value for key, value in variables.items() if value is not None}
    for key, value in variables.items():
        if value is None:
            data["all"]["vars"].pop(key, None)
    file: Path = here.root / "changed.yml"
    file.write_text(yaml.safe_dump(data))
    return file


def secure(here: Any, **more: Any) -> Path:
    """https with the lab's own CA."""
    port = here.lab.machines["PR2"].wsman.https_port
    data = yaml.safe_load(
        with_vars(here, ansible_psrp_protocol="https", ansible_psrp_ca_cert=str(here.lab.ca), **more).read_text()
    )
    data["all"]["children"]["sites"]["hosts"]["PR2"]["ansible_port"] = port
    file: Path = here.root / "secure.yml"
    file.write_text(yaml.safe_dump(data))
    return file


@pytest.mark.parametrize("auth", ["negotiate", "ntlm"])
def test_http_with_message_encryption(stage: MakeStage, auth: str) -> None:
    here = stage("PR2")
    assert here.run(playbook=CHECK, inventory=with_vars(here, ansible_psrp_auth=auth)).code == 0


@pytest.mark.parametrize("auth", ["negotiate", "ntlm", "basic"])
def test_https(stage: MakeStage, auth: str) -> None:
    here = stage("PR2")
    outcome = here.run(playbook=CHECK, inventory=secure(here, ansible_psrp_auth=auth))
    assert outcome.code == 0, outcome.error("PR2")


def test_client_certificate(stage: MakeStage) -> None:
    here = stage("PR2")
    certificate, key = here.lab.authority.client("backup", here.lab.hierarchy.dns)
    inventory = secure(
        here,
        ansible_psrp_auth="certificate",
        ansible_psrp_certificate_pem=str(certificate),
        ansible_psrp_certificate_key_pem=str(key),
        ansible_password=None,
    )
    outcome = here.run(playbook=CHECK, inventory=inventory)
    assert outcome.code == 0, outcome.error("PR2")


def test_untrusted_certificate(stage: MakeStage) -> None:
    here = stage("PR2")
    inventory = secure(here)
    inventory.write_text(
        "\n".join(line for line in inventory.read_text().splitlines() if "ansible_psrp_ca_cert" not in line)
    )
    outcome = here.run(playbook=CHECK, inventory=inventory)
    assert outcome.code == 6
    assert "not trusted" in outcome.error("PR2")
    assert f"{inventory}:" in outcome.error("PR2")


@pytest.mark.parametrize("name", ["sql_ca_cert", "ansible_psrp_ca_cert"])
def test_a_ca_file_that_does_not_exist_is_named_before_anything_connects(stage: MakeStage, name: str) -> None:
    here = stage("PR2")
    outcome = here.run(playbook=CHECK, inventory=with_vars(here, **{name: "/etc/no-such-ca.pem"}))
    assert outcome.code == 3
    assert f"{name} /etc/no-such-ca.pem: no such file" in outcome.error("PR2")
    assert here.audit("call", "PR2") == []


def test_wrong_password(stage: MakeStage) -> None:
    here = stage("PR2")
    inventory = with_vars(here, ansible_password="wrong-horse-battery")
    outcome = here.run(playbook=CHECK, inventory=inventory)
    assert outcome.code == 6
    error = outcome.error("PR2")
    assert "was refused" in error
    assert f"{inventory}:" in error
    assert "wrong-horse-battery" not in error


def test_no_password_at_all(stage: MakeStage) -> None:
    here = stage("PR2")
    outcome = here.run(playbook=CHECK, inventory=with_vars(here, ansible_password=None, ansible_user=None))
    assert outcome.code == 6
    assert "by negotiate" in outcome.error("PR2")
    assert "set ansible_user and ansible_password" in outcome.error("PR2")


def test_account_without_rights(stage: MakeStage) -> None:
    here = stage("PR2")
    outcome = here.run(
        playbook=CHECK, inventory=with_vars(here, ansible_user="LAB\\reader", ansible_password="Lab-Reader-1")
    )
    assert outcome.code == 6, outcome.error("PR2")


def test_port_closed(stage: MakeStage) -> None:
    here = stage("PR2")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    data = yaml.safe_load(here.inventory.read_text())
    data["all"]["children"]["sites"]["hosts"]["PR2"] |= {"ansible_host": "127.0.0.1", "ansible_port": port}
    inventory = here.root / "closed.yml"
    inventory.write_text(yaml.safe_dump(data))
    outcome = here.run(playbook=CHECK, inventory=inventory)
    assert outcome.code == 5
    error = outcome.error("PR2")
    assert "Connection refused" in error
    assert "closed.yml:" in error


def test_refused_and_slow_logins(stage: MakeStage) -> None:
    here = stage("PR2")
    here.lab.fault("PR2", "refuse_login", times=2)
    assert here.run(playbook=CHECK).code == 6
    here.lab.clear_faults()
    here.lab.fault("PR2", "slow_login", seconds=1)
    assert here.run(playbook=CHECK).code == 0


def test_no_secret_anywhere(stage: MakeStage) -> None:
    """Passwords are in no event, journal or file of a run."""
    here = stage("PR2")
    outcome = here.run()
    assert outcome.code == 0
    for secret in (b"Lab-Backup-1", b"Lab-Sql-1"):
        assert secret not in repr(outcome.events).encode()
        for file in [*(here.root / "runs").rglob("*"), *here.store.rglob("manifest.json")]:
            if file.is_file():
                assert secret not in file.read_bytes(), file
