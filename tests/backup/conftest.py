"""A living lab on loopback, and our own command line against it. What is claimed is read from the lab's disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.hierarchies import Change, hosts_of_the_lab, start_labs

from sitekeeper.cli.main import main
from sitekeeper_lab.audit import read_audit
from sitekeeper_lab.server import Lab
from sitekeeper_lab.state import HostState, read_state

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")


@dataclass
class Outcome:
    """What a run of ours came to."""

    code: int
    events: list[dict[str, Any]]

    def host(self, name: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == "HostEnded" and event["host"] == name)

    def error(self, name: str) -> str:
        return str(self.host(name)["error"])

    @property
    def errors(self) -> list[str]:
        """Every error that it told."""
        return [str(one["error"]) for one in self.events if one.get("error")]


@dataclass
class Stage:
    """A lab, a store, journals."""

    lab: Lab
    root: Path
    capture: Any
    extra: list[str] = field(default_factory=lambda: ["-e", "settle=0.3s"])
    told: Any = None
    """What the last `resume` or `rollback` printed."""
    patch: Any = None
    """The test's monkeypatch, where clocks are to go on."""

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def inventory(self) -> Path:
        return self.lab.folder / "hosts.yml"

    def run(
        self, *arguments: str, playbook: str | Path = "playbooks/backup.yml", inventory: Path | None = None
    ) -> Outcome:
        code = main(
            [
                "run",
                str(ROOT / playbook),
                "-i",
                str(inventory or self.inventory),
                "-e",
                f"store={self.store}",
                "--runs",
                str(self.root / "runs"),
                "--json",
                *self.extra,
                *arguments,
            ]
        )
        lines = self.capture.readouterr().out.splitlines()
        return Outcome(code, [json.loads(line) for line in lines if line.startswith("{")])

    def start(
        self,
        *arguments: str,
        playbook: str | Path = "playbooks/backup.yml",
        runs: Path | None = None,
        settle: str = "0.3s",
        code: tuple[str, ...] = ("-m", "sitekeeper.cli.main"),
        **streams: Any,
    ) -> subprocess.Popen[Any]:
        """The same as a process of its own, which can be stopped, killed or frozen; silent unless ``streams`` says so."""
        return subprocess.Popen(
            [
                sys.executable,
                *code,
                "run",
                str(ROOT / playbook),
                "-i",
                str(self.inventory),
                "-e",
                f"store={self.store}",
                "-e",
                f"settle={settle}",
                "--runs",
                str(runs or self.root / "runs"),
                "--json",
                *arguments,
            ],
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams,
        )

    def state(self, host: str) -> HostState:
        return read_state(self.lab.folder / host)

    def audit(self, event: str, host: str | None = None) -> list[dict[str, Any]]:
        lines = read_audit(self.lab.folder / "audit.jsonl")
        return [line for line in lines if line["event"] == event and host in {None, line["host"]}]

    def calls(self, host: str, after: int = 0) -> list[dict[str, Any]]:
        """Remote calls after an audit line, their arguments as a mapping."""
        found = [line for line in read_audit(self.lab.folder / "audit.jsonl", after) if line["event"] == "call"]
        return [line | {"arguments": dict(line["arguments"])} for line in found if line["host"] == host]

    def sets(self, site: str) -> list[Path]:
        folder = self.store / site
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def manifest(self, site: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.sets(site)[-1] / "manifest.json").read_text())
        return found

    def assert_clean(self, host: str) -> None:
        """Services Running, no shadow copy, no work folder, no lease, no staging set."""
        state = self.state(host)
        assert state.states(*SERVICES) == dict.fromkeys(SERVICES, "Running")
        assert state.machine.shadows == []
        for volume in ("C", "D"):
            work = state.path(f"{volume}:\\sitekeeper")
            left = [entry.name for entry in work.iterdir()] if work.is_dir() else []
            assert [name for name in left if name not in {"generation.txt", "lease.lock", "vshadow.exe"}] == []
        staging = self.store / ".staging"
        assert not staging.is_dir() or list(staging.iterdir()) == []


MakeStage = Callable[..., Stage]


@pytest.fixture
def stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeStage]:
    """Start a lab of some of the default hosts; ``change`` may alter the hierarchy's YAML before."""
    with start_labs(tmp_path) as start:

        def make(*hosts: str, change: Change | None = None) -> Stage:
            lab = start(hosts_of_the_lab(*hosts), change)
            capsys.readouterr()
            return Stage(lab, tmp_path, capsys)

        yield make
