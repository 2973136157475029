"""Processes of ours to be killed: forked from one that has everything imported, so that each takes milliseconds to start.

A program of its own; ``Victims`` (``points.py``) talks to it over its standard input and output, one JSON line each way.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sitekeeper.cli.program import program
from sitekeeper.engine.module import available
from sitekeeper.site import setup

from .ahead import follow


class CountingConnection(sqlite3.Connection):
    """The journal's database, which kills or freezes this process before or after the n-th record of a host is on disk."""

    host = ""
    number = 0
    when = ""
    how = signal.SIGKILL
    seen = 0
    """Records of the host, counted by the one thread that writes."""
    due = False

    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        if sql.startswith("INSERT INTO record") and given[0][2] == self.host:
            CountingConnection.seen += 1
            if CountingConnection.seen == self.number:
                if self.when == "before":
                    os.kill(os.getpid(), self.how)
                else:
                    CountingConnection.due = True
        return super().execute(sql, *given)

    def commit(self) -> None:
        super().commit()
        if CountingConnection.due:
            CountingConnection.due = False
            os.kill(os.getpid(), self.how)


CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def count_disk(under: list[str], counted: str, number: int) -> None:
    """Count the changes that we make below some folders of our own disk, into a file; killed before the n-th."""
    seen = 0
    told = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open":
            if isinstance(given[0], int) or not given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in CHANGES:
            return
        # shutil.rmtree names what it deletes relative to a descriptor of its folder.
        below = (
            given[-1] if event in {"os.remove", "os.rmdir"} and isinstance(given[-1], int) and given[-1] >= 0 else None
        )
        path = os.fsdecode(given[0])
        if below is not None:
            path = str(Path(f"/proc/self/fd/{below}").readlink() / path)
        if not path.startswith(tuple(under)):
            return
        seen += 1
        os.pwrite(told, str(seen).encode(), 0)
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def live(order: dict[str, Any]) -> int:
    """Run one command of ours as the order says."""
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    follow(Path(order["ahead"]))
    setattr(setup, "FOLLOW_SECONDS", 0.3)  # noqa: B010 - the lab's setup takes no half an hour
    if order["disk"]:
        count_disk(*order["disk"])
    if order["kill"]:
        CountingConnection.host, CountingConnection.number, CountingConnection.when, CountingConnection.how = order[
            "kill"
        ]
        setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=CountingConnection))  # noqa: B010
    return program(order["arguments"])


def serve() -> None:
    """Fork a process for every order; say its id, wait for the word to let it go, say how it ended."""
    available()  # loads the modules
    gc.freeze()  # what is loaded stays: no child has to look through it
    for line in sys.stdin:
        order = json.loads(line)
        gate, opener = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)
            sys.exit(live(order))
        os.close(gate)
        print(json.dumps(child), flush=True)
        sys.stdin.readline()
        os.close(opener)
        _, status = os.waitpid(child, 0)
        print(json.dumps(status), flush=True)


if __name__ == "__main__":
    serve()
