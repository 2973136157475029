"""A secret of each kind, and nights that end well, badly and in a kill: none of them stands anywhere afterwards."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .conftest import MakeStage

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(180)
ENV, COMMAND, FILE, INLINE, EXTRA, WRONG = (
    f"{kind}-canary-7f3a&" for kind in ("env", "command", "file", "inline", "extra", "wrong")
)
VAULTED, VAULT_KEY = "one-string-of-real-vault", "Tr0ub4dor&3"
VAULT = """\
$ANSIBLE_VAULT;1.2;AES256;lab
39363436303565346532643433643261643838633333613439623766343537303835323231643361
6633306631666435376661623732666261623765613930640a633062613931336163373764366435
63306366613766333636313764653437323565643562666639353337386364363663366332396363
6234306361393136660a666565386235353063303132653565356461373861393564363936333665
63333361643731663736303661356361323066353735396139376465653562393564
"""
"""Made by ansible-vault encrypt_string."""
SECRETS = (ENV, COMMAND, FILE, INLINE, EXTRA, WRONG, VAULTED, VAULT_KEY)
LABS_OWN = {"hosts.yml"}
"""Where the lab itself writes its accounts down."""


def accounts(data: dict[str, Any]) -> None:
    """The lab's accounts have the secrets as passwords."""
    given = {"env": ENV, "file": FILE, "vault": VAULTED}
    data["accounts"] = [{"user": user, "password": word, "administrator": True} for user, word in given.items()]
    data["sql_logins"] = [{"domain": "", "user": "sitekeeper", "password": COMMAND}]
    for spec in data["hosts"].values():
        if "site" in spec:
            spec["site"]["size"] = 0.1


def inventory(lab: Any, keys: Path) -> str:
    """Each host's password is a secret of another kind."""
    facts = {
        name: f"ansible_host: {machine.wsman.address}\n          ansible_port: {machine.wsman.http_port}"
        + (f"\n          sql_port: {machine.sql.port}" if machine.sql is not None else "")
        for name, machine in lab.machines.items()
    }
    vault = "".join(f"            {line}\n" for line in VAULT.splitlines())
    return f"""\
all:
  vars:
    ansible_psrp_protocol: http
    sql_user: sitekeeper
    sql_password: !command "cat {keys}/command"
    sql_ca_cert: {lab.ca}
    api_password: {INLINE}
  children:
    sites:
      vars:
        maintenance: {{management_server: OPS1, kind: scom}}
      hosts:
        PR1:
          {facts["PR1"]}
          site_code: PR1
          ansible_user: LAB\\env
          ansible_password: !env SK_CANARY
        PR2:
          {facts["PR2"]}
          site_code: PR2
          ansible_user: LAB\\file
          ansible_password: !file {keys}/file
    management:
      hosts:
        OPS1:
          {facts["OPS1"]}
          ansible_user: LAB\\vault
          ansible_password: !vault |
{vault}"""


class Night:
    """Runs of our command line as a user starts them, and everything that they said and left."""

    def __init__(self, here: Any) -> None:
        self.here = here
        self.keys = here.root / "keys"
        self.keys.mkdir(mode=0o700)
        for name, text in {"file": FILE, "command": COMMAND, "vault": VAULT_KEY}.items():
            (self.keys / name).write_text(text)
            (self.keys / name).chmod(0o600)
        self.inventory = here.root / "inventory.yml"
        self.inventory.write_text(inventory(here.lab, self.keys))
        self.said: list[bytes] = []

    def run(self, *arguments: str, kill_at: str = "") -> int:
        """Until it ends, or, with ``kill_at``, until it says this."""
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sitekeeper.cli.main",
                "run",
                str(ROOT / "playbooks/backup.yml"),
                "-i",
                str(self.inventory),
                "--vault-password-file",
                str(self.keys / "vault"),
                "-e",
                f"store={self.here.store}",
                "-e",
                "settle=0.1s",
                "--runs",
                str(self.here.root / "runs"),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SK_CANARY": ENV},
        )
        assert child.stdout is not None
        for line in child.stdout:
            self.said.append(line)
            self.said += list(command_lines(child.pid))
            if kill_at and kill_at.encode() in line:
                os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        return child.wait()

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """What was said, and every file: journals, store, what lies on the lab's hosts, its audit log."""
        yield "what was said", b"".join(self.said)
        for folder in ("runs", "store", "lab"):
            for file in (self.here.root / folder).rglob("*"):
                if file.is_file() and file.name not in LABS_OWN:
                    yield str(file), file.read_bytes()


def command_lines(parent: int) -> Iterator[bytes]:
    """What a process list shows of a process and its children."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) == parent or f"\nPPid:\t{parent}\n" in (process / "status").read_text():
                yield (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def forms(secret: str) -> set[bytes]:
    """As it is, in UTF-16, and as a file or an URL would carry it."""
    plain, wide = secret.encode(), secret.encode("utf-16-le")
    return {
        plain,
        wide,
        base64.b64encode(plain).rstrip(b"="),
        base64.b64encode(wide).rstrip(b"="),
        quote(secret).encode(),
    }


def test_no_secret_is_left_anywhere(stage: MakeStage) -> None:
    here = stage("PR1", "PR2", "OPS1", change=accounts)
    night = Night(here)
    extra = ("-e", f"@{night.keys}/extra.yml")
    (night.keys / "extra.yml").write_text(f"other_password: {EXTRA}\n")
    assert night.run(*extra, "--json") == 0, b"".join(night.said).decode()
    here.lab.fault("PR2", "snapshot_fails")
    assert night.run(*extra, "--diff") != 0
    here.lab.fault("PR1", "refuse_login")
    assert night.run("--limit", "PR1") == 6
    (night.keys / "wrong.yml").write_text(f"sql_password: {WRONG}\n")
    assert night.run("-e", f"@{night.keys}/wrong.yml", "--limit", "PR2") == 6
    assert night.run("--json", kill_at='"task": "Export registry keys"') == -signal.SIGKILL
    found = dict(night.everything())
    assert any(name.endswith("guard.cmd") for name in found), "the killed run's guard is there to be looked at"
    assert any(name.endswith("manifest.json") for name in found)
    assert any(name.endswith("audit.jsonl") for name in found)
    wanted = {form: secret for secret in SECRETS for form in forms(secret)}
    told = [(name, wanted[form]) for name, text in found.items() for form in wanted if form in text]
    assert told == []
