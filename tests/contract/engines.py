"""Two labs of one hierarchy: one with the lab's own engine, one with a real PowerShell; and a module's case run on each, once."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.backup.conftest import ROOT, Outcome
from tests.contract.seen import Seen, changed, looked_at, standing
from tests.contract.thief import Theft, taking_the_lease
from tests.drill.conftest import CURRENT_BRANCH, SCRATCH, Captured
from tests.restore.conftest import Ward

from sitekeeper.cli.main import main
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab

PWSH = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
NO_POWERSHELL = "no PowerShell: set SITEKEEPER_PWSH or put pwsh on the PATH"
needs_powershell = pytest.mark.skipif(PWSH is None, reason=NO_POWERSHELL)
on_each_engine = pytest.mark.parametrize(
    "engine",
    ["python", pytest.param("powershell", marks=[needs_powershell, pytest.mark.timeout(600), pytest.mark.sweep])],
)


class Place(Ward):
    """The lab of one engine, with its own store."""

    run_id = ""
    """The run that was started last."""

    def play(self, case: Case) -> Outcome:
        """Run what the case says by our own command line."""
        playbook: str | Path = f"playbooks/{case.tasks}.yml"
        if "\n" in case.tasks:
            playbook = self.root / "play.yml"
            inset = "".join(f"    {line}\n" for line in case.tasks.splitlines())
            playbook.write_text(f"- name: {case.name}\n  hosts: sites\n  tasks:\n{inset}")
        given = [f"book={self.root / 'book'}", *case.given]
        more = [word for one in given for word in ("-e", one)]
        outcome = self.run("--limit", case.hosts, *more, playbook=playbook)
        self.run_id = next(str(one["run"]) for one in outcome.events if one["event"] == "RunStarted")
        return outcome

    def wait_for_services(self) -> None:
        """Until no service of the lab is on its way from one state to another."""
        services = [one for machine in self.lab.machines.values() for one in machine.host.machine.services.values()]
        for _ in range(500):
            if not any(one.state.endswith("Pending") for one in services):
                return
            time.sleep(0.01)
        raise AssertionError([f"{one.name} {one.state}" for one in services])

    def take_back(self) -> int:
        """What the operator does about a run that could not take everything back; answers the exit code."""
        with contextlib.redirect_stdout(self.capture.text), contextlib.redirect_stderr(io.StringIO()):
            code = main(["rollback", self.run_id, "--runs", str(self.root / "runs"), "--json"])
        self.said = self.capture.readouterr().out
        return code


Guard = Callable[[Place], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True)
class Case:
    """A few tasks, or a playbook that we ship, and what must come of them on every engine."""

    name: str
    tasks: str
    """Tasks as YAML, or the name of a playbook."""
    ends: Mapping[str, str]
    """How the modules that are under test here must end: ok, changed, failed."""
    hosts: str = "PR2"
    given: tuple[str, ...] = ()
    """Variables, as for ``-e``."""
    code: int = 0
    word: str = ""
    """Class of the failure."""
    says: str = ""
    """In what is said of the failure, or where there is none, of a task."""
    undone: tuple[str, ...] = ()
    """Modules whose change is taken back, in this order; all must have been."""
    leaves: tuple[str, ...] = ()
    """Beginnings of what may be there afterwards that was not before."""
    after: tuple[str, ...] = ()
    """Cases that must have been run before: they made the set that this one uses."""
    stolen: str = ""
    """The module before whose change another run takes the lease of the host."""
    around: Guard = field(default=lambda _place: contextlib.nullcontext())
    """What is wrong meanwhile, and is put right afterwards."""


@dataclass(frozen=True)
class Ran:
    """A case as it went on one engine."""

    code: int
    outcome: Outcome
    seen: Seen
    left: list[str]
    """What is different on the hosts afterwards."""
    theft: Theft | None = None


class Engines:
    """Starts a lab when it is first asked for, and runs each case once on it."""

    def __init__(self, root: Path, cases: Mapping[str, Case], stack: contextlib.ExitStack) -> None:
        self._root, self._cases, self._stack = root, cases, stack
        self._places: dict[str, Place] = {}
        self._ran: dict[tuple[str, str], Ran] = {}

    def place(self, engine: str) -> Place:
        """The lab of an engine."""
        if engine not in self._places:
            pwsh = Path(PWSH) if engine == "powershell" and PWSH is not None else None
            root = self._root / engine
            lab = self._stack.enter_context(Lab(Hierarchy.model_validate(_hierarchy()), root / "lab", pwsh=pwsh))
            inventory = yaml.safe_load((root / "lab" / "hosts.yml").read_text())
            inventory["all"]["children"]["sites"]["hosts"]["PR3"]["maintenance"] = "none"
            (root / "lab" / "hosts.yml").write_text(yaml.safe_dump(inventory))
            self._places[engine] = Place(lab, root, Captured(), ["-e", "settle=0.3s"])
        return self._places[engine]

    def ran(self, name: str, engine: str) -> Ran:
        """A case on an engine, after those that it needs."""
        case = self._cases[name]
        if (name, engine) not in self._ran:
            for earlier in case.after:
                assert self.ran(earlier, engine).code == 0, earlier
            self._ran[name, engine] = _run(self.place(engine), case)
        return self._ran[name, engine]


def _run(place: Place, case: Case) -> Ran:
    management = place.lab.host("OPS1").management
    assert management is not None
    management.content.windows.clear()  # the last case's maintenance mode ends a minute later
    since = len(place.lab.audit_lines(0))
    theft = None
    with case.around(place):
        before = standing(place.lab)
        if case.stolen:
            with taking_the_lease(place.lab, case.stolen) as theft:
                outcome = place.play(case)
                theft.over(place.lab)
            lines = place.lab.audit_lines(since)
            theft.taken_back = place.take_back()
        else:
            outcome = place.play(case)
            lines = place.lab.audit_lines(since)
        left = changed(before, standing(place.lab), place.run_id)
    # What comes after a failed fence is noted by one engine when it is sent, by the other when it runs.
    calls = [one for one in lines if theft is None or one["event"] != "call" or one["n"] <= theft.since]
    return Ran(outcome.code, outcome, looked_at(place, outcome, calls, left), left, theft)


def _hierarchy() -> dict[str, Any]:
    """PR1 (2007 on Server 2003), PR2 (current branch, monitored), PR3 like it (wrecked and recovered), a scratch server."""
    data: dict[str, Any] = yaml.safe_load((ROOT / "inventory" / "lab" / "hierarchy.yml").read_text())
    data["ports"] = {"http": 0, "https": 0, "sql": 0}
    hosts = {name: data["hosts"][name] for name in ("PR1", "PR2", "OPS1", SCRATCH)}
    del hosts["PR1"]["site"]["parent"]
    hosts["PR2"]["site"]["version"] = CURRENT_BRANCH
    hosts["PR3"] = yaml.safe_load(yaml.safe_dump(hosts["PR2"]))
    hosts["PR3"]["site"]["code"] = "PR3"
    for number, spec in enumerate(hosts.values(), 1):
        spec["address"] = f"127.81.64.{number}"
        if "site" in spec:
            spec["site"]["size"] = 0.05
    return {**data, "hosts": hosts}


def started(root: Path, cases: Mapping[str, Case]) -> Iterator[Engines]:
    """The body of a fixture."""
    with contextlib.ExitStack() as stack:
        yield Engines(root, cases, stack)
