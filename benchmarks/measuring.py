"""How things are measured: a lab and its clients in processes of their own, pairs in turn, whole backups, printed rows.

Timings are noise on a shared machine, ratios of one run are not: every pair runs in turn, and the median counts.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sitekeeper_lab.audit import read_audit

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
SITEKEEPER = Path(sys.executable).with_name("sitekeeper")
BACKUP = ROOT / "playbooks" / "backup.yml"


class Lab:
    """A lab in a process of its own, so that its CPU can be told from the client's."""

    def __init__(
        self, name: str, size: float = 0.1, pwsh: Path | None = None, hosts: tuple[str, ...] = ("PR2",)
    ) -> None:
        self.pwsh = pwsh
        self.folder = FOLDER / name
        data = yaml.safe_load((ROOT / "inventory" / "lab" / "hierarchy.yml").read_text())
        data["hosts"] = {host: data["hosts"][host] for host in hosts}
        data["hosts"]["PR2"]["site"]["size"] = size
        data["ports"] = {"http": 0, "https": 0, "sql": 0}
        self.hierarchy = FOLDER / f"{name}.yml"
        self.hierarchy.write_text(yaml.safe_dump(data))
        self.inventory = self.folder / "hosts.yml"

    def up(self) -> None:
        real = () if self.pwsh is None else ("--pwsh", str(self.pwsh))
        self._sitekeeper("up", str(self.hierarchy), *real)
        self.pid = int(json.loads((self.folder / "ready.json").read_text())["pid"])

    def down(self) -> None:
        self._sitekeeper("down")

    def _sitekeeper(self, *arguments: str) -> None:
        command = [str(SITEKEEPER), "lab", arguments[0], *arguments[1:], "--state", str(self.folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def client(lab: Lab, case: str, count: int = 1, program: str = "client") -> dict[str, float]:
    """One measured program of this folder; adds the server's CPU."""
    before = lab.cpu()
    command = [sys.executable, "-m", f"benchmarks.{program}", case, str(lab.inventory), str(count)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(done.stdout)
    measured["server_cpu"] = lab.cpu() - before
    return measured


def pair(
    lab: Lab, ours: str, other: str, count: int, rounds: int, program: str = "client"
) -> tuple[dict[str, float], dict[str, float], float]:
    """Both in turn; medians, and the median of the ratios other/ours."""
    found = [(client(lab, ours, count, program), client(lab, other, count, program)) for _ in range(rounds)]
    ratio = statistics.median(b["seconds"] / a["seconds"] for a, b in found)

    def median(rows: list[dict[str, float]]) -> dict[str, float]:
        return {key: statistics.median(row[key] for row in rows) for key in rows[0]}

    return median([a for a, _ in found]), median([b for _, b in found]), ratio


def row(
    name: str, value: float, unit: str, reference: float | None, ratio: float | None, about: str, **more: Any
) -> dict[str, Any]:
    made = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "reference": reference and round(reference, 4),
        "ratio": ratio and round(ratio, 3),
    }
    told = f"{name:<34} {value:>10.3f} {unit:<8}"
    told += f" beside {reference:>9.3f}" if reference is not None else " " * 17
    told += f"  ratio {ratio:>7.2f}" if ratio is not None else ""
    print(f"{told}  {about}", flush=True)
    return made | more


def share(measured: dict[str, float]) -> str:
    return f"server CPU {100 * measured['server_cpu'] / max(measured['server_cpu'] + measured['cpu'], 0.001):.0f} %"


@dataclass(frozen=True)
class Night:
    """One backup of PR2, and what the lab saw of it."""

    seconds: float
    manifest: dict[str, Any]
    audit: list[dict[str, Any]]

    @property
    def offline(self) -> float:
        return float(self.manifest["offline"]["seconds"])

    def requests(self, *, inside: bool = False) -> int:
        """Our requests, all of them or those inside the offline window."""
        window = self.manifest["offline"]
        return len(
            [
                line
                for line in self.audit
                if line["event"] == "request" and (not inside or window["started"] <= line["at"] <= window["ended"])
            ]
        )

    def calls(self, *commands: str) -> int:
        return len([line for line in self.audit if line["event"] == "call" and line["command"] in commands])


def backup(lab: Lab, playbook: Path = BACKUP) -> Night:
    """A whole run of ours, in a process of its own; its set is thrown away."""
    audit = lab.folder / "audit.jsonl"
    after = max((line["n"] for line in read_audit(audit)), default=0)
    store = FOLDER / "store"
    command = [
        str(SITEKEEPER),
        "run",
        str(playbook),
        "-i",
        str(lab.inventory),
        "-e",
        f"store={store}",
        "-e",
        "settle=1s",
        "--runs",
        str(FOLDER / "runs"),
        "--json",
    ]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    (made,) = (store / "PR2").iterdir()
    manifest = json.loads((made / "manifest.json").read_text())
    shutil.rmtree(store / "PR2")
    return Night(seconds, manifest, read_audit(audit, after))
