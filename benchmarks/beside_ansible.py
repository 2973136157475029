"""One task of ours beside one of Ansible's over its psrp plugin, against the same real PowerShell behind the same endpoint."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from benchmarks.measuring import Lab, client, row

FEW, MANY = 2, 12
COLLECTIONS = os.environ.get("SITEKEEPER_ANSIBLE_COLLECTIONS")
"""A folder with ``ansible_collections/ansible/windows``, which is not part of ansible-core."""


def beside_ansible() -> list[dict[str, Any]]:
    """The rows; none, and why, where there is no PowerShell or no Ansible."""
    pwsh = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
    if pwsh is None or importlib.util.find_spec("ansible") is None:
        print("beside Ansible: not measured; it needs a PowerShell (SITEKEEPER_PWSH) and ansible-core")
        return []
    lab = Lab("real", pwsh=Path(pwsh))
    lab.up()
    try:
        count = 100
        ours = client(lab, "read", count)["seconds"] / count * 1000
        plain = client(lab, "plain-read", count)["seconds"] / count * 1000
        rows = [
            row("reading task, real PowerShell", ours, "ms", plain, ours / plain, "times plain pypsrp in an open pool")
        ]
        rows.append(_beside(lab, ours, "raw", {"raw": "Get-Service -Name Spooler"}, 50))
        if COLLECTIONS is None:
            print(
                "beside Ansible's win_ping: not measured; SITEKEEPER_ANSIBLE_COLLECTIONS names no folder with ansible.windows"
            )
        else:
            rows.append(_beside(lab, ours, "win_ping", {"ansible.windows.win_ping": {}}, 200))
    finally:
        lab.down()
    return rows


def _beside(lab: Lab, ours: float, name: str, task: dict[str, Any], aim: int) -> dict[str, Any]:
    """What one more task costs: many less few, so that Ansible's own start does not count."""
    theirs = (_seconds(lab, task, MANY) - _seconds(lab, task, FEW)) / (MANY - FEW) * 1000
    return row(
        "reading task, real PowerShell",
        ours,
        "ms",
        theirs,
        theirs / ours,
        f"times faster than Ansible's {name} (aim >= {aim})",
    )


def _seconds(lab: Lab, task: dict[str, Any], count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        inventory = yaml.safe_load(lab.inventory.read_text())
        inventory["all"]["vars"]["ansible_connection"] = "psrp"
        (here / "hosts.yml").write_text(yaml.safe_dump(inventory))
        (here / "ansible.cfg").touch()
        play = [{"hosts": "PR2", "gather_facts": False, "tasks": [task] * count}]
        (here / "play.yml").write_text(yaml.safe_dump(play))
        environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": folder,
            "ANSIBLE_HOME": folder,
            "ANSIBLE_CONFIG": str(here / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "no_proxy": "*",
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS or folder,
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(here / "hosts.yml"), str(here / "play.yml")]
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
        took = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"Ansible failed:\n{done.stdout[-2000:]}{done.stderr[-1000:]}")
        return took
