"""The guard's script under another cmd.exe: Wine's, with real files and a real service. It does what it does in the lab."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.cmd import run_cmd

WINE = shutil.which("wine")
Sessions = Callable[[str], Any]
Files = dict[str, str]
ROOT = "C:\\sitekeeper"
HERE = f"{ROOT}\\run-1\\guard\\1"
RUNS = 8
BEATS = (1, 3)
"""Before these runs a beat is dropped."""
LEFT_OUT = {"guard.cmd", "lease.lock", "drop.dsh"}
LEASE = "run-1\r\nci\r\n7\r\n2100-01-01T00:00:00.0000000Z"

pytestmark = pytest.mark.skipif(WINE is None, reason="no Wine: apt-get install wine")


def prepare(files: Callable[[str, bytes], None], script: list[str]) -> None:
    files(f"{HERE}\\guard.cmd", "".join(f"{line}\r\n" for line in script).encode("ascii"))
    files(f"{HERE}\\0.count", b"")
    files(f"{ROOT}\\generation.txt", b"7")
    files(f"{ROOT}\\lease.txt", LEASE.encode())


def in_the_lab(host: Host) -> list[Files]:
    """What lies in the guard's folder and beside the lease after each run."""
    seen: list[Files] = []
    for number in range(1, RUNS + 1):
        if number in BEATS:
            host.write(f"{HERE}\\beat.txt", b"beat")
        run_cmd(f"{HERE}\\guard.cmd", host)
        host.clock.advance(1)  # the service starts
        seen.append(_files(host.files.resolve(HERE), host.files.resolve(ROOT)))
    return seen


def under_wine(drive: Path, environment: dict[str, str]) -> list[Files]:
    lines = ["@echo off"]
    for number in range(1, RUNS + 1):
        lines += [f"echo beat>{HERE}\\beat.txt"] if number in BEATS else []
        lines += [f"call {HERE}\\guard.cmd", f"mkdir C:\\after\\{number}"]
        lines += [f"copy /y {HERE}\\*.* C:\\after\\{number} >nul", f"copy /y {ROOT}\\*.txt C:\\after\\{number} >nul"]
    (drive / "runs.cmd").write_bytes("".join(f"{line}\r\n" for line in lines).encode("ascii"))
    (drive / "after").mkdir()
    assert WINE is not None
    command = [WINE, "cmd", "/d", "/c", "C:\\runs.cmd"]
    subprocess.run(command, env=environment, check=False, capture_output=True, timeout=120)
    return [_files(drive / "after" / str(number)) for number in range(1, RUNS + 1)]


def _files(*folders: Path) -> Files:
    return {
        entry.name: entry.read_text("utf-8").replace("\r", "").strip()
        for folder in folders
        for entry in folder.iterdir()
        if entry.is_file() and entry.name not in LEFT_OUT
    }


@pytest.mark.parametrize("kind", ["window", "leak"])
def test_counts_and_acts_as_in_the_lab(tmp_path: Path, lab_session: Sessions, kind: str) -> None:
    session = lab_session("PR2")
    host: Host = session.host
    spooler = host.machine.services["Spooler"]
    spooler.state, spooler.pid = "Stopped", 0
    run = {"Drive": "C", "Run": "run-1", "Number": 1, "Minutes": 3, "Service": ["Spooler"], "Kind": kind}
    script = session("Get-SkGuardScript", **run).output
    host.make_folder(f"{HERE}")
    host.make_folder(f"{ROOT}\\run-1\\registry")
    prepare(host.write, script)
    lab = in_the_lab(host)

    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WINEPREFIX": str(tmp_path / "prefix"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",
        "DISPLAY": "",
    }
    subprocess.run(["wineboot", "-i"], env=environment, check=True, capture_output=True, timeout=120)
    drive = tmp_path / "prefix" / "drive_c"

    def write(path: str, data: bytes) -> None:
        real = drive / path.removeprefix("C:\\").replace("\\", "/")
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(data)

    prepare(write, script)
    (drive / "sitekeeper" / "run-1" / "registry").mkdir()
    try:
        wine = under_wine(drive, environment)
    finally:
        subprocess.run(["wineserver", "-k"], env=environment, check=False, timeout=60)

    assert wine == lab
    counts = [next(name for name in files if name.endswith(".count")) for files in wine]
    assert counts[:6] == ["0.count", "1.count", "0.count", "1.count", "2.count", "3.count"]
    acted = "no beat for 3 minutes\n" + ("start Spooler, answered 0\n" if kind == "window" else "") + "done"
    assert wine[-1]["acted.txt"] == acted
    assert "lease.txt" not in wine[-1]
    assert wine[-1]["generation.txt"] == "8"
    if kind == "window":
        assert wine[5]["lease.txt"].splitlines()[:3] == ["guard", "guard 1 of run-1.", "8"]
    else:
        assert not (drive / "sitekeeper" / "run-1" / "registry").exists()
