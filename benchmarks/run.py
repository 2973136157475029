"""``make bench``: what we do beside what a user would otherwise run, as ratios; into ``.bench/results.json``.

Timings are noise on a shared machine, ratios of one run are not: every pair runs in turn, and the median counts.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from sitekeeper.lab.audit import read_audit
from sitekeeper.lab.state import read_state

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".bench"
SITEKEEPER = Path(sys.executable).with_name("sitekeeper")
BIG_MIB = 64
SMALL_FILES = 5000


class Lab:
    """A lab in a process of its own, so that its CPU can be told from the client's."""

    def __init__(self, name: str, size: float = 0.1) -> None:
        self.folder = FOLDER / name
        data = yaml.safe_load((ROOT / "inventory" / "lab" / "hierarchy.yml").read_text())
        data["hosts"] = {"PR2": data["hosts"]["PR2"]}
        data["hosts"]["PR2"]["site"]["size"] = size
        data["ports"] = {"http": 0, "https": 0, "sql": 0}
        self.hierarchy = FOLDER / f"{name}.yml"
        self.hierarchy.write_text(yaml.safe_dump(data))
        self.inventory = self.folder / "hosts.yml"

    def up(self) -> None:
        self._sitekeeper("up", str(self.hierarchy))
        self.pid = int(json.loads((self.folder / "ready.json").read_text())["pid"])

    def down(self) -> None:
        self._sitekeeper("down")

    def _sitekeeper(self, *arguments: str) -> None:
        command = [str(SITEKEEPER), "lab", arguments[0], *arguments[1:], "--state", str(self.folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def client(lab: Lab, case: str, count: int = 1) -> dict[str, float]:
    """One measured client; adds the server's CPU."""
    before = lab.cpu()
    command = [sys.executable, str(ROOT / "benchmarks" / "client.py"), case, str(lab.inventory), str(count)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(done.stdout)
    measured["server_cpu"] = lab.cpu() - before
    return measured


def pair(lab: Lab, ours: str, other: str, count: int, rounds: int) -> tuple[dict[str, float], dict[str, float], float]:
    """Both in turn; medians, and the median of the ratios other/ours."""
    found = [(client(lab, ours, count), client(lab, other, count)) for _ in range(rounds)]
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


def speed() -> list[dict[str, Any]]:
    """Commands and bytes."""
    lab = Lab("speed")
    lab.up()
    rows: list[dict[str, Any]] = []
    try:
        state = read_state(lab.folder / "PR2")
        bench = state.path("D:\\") / "bench"
        (bench / "small").mkdir(parents=True)
        dice = random.Random(7)  # noqa: S311 - test data, the same every time
        (bench / "big.bin").write_bytes(dice.randbytes(BIG_MIB * 1024 * 1024))
        for number in range(SMALL_FILES):
            folder = bench / "small" / f"{number % 50:02}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.dat").write_bytes(dice.randbytes(dice.randrange(200, 6000)))
        n = 150
        ours, plain, _ = pair(lab, "read", "plain-read", n, 3)
        rows.append(row("reading task", ours["seconds"] / n * 1000, "ms", plain["seconds"] / n * 1000,
                        ours["seconds"] / plain["seconds"], f"times plain pypsrp (aim <= 1.2); {share(ours)}"))  # fmt: skip
        ours, plain, _ = pair(lab, "change", "plain-change", n, 3)
        rows.append(row("changing task", ours["seconds"] / n * 1000, "ms", plain["seconds"] / n * 1000,
                        ours["seconds"] / plain["seconds"], f"times plain pypsrp (aim <= 2.5); {share(ours)}"))  # fmt: skip
        ours, single, ratio = pair(lab, "batched-reads", "single-reads", 20, 3)
        rows.append(row("ten reads in one plan", ours["seconds"] / 20 * 1000, "ms", single["seconds"] / 20 * 1000, ratio,
                        f"times faster than ten single commands (aim >= 4); {share(ours)}"))  # fmt: skip
        ours, floor, ratio = pair(lab, "pull-big", "decrypt-only", 1, 3)
        rows.append(row(f"pull of {BIG_MIB} MiB", BIG_MIB / ours["seconds"], "MiB/s", BIG_MIB / floor["seconds"], ratio,
                        f"of a client that only decrypts (aim 0.8); peak {ours['rss_mb']:.0f} MB; {share(ours)}"))  # fmt: skip
        fetched = client(lab, "fetch")
        rows.append(row(f"pull of {BIG_MIB} MiB", ours["seconds"], "s", fetched["seconds"], fetched["seconds"] / ours["seconds"],
                        f"times faster than pypsrp's Client.fetch, peak {fetched['rss_mb']:.0f} MB (aim >= 15)"))  # fmt: skip
        small = client(lab, "pull-small")
        rate = SMALL_FILES / small["seconds"]
        rows.append(row(f"{SMALL_FILES} small files", rate, "files/s", 1 / 3, rate * 3,
                        f"times Ansible's fetch, which needs 3 s a file; {share(small)}"))  # fmt: skip
    finally:
        lab.down()
    return rows


def window() -> list[dict[str, Any]]:
    """The offline window at 1, 10 and 50 times the size: in seconds and in our own requests."""
    rows: list[dict[str, Any]] = []
    for size in (1, 10, 50):
        lab = Lab(f"size{size}", size)
        lab.up()
        try:
            runs = []
            for number in range(3):
                audit = lab.folder / "audit.jsonl"
                after = max((line["n"] for line in read_audit(audit)), default=0)
                store = FOLDER / f"store{size}-{number}"
                command = [
                    str(SITEKEEPER), "run", str(ROOT / "playbooks" / "backup.yml"), "-i", str(lab.inventory), "-e", f"store={store}",
                    "-e", "settle=1s", "--runs", str(FOLDER / "runs"), "--json",
                ]  # fmt: skip
                started = time.monotonic()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                total = time.monotonic() - started
                (made,) = (store / "PR2").iterdir()
                manifest = json.loads((made / "manifest.json").read_text())
                lines = read_audit(audit, after)
                offline = manifest["offline"]
                inside = [
                    line
                    for line in lines
                    if line["event"] == "request" and offline["started"] <= line["at"] <= offline["ended"]
                ]
                runs.append((offline["seconds"], len(inside), total, manifest["bytes"], manifest["files"]))
                shutil.rmtree(store)
            seconds, requests, total, size_bytes, files = (statistics.median(one) for one in zip(*runs, strict=True))
            first: float | None = rows[0]["value"] if rows else None
            ratio = None if first is None else seconds / first
            rows.append(row(f"offline window at {size}x", seconds, "s", first, ratio,
                            f"{requests:.0f} requests of ours; {files:.0f} files, {size_bytes / 1e6:.0f} MB, {total:.1f} s in all",
                            requests=requests))  # fmt: skip
        finally:
            lab.down()
        shutil.rmtree(lab.folder, ignore_errors=True)
    return rows


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    rows = speed() + window()
    (FOLDER / "results.json").write_text(json.dumps(rows, indent=1))
    print(f"written: {FOLDER / 'results.json'}")


if __name__ == "__main__":
    main()
