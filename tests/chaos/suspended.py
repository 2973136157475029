"""The control host is suspended at a step, for longer than the guard waits, and wakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from .ahead import put_forward
from .strikes import Strike
from .theatre import ROOT, Night, Theatre


def slept(theatre: Theatre, strike: Strike, minutes: int) -> Night:
    """A backup in a process that is stopped when it says that the step begins, and goes on after so many minutes of the lab."""
    after = theatre.lab.audit.write("night", theatre.site)
    begun = theatre.lab.clock.monotonic()
    clock = theatre.root / "ahead.txt"
    put_forward(theatre.lab, clock)
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.chaos.sleeper",
            str(clock),
            "run",
            str(ROOT / "playbooks/backup.yml"),
            "-i",
            str(theatre.inventory),
            "-e",
            f"store={theatre.store}",
            "-e",
            "settle=0.1s",
            "--runs",
            str(theatre.runs),
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'modules'}"},
    )
    events: list[dict[str, Any]] = []
    struck = False
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if not line.startswith("{"):
                continue
            events.append(json.loads(line))
            if not struck and "event" in events[-1] and strike.due(events[-1]):
                struck = True
                os.kill(child.pid, signal.SIGSTOP)
                theatre.lab.advance(60 * minutes)
                strike.action()
                put_forward(theatre.lab, clock)
                os.kill(child.pid, signal.SIGCONT)
        code = child.wait(120)
    finally:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGCONT)
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
    return Night(code, events, struck, theatre.lab.clock.monotonic() - begun, after)
