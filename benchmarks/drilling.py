"""A drill's restore (push, attach, CHECKDB, take away) beside the same by hand: pypsrp's ``copy`` and pymssql.

As a program, ``drilling.py INVENTORY FOLDER``, it is what somebody would write by hand.
"""

from __future__ import annotations

import hashlib
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from benchmarks.measuring import FOLDER, ROOT, SITEKEEPER, Lab, row

SCRATCH, WORK, BY_HAND = "DRILL1", "D:\\Drill", "D:\\Byhand"
SIZE, ROUNDS = 50, 3
KEEP = "bench_drill"
PLAY = """\
- name: Restore what lies in a folder
  hosts: PR2
  tasks:
    - windows.push: {on: DRILL1, folder: "{{ folder }}", files: "{{ files }}"}
      undo: play
      register: pushed
    - sql.attach: {on: DRILL1, name: "sk_PR2_{{ run.id }}", files: "{{ pushed.files }}"}
      undo: play
    - sql.checkdb: {on: DRILL1, name: "sk_PR2_{{ run.id }}"}
"""


def drilling() -> list[dict[str, Any]]:
    """A whole process of either, in turn; both start from plain files and leave the server as it was."""
    lab = Lab("drill", SIZE, hosts=("PR2", SCRATCH))
    lab.up()
    try:
        folder = FOLDER / "drill-files"
        files = _files(lab, folder)
        (lab.folder / SCRATCH / "volumes" / "D" / "Byhand").mkdir(exist_ok=True)
        play, given = FOLDER / "drill.yml", FOLDER / "drill-vars.yml"
        play.write_text(PLAY)
        given.write_text(yaml.safe_dump({"folder": str(folder), "files": files}))
        ours = [
            str(SITEKEEPER),
            "run",
            str(play),
            "-i",
            str(lab.inventory),
            "-e",
            f"@{given}",
            "--runs",
            str(FOLDER / "runs"),
            "--json",
        ]
        other = [sys.executable, "-m", "benchmarks.drilling", str(lab.inventory), str(folder)]
        pairs = [(_timed(ours), _timed(other)) for _ in range(ROUNDS)]
    finally:
        lab.down()
    size = sum(int(one["size"]) for one in files) / 2**20
    mine, theirs = (statistics.median(one[end][0] for one in pairs) for end in (0, 1))
    ratio = statistics.median(b[0] / a[0] for a, b in pairs)
    cpu, cpu_by_hand = (statistics.median(one[end][1] for one in pairs) for end in (0, 1))
    about = (
        "times faster than pypsrp's copy and pymssql, which read nothing again and have no lease, journal or undo; "
        f"client CPU {cpu:.1f} s beside {cpu_by_hand:.1f} s"
    )
    return [row(f"push, attach, CHECKDB of {size:.1f} MiB", mine, "s", theirs, ratio, about)]


def _timed(command: list[str]) -> tuple[float, float]:
    """Seconds, and CPU seconds of the client."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{command[1:4]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _files(lab: Lab, folder: Path) -> list[dict[str, Any]]:
    """The site database's files, as one backup of ours has them; the database is the lab's, and small beside a real one."""
    store = FOLDER / "drill-store"
    command = [
        str(SITEKEEPER),
        "run",
        str(ROOT / "playbooks" / "backup.yml"),
        "-i",
        str(lab.inventory),
        "-e",
        f"store={store}",
        "-e",
        "settle=1s",
        "-e",
        "maintenance=none",
        "--runs",
        str(FOLDER / "runs"),
        "--json",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    folder.mkdir()
    found = []
    for path in sorted((store / "PR2").glob("*/SiteDBServer/**/*.[ml]df"), key=lambda one: one.suffix, reverse=True):
        shutil.copy(path, folder / path.name)
        data = path.read_bytes()
        found.append(
            {
                "file": path.name,
                "name": path.name,
                "logical": "",
                "kind": "data" if path.suffix == ".mdf" else "log",
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    shutil.rmtree(store)
    return found


def by_hand(inventory: Path, folder: Path) -> None:
    """Copy, attach, check, drop, delete."""
    import pymssql  # noqa: PLC0415 - of foreign clients, needed here alone
    from pypsrp.client import Client  # noqa: PLC0415

    known = yaml.safe_load(inventory.read_text())
    host = next(one["hosts"][SCRATCH] for one in known["all"]["children"].values() if SCRATCH in one.get("hosts", {}))
    every = {**known["all"]["vars"], **host}
    files = sorted(folder.iterdir(), key=lambda one: one.suffix, reverse=True)
    with Client(
        every["ansible_host"],
        port=every["ansible_port"],
        ssl=False,
        auth="negotiate",
        username=every["ansible_user"],
        password=every["ansible_password"],
    ) as client:
        for one in files:
            client.copy(str(one), f"{BY_HAND}\\{one.name}")
    connection = pymssql.connect(
        server=every["ansible_host"],
        port=str(every["sql_port"]),
        user=every["sql_user"],
        password=every["sql_password"],
        database="master",
        autocommit=True,
    )
    cursor = connection.cursor()
    places = ", ".join(f"(FILENAME = N'{BY_HAND}\\{one.name}')" for one in files)
    cursor.execute(f"CREATE DATABASE [{KEEP}] ON {places} FOR ATTACH")
    cursor.execute(f"DBCC CHECKDB (N'{KEEP}') WITH ALL_ERRORMSGS, NO_INFOMSGS, TABLERESULTS")
    cursor.execute(f"DROP DATABASE [{KEEP}]")
    connection.close()


if __name__ == "__main__":
    by_hand(Path(sys.argv[1]), Path(sys.argv[2]))
