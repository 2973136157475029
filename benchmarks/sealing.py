"""Sealing and verifying a set, beside what a user would type on the same bytes: ``zstd -3 | age`` and ``sha256sum``."""

from __future__ import annotations

import hashlib
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pyrage
from benchmarks.measuring import FOLDER, row

from sitekeeper.model.site import Machine
from sitekeeper.store.format import manifest_file
from sitekeeper.store.format.manifest_file import Entry, Manifest
from sitekeeper.store.format.packed_files import Packing
from sitekeeper.store.keeping.verify import verify_set
from sitekeeper.store.sealing import seal_set

MIB = 192
ROUNDS = 3


def sealing() -> list[dict[str, Any]]:
    """A file like a database: a third of its pages hold noise, a third text, a third nothing."""
    if not (shutil.which("age") and shutil.which("zstd")):
        print("sealing: age and zstd are not installed, so there is nothing to compare with")
        return []
    folder = FOLDER / "sealing"
    folder.mkdir(parents=True)
    key = str(pyrage.x25519.Identity.generate().to_public())
    dice = random.Random(11)  # noqa: S311 - test data, the same every time
    page = b"SMS_G_System_COMPUTER_SYSTEM"
    source = folder / "CM.mdf"
    with source.open("wb") as file:
        for number in range(MIB * 128):
            kind = number % 3
            text = (page + b"%d" % number) * 300
            file.write(dice.randbytes(8192) if kind == 0 else text[:8192] if kind == 1 else bytes(8192))
    pairs = [(_ours(folder, source, key), _by_hand(folder, source, key)) for _ in range(ROUNDS)]
    rows = [
        _told(
            "seal (zstd, age)",
            [(a[0], b[0]) for a, b in pairs],
            "zstd -3 | age -r, which use a core each and hash nothing",
        )
    ]
    rows.append(
        _told(
            "verify of a sealed set",
            [(a[1], b[1]) for a, b in pairs],
            "sha256sum of the stored file (Debian's; rates are of plain bytes)",
        )
    )
    shutil.rmtree(folder)
    return rows


def _told(name: str, pairs: list[tuple[float, float]], about: str) -> dict[str, Any]:
    ours, other = (statistics.median(one[end] for one in pairs) for end in (0, 1))
    ratio = statistics.median(b / a for a, b in pairs)
    return row(f"{name}, {MIB} MiB", MIB / ours, "MiB/s", MIB / other, ratio, f"of {about}")


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ours(folder: Path, source: Path, key: str) -> tuple[float, float]:
    """Seconds to seal a set with this one file, flushed to disk, and to verify it."""
    staging = folder / "PR1-000001"
    staging.mkdir()
    (staging / "CM.mdf").hardlink_to(source)
    manifest = _manifest_of(source)
    packing = Packing(("zstd", "age"), (key,))
    sealed = _timed(lambda: seal_set.seal(staging, manifest, packing, Event()))
    problems: list[str] = []
    verified = _timed(lambda: problems.extend(verify_set(staging)))
    assert problems == []
    shutil.rmtree(staging)
    return sealed, verified


def _by_hand(folder: Path, source: Path, key: str) -> tuple[float, float]:
    target = folder / "CM.mdf.zst.age"
    line = f"zstd -q -3 -c {source} | age -r {key} > {target} && sync {target}"
    packed = _timed(lambda: subprocess.run(["bash", "-c", line], check=True, stdout=subprocess.DEVNULL))
    verified = _timed(lambda: subprocess.run(["sha256sum", target], check=True, stdout=subprocess.DEVNULL))
    target.unlink()
    return packed, verified


def _manifest_of(source: Path) -> Manifest:
    size = source.stat().st_size
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    machine = Machine(name="", caption="", version="6.3", language=1033, installed="", booted="", guid="", x64=True)
    return manifest_file.Manifest(
        id="PR1-000001",
        site="PR1",
        site_name="",
        site_type="primary",
        parent=None,
        product="2012",
        version="5",
        install_dir="D:\\",
        generation=1,
        run="bench",
        tool="",
        taken_at="2026-01-01T00:00:00+00:00",
        published_at="",
        offline=None,
        consistency="writer",
        gap=0,
        shadow_set="",
        before=(),
        after=(),
        machine=machine,
        volumes=(),
        services=(),
        database=None,
        registry=(),
        feeds=(),
        left_out=(),
        files=1,
        bytes=size,
        entries=(Entry(kind="file", path="CM.mdf", file="CM.mdf", size=size, sha256=digest),),
    )
