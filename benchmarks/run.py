"""``make bench``: what we do beside what a user would otherwise run, as ratios; into ``.bench/results.json``."""

from __future__ import annotations

import json
import random
import shutil
import statistics
from typing import Any

from benchmarks.beside_ansible import beside_ansible
from benchmarks.costs import costs
from benchmarks.drilling import drilling
from benchmarks.measuring import FOLDER, Lab, backup, client, pair, row, share
from benchmarks.sealing import sealing

from sitekeeper_lab.state import read_state

BIG_MIB = 64
SMALL_FILES = 5000


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
        rows.append(
            row(
                "reading task",
                ours["seconds"] / n * 1000,
                "ms",
                plain["seconds"] / n * 1000,
                ours["seconds"] / plain["seconds"],
                f"times plain pypsrp (aim <= 1.2); {share(ours)}",
            )
        )
        ours, plain, _ = pair(lab, "change", "plain-change", n, 3)
        rows.append(
            row(
                "changing task",
                ours["seconds"] / n * 1000,
                "ms",
                plain["seconds"] / n * 1000,
                ours["seconds"] / plain["seconds"],
                f"times plain pypsrp (aim <= 2.5); {share(ours)}",
            )
        )
        ours, single, ratio = pair(lab, "batched-reads", "single-reads", 20, 3)
        rows.append(
            row(
                "ten reads in one plan",
                ours["seconds"] / 20 * 1000,
                "ms",
                single["seconds"] / 20 * 1000,
                ratio,
                f"times faster than ten single commands (aim >= 4); {share(ours)}",
            )
        )
        ours, floor, ratio = pair(lab, "pull-big", "decrypt-only", 1, 3)
        rows.append(
            row(
                f"pull of {BIG_MIB} MiB",
                BIG_MIB / ours["seconds"],
                "MiB/s",
                BIG_MIB / floor["seconds"],
                ratio,
                f"of a client that only decrypts (aim 0.8); peak {ours['rss_mb']:.0f} MB; {share(ours)}",
            )
        )
        fetched = client(lab, "fetch")
        rows.append(
            row(
                f"pull of {BIG_MIB} MiB",
                ours["seconds"],
                "s",
                fetched["seconds"],
                fetched["seconds"] / ours["seconds"],
                f"times faster than pypsrp's Client.fetch, peak {fetched['rss_mb']:.0f} MB (aim >= 15)",
            )
        )
        small = client(lab, "pull-small")
        rate = SMALL_FILES / small["seconds"]
        rows.append(
            row(
                f"{SMALL_FILES} small files",
                rate,
                "files/s",
                1 / 3,
                rate * 3,
                f"times Ansible's fetch, which needs 3 s a file; {share(small)}",
            )
        )
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
            nights = [backup(lab) for _ in range(3)]
        finally:
            lab.down()
        seconds = statistics.median(night.offline for night in nights)
        requests = statistics.median(night.requests(inside=True) for night in nights)
        total = statistics.median(night.seconds for night in nights)
        made = nights[0].manifest
        first: float | None = rows[0]["value"] if rows else None
        ratio = None if first is None else seconds / first
        rows.append(
            row(
                f"offline window at {size}x",
                seconds,
                "s",
                first,
                ratio,
                f"{requests:.0f} requests of ours; {made['files']} files, {made['bytes'] / 1e6:.0f} MB, {total:.1f} s in all",
                requests=requests,
            )
        )
        shutil.rmtree(lab.folder, ignore_errors=True)
    return rows


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    rows = speed() + beside_ansible() + window() + costs() + sealing() + drilling()
    (FOLDER / "results.json").write_text(json.dumps(rows, indent=1))
    print(f"written: {FOLDER / 'results.json'}")


if __name__ == "__main__":
    main()
