"""The points at which a process of ours is killed, or frozen, found by watching a clean run: the journal's records and the lab's audit.

A point is the n-th of its kind on a host:

* ``record``: a record of the journal, before it is on disk and after;
* ``call``, ``sql``: a remote call (a WinRM pipeline) or a request to SQL Server, before it is handled and after it was, unanswered;
* ``change``, ``native``: inside: a change in the lab as it happens, a command of diskshadow, schtasks and their like;
* ``disk``: before a change on the disk of the control host itself, where a scenario says below which folders.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitekeeper_lab.server import Lab

ROOT = Path(__file__).resolve().parents[2]
WHEN = {
    "record": ("before", "after"),
    "call": ("before", "after"),
    "sql": ("before", "after"),
    "change": ("inside",),
    "native": ("inside",),
    "disk": ("before",),
}


HERE = "the control host"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th of a kind on a host; ``when`` is before, after or inside."""

    kind: str
    host: str
    number: int
    when: str

    def __str__(self) -> str:
        return f"{self.when} {self.kind} {self.number} of {self.host}"


class Watch:
    """Counts what a run asks of the lab, and kills or freezes it at its point. One run at a time."""

    def __init__(self, lab: Lab) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._point: Point | None = None
        self._signal = signal.SIGKILL
        self._thawed = threading.Event()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.reached: list[Point] = []
        """Every point in the order in which the run came to it, as if it were killed there."""
        self.first_start = 0
        """How many of them came before the first service was started again."""
        for name, machine in lab.machines.items():
            self._at_requests(machine.faults, "call", name)
            if machine.sql is not None:
                self._at_requests(machine.sql.faults, "sql", name)
        self._write = lab.audit.write
        lab.audit.write = self._line  # type: ignore[method-assign]  # the one witness of what happens inside

    def begin(self, pid: int, point: Point | None, how: signal.Signals) -> None:
        """A new run."""
        with self._lock:
            self._pid, self._point, self._signal, self.counts = pid, point, how, Counter()
            self.reached, self.first_start = [], 0
            self._thawed.clear()

    def end(self, on_disk: int = 0) -> None:
        """The run is over, with so many changes on its own disk; what the lab does by itself is not counted."""
        with self._lock:
            self._pid, self._point = 0, None
            self.reached += [Point("disk", HERE, number, "before") for number in range(1, on_disk + 1)]
        self._thawed.set()

    def thaw(self) -> None:
        """What a frozen run had sent arrives now."""
        self._thawed.set()

    def _reached(self, kind: str, host: str) -> str:
        """Count one; the point's ``when`` if this is it, and then the process is dead or frozen."""
        with self._lock:
            if not self._pid:
                return ""
            self.counts[kind, host] += 1
            number = self.counts[kind, host]
            self.reached += [Point(kind, host, number, when) for when in WHEN[kind]]
            point = self._point
            if point is None or (point.kind, point.host, point.number) != (kind, host, number):
                return ""
            os.kill(self._pid, self._signal)
            self._pid = 0
            return point.when

    def _at_requests(self, faults: Any, kind: str, host: str) -> None:
        ask = faults.at_request

        def at_request(number: int, operation: str = "") -> str | None:
            if operation in ("", "Command"):
                when = self._reached(kind, host)
                if when and self._signal == signal.SIGKILL:
                    return when
                if when == "before":
                    self._thawed.wait()  # on its way, while its sender sleeps
            answer: str | None = ask(number, operation) if kind == "call" else ask(number)
            return answer

        faults.at_request = at_request

    def _line(self, event: str, host: str, **facts: Any) -> int:
        number = self._write(event, host, **facts)
        if facts.get("kind") == "service" and str(facts.get("to")).startswith("Start") and not self.first_start:
            self.first_start = len(self.reached)
        if event in ("change", "native"):
            self._reached(event, host)
        return number


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process of ours ended."""

    code: int
    """Its exit code; -9 when it was killed."""
    said: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def errors(self) -> str:
        """The errors that it told, or its last words."""
        told = [json.loads(line) for line in self.said.splitlines() if line.startswith("{") and line.endswith("}")]
        errors = [one["error"] for one in told if one.get("event") in {"HostEnded", None} and one.get("error")]
        return "\n".join(str(one) for one in errors) or self.said[-500:]


class Victims:
    """Starts processes of ours, one at a time."""

    def __init__(self, watch: Watch, out: Path) -> None:
        self._watch = watch
        self._out = out
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'modules'}"},
        )

    def run(
        self,
        arguments: Iterable[str],
        ahead: Path,
        point: Point | None = None,
        asleep: Callable[[], None] | None = None,
        disk: Iterable[Path] = (),
    ) -> Ended:
        """Run a command, killed at ``point``; ``ahead``: the file that says how many seconds the lab's clock is ahead.

        With ``asleep`` it is frozen there instead, and goes on after that was done. ``disk``: folders on whose changes it
        can be killed, too.
        """
        kind = point.kind if point is not None else ""
        record = point if kind == "record" else None
        counted = self._out.with_name("changes.txt")
        folders = [str(one) for one in disk]
        number = point.number if point is not None and kind == "disk" else 0
        how = signal.SIGSTOP if asleep else signal.SIGKILL
        self._tell(
            {
                "arguments": list(arguments),
                "ahead": str(ahead),
                "out": str(self._out),
                "kill": [record.host, record.number, record.when, how] if record else None,
                "disk": [folders, str(counted), number] if folders else None,
            }
        )
        pid = self._hear()
        self._watch.begin(pid, None if kind in {"record", "disk"} else point, how)
        self._tell("go")
        if asleep is not None and self._is_frozen(pid):
            try:
                asleep()
            finally:
                self._watch.thaw()
                os.kill(pid, signal.SIGCONT)
        status = self._hear()
        self._watch.end(int(counted.read_text() or 0) if folders else 0)
        return Ended(os.waitstatus_to_exitcode(status), self._out.read_text())

    def _is_frozen(self, pid: int) -> bool:
        """Wait until it is; False when it ended before."""
        assert self._parent.stdout is not None
        while not select.select([self._parent.stdout], [], [], 0.02)[0]:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                return True
        return False

    def close(self) -> None:
        """End the process that they are forked from."""
        self._parent.communicate(timeout=30)

    def _tell(self, what: Any) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(what) + "\n")
        self._parent.stdin.flush()

    def _hear(self) -> int:
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())
