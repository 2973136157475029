"""Where drills, restores and ConfigMgr's own backup task are killed: two sites, a scratch server, good sets of both kinds.

What is claimed afterwards is read from the lab's disk, and from that of the store.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrage
from tests.hierarchies import hosts_of_the_lab

from sitekeeper_lab.audit import read_audit
from sitekeeper_lab.windows.native.answer import Answer

from .night import ROOT, Scene
from .points import Ended, Point

SCRATCH = "DRILL1"
CURRENT_BRANCH = "5.00.9128.1000"
"""Setup recovers no older one in the lab."""
MARKER = "sitekeeper-work.txt"
LOOKS = 3
"""Its start, and two looks at it."""
KEPT = {"setup", "srvacct", "registry"}
"""What of a recovery's work folder is meant to stay: how far setup came, and what ``site.save`` kept."""


class SlowSetup:
    """ConfigMgr's setup takes as long as it is looked at: it goes on when our process has seen it at work twice.

    Where that was killed before, setup stays at work until it is let go.
    """

    def __init__(self, scene: Rescue, site: str) -> None:
        host = scene.lab.host(site)
        self._real = host.programs["setup.exe"]
        self._moved = threading.Condition()
        self._looks = 0
        self.waits = False
        """Whether setup is at work, and stays so until it is let go."""
        self.watched = False
        """Whether looks count: those of the run that is killed, or of the resumed one."""
        host.programs["setup.exe"] = self._run
        write = scene.lab.audit.write

        def heard(event: str, host: str, **facts: Any) -> int:
            if event == "call" and facts.get("command") in {"Start-SkSetup", "Read-SkSetup"}:
                given = dict(facts["arguments"])
                if self.watched and given.get("Step") == "setup":
                    self._count()
            return write(event, host, **facts)

        scene.lab.audit.write = heard  # type: ignore[method-assign]  # the one witness of who looks

    def _count(self) -> None:
        with self._moved:
            self._looks += 1
            self._moved.notify_all()

    def go(self) -> None:
        """Go on to the end."""
        with self._moved:
            self._looks = 99
            self._moved.notify_all()

    def again(self) -> None:
        """For the next run."""
        self._looks, self.watched = 0, False

    def _run(self, program: str, arguments: Sequence[str]) -> Answer:
        with self._moved:
            self.waits = self._looks < LOOKS
            self._moved.wait_for(lambda: self._looks >= LOOKS, 40)
            self.waits = False
        return self._real(program, arguments)


class Rescue(Scene):
    """A lab with sets to recover from."""

    def __init__(self, root: Path, *hosts: str, size: float = 0.05) -> None:
        data = hosts_of_the_lab(*hosts, size=size)
        if "PR2" in data["hosts"]:
            data["hosts"]["PR2"]["site"]["version"] = CURRENT_BRANCH
        root.mkdir(mode=0o700)
        super().__init__(root, data)
        self.sites = tuple(name for name in hosts if name != SCRATCH)
        self.work = root / "work"
        self.work.mkdir(mode=0o700)
        self.disk = (self.store, self.work)
        self.line = 0
        """Of the audit log, before the run that is killed."""
        self.slow: SlowSetup | None = None
        self.key = root / "key.txt"
        self.sealed = False
        """Nothing but a drill sees whether a sealed set is whole."""

    def book(self, name: str, site: str, *more: str, point: Point | None = None) -> Ended:
        """Run a playbook for one site."""
        self.line = self.lab.audit.write("book", site)
        given = ["--limit", site, "-e", "maintenance=none", "-e", f"store_work={self.work}"]
        return self.run(ROOT / f"playbooks/{name}.yml", *given, *more, point=point)

    def has_set(self, site: str, name: str = "backup", *more: str) -> None:
        """Make a good set."""
        ended = self.book(name, site, *more)
        assert ended.code == 0, ended.said
        self.minutes(2)

    def seals(self) -> tuple[str, ...]:
        """What seals a set, with a key of its own."""
        self.sealed = True
        key = pyrage.x25519.Identity.generate()
        self.key.write_text(f"{key}\n")
        self.key.chmod(0o600)
        return "-e", "store_compress=zstd", "-e", json.dumps({"store_recipients": [str(key.to_public())]})

    def ready(self, *, wrecked: bool = False) -> None:
        """The sets that are there are the earlier ones; with ``wrecked`` PR2 is lost."""
        self.keep_sets()
        if wrecked:
            self.slow = SlowSetup(self, "PR2")
        self.forget_new_sets()

    def forget_new_sets(self) -> None:
        super().forget_new_sets()
        shutil.rmtree(self.root / "book", ignore_errors=True)
        for one in self.aftermath.sets():
            (one / "marks.json").unlink(missing_ok=True)
        for site in self.sites:
            self._forget_recovery(site)
        if self.slow is not None:
            self.slow.again()
            self._wreck()

    def _forget_recovery(self, site: str) -> None:
        for name in self.laid(site):
            shutil.rmtree(self.work_dir(site) / name)
        folder = self.lab.host(site).files.resolve("C:\\sitekeeper")
        for name in [one.name for one in folder.iterdir()] if folder.is_dir() else []:
            if name.startswith("2"):
                shutil.rmtree(folder / name)

    def _wreck(self) -> None:
        host, instance = self.lab.host("PR2"), self.lab.machines["PR2"].instance
        assert instance is not None
        self.lab.operate("PR2", "wreck")
        for name in [*instance.databases, *instance.restoring]:
            instance.detach_database(name)
        self.lab.operate("PR2", "allow_setup")
        for name in ("ConfigMgrSetup.log", "ConfigMgrPostRecoveryActions.html"):
            host.files.resolve(f"C:\\{name}").unlink(missing_ok=True)

    # What is asked.

    def path(self, host: str, path: str) -> Path:
        """Where something of a host lies on the lab's disk."""
        return self.lab.host(host).files.resolve(path)

    def work_dir(self, host: str) -> Path:
        return self.path(host, str(self.lab.hierarchy.hosts[host].sql_work_dir))

    def laid(self, host: str) -> list[str]:
        """What lies in the folder that the operator opened to SQL Server."""
        return sorted(one.name for one in self.work_dir(host).iterdir() if one.name != MARKER)

    def databases(self, host: str) -> list[str]:
        instance = self.lab.machines[host].instance
        assert instance is not None
        return sorted({*instance.databases, *instance.restoring})

    def asked(self, host: str) -> int:
        """How much a host was asked since the last book was begun."""
        lines = read_audit(self.lab.folder / "audit.jsonl", self.line)
        return sum(line["host"] == host and line["event"] in {"request", "call", "sql"} for line in lines)

    def left(self) -> list[str]:
        """Traces, leases, broken sets, copies of sealed sets, anything on the scratch server; but what is meant to stay."""
        there = self.aftermath
        kept = {f"{site}: {name}" for site in self.sites for name in ("task sitekeeper-setup", *self._kept(site))}
        left = [text for text in there.traces() if text not in kept and not text.endswith("/registry")]
        left += there.leases() + ([] if self.sealed else there.damaged(self.earlier))
        left += [f"private copy {one.name}" for one in self.work.iterdir()]
        if SCRATCH in self.lab.machines:
            left += [f"{SCRATCH}: database {name}" for name in self.databases(SCRATCH)]
            left += [f"{SCRATCH}: {name}" for name in self.laid(SCRATCH)]
        return left

    def _kept(self, site: str) -> list[str]:
        folder, run = self.path(site, "C:\\sitekeeper"), self.newest_run()
        inside = {one.name for one in (folder / run).iterdir()} if run and (folder / run).is_dir() else {""}
        return ["setup.cmd", run] if inside <= KEPT else ["setup.cmd"]

    def wait_until(self, holds: Any, seconds: float = 20.0) -> None:
        """Real time, for what the lab does by itself a moment later."""
        until = time.monotonic() + seconds
        while not holds() and time.monotonic() < until:
            time.sleep(0.02)
