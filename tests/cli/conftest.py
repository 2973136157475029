"""Running the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sitekeeper.cli.main import main


class Done:
    """What a command answered."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def sitekeeper(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*arguments: object) -> Done:
        capsys.readouterr()
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as ended:  # argparse leaves that way
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run


HOSTS = """\
all:
  vars: {ansible_password: hunter2, ansible_user: 'LAB\\backup'}
  children:
    sites:
      hosts:
        server-a: {site_code: CAS, site_type: cas, ansible_host: 127.0.0.9}
        server-b: {site_code: 001, parent: CAS}
        server-c: {site_code: SE1, site_type: secondary, parent: 001}
    databases:
      hosts:
        sql-1:
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an inventory and a playbook of core modules."""
    monkeypatch.setenv("SITEKEEPER_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("SITEKEEPER_VAULT_PASSWORD", raising=False)
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "play.yml").write_text(
        dedent(
            """\
            - name: Greet
              hosts: sites
              tasks:
                - name: Say it
                  core.debug: {msg: "hello {{ who | default('you') }} from {{ site_code }}"}
                - name: Only one of us
                  core.fail: {msg: "{{ site_code }} will not"}
                  when: unwilling is defined and unwilling == site_code
            """
        )
    )
    return tmp_path
