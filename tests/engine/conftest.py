"""A stage for the engine: a real playbook file, an inventory, modules in memory, and a record of what they did.

``stage.run(PLAYBOOK)`` runs through ``engine.run.Run``. The modules::

    test.read:    {value: ANY}                 answers value; changes nothing
    test.change:  {name: N, ...}               reversible; see ChangeParams for how it goes wrong
    test.machine: {name: N, ...}               the same, and takes a machine of that name
    test.once:    {name: N}                    a change without undo
    test.elsewhere: {name: N, on: HOST, ...}   a change on another host
    test.wait:    {for: NAME, set: NAME}       sets one event, waits for another
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from threading import Event, Lock
from typing import Any, ClassVar, Literal

import pytest

from sitekeeper.engine import events, module
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import RemoteError, SitekeeperError, UndoError, UnreachableError
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.inventory import inventory_reader
from sitekeeper.engine.journal import journal
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Change, Plan, Record, Result, Unknown
from sitekeeper.engine.run.outcome import RunOutcome
from sitekeeper.engine.run.run import Options, Run
from sitekeeper.engine.secrets import Secret
from sitekeeper.engine.session import OpenContext

WAIT = 20.0
"""How long a test waits for an event before it gives up, in seconds."""


class Log:
    """What modules did, in order, across hosts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.entries: list[tuple[str, str, Any]] = []
        self.events: dict[str, Event] = {}
        self.tries: dict[tuple[str, str], int] = {}

    def add(self, what: str, host: str, name: Any) -> None:
        with self._lock:
            self.entries.append((what, host, name))

    def tried(self, host: str, name: str) -> int:
        with self._lock:
            self.tries[host, name] = self.tries.get((host, name), 0) + 1
            return self.tries[host, name]

    def event(self, name: str) -> Event:
        with self._lock:
            return self.events.setdefault(name, Event())

    def of(self, host: str) -> list[str]:
        return [f"{what} {name}" for what, on, name in self.entries if on == host]


LOG = Log()


class Read(Params):
    value: Any = None
    """Answered."""


class Value(Result):
    value: Any = None


class ReadModule(Module[Read, None, Value]):
    called: ClassVar[str] = "test.read"

    def plan(self, ctx: Any, params: Read) -> Plan[None, Value]:
        LOG.add("read", ctx.host, params.value)
        less = "it is half" if isinstance(params.value, str) and params.value == "half" else ""
        return Plan(result=Value(value=params.value, msg=f"read {params.value}", partial=less))


class ChangeParams(Params):
    name: str
    """What is changed."""
    fails: Literal["no", "before", "half", "bug", "plan", "unreachable", "undo", "undo-bug", "exit"] = "no"
    """How it goes wrong: half means after the change was made."""
    tries: int = 0
    """How many tries fail, when it fails."""
    on: str = ""
    """Only on this host, when it fails."""
    stops: bool = False
    """Asks the run to stop, as Ctrl-C does, in the middle of the change."""
    needless: bool = False
    """There is nothing to change."""


class ChangeIntent(Record):
    version: Literal[1] = 1
    name: str
    fails: str


class Changed(Result):
    name: Any = ""
    made: Any = None


class ChangeModule(Module[ChangeParams, ChangeIntent, Changed]):
    called: ClassVar[str] = "test.change"
    reversible = True

    def plan(self, ctx: Any, params: ChangeParams) -> Plan[ChangeIntent, Changed]:
        if params.fails == "plan":
            raise RemoteError(f"cannot plan {params.name}")
        if params.needless:
            return Plan(result=Changed(name=params.name, msg="nothing to do"))
        return Plan(
            result=Changed(
                name=params.name, made=Unknown("test.change"), changed=True, msg=f"would change {params.name}"
            ),
            changes=(Change(params.name, "before", "after"),),
            intent=ChangeIntent(name=params.name, fails=params.fails),
        )

    def apply(self, ctx: Any, params: ChangeParams, plan: Plan[ChangeIntent, Changed]) -> Changed:
        wrong = params.fails if params.on in {"", ctx.host} else "no"
        if params.tries and LOG.tried(ctx.host, params.name) > params.tries:
            wrong = "no"
        if wrong == "before":
            LOG.add("refused", ctx.host, params.name)
            raise RemoteError(f"refused {params.name}")
        LOG.add("made", ctx.host, params.name)
        if params.stops:
            ctx.stop.set()
        if wrong == "half":
            raise RemoteError(f"broke {params.name}")
        if wrong == "bug":
            raise RuntimeError(f"a bug about {params.name}")
        if wrong == "exit":
            raise SystemError(f"another bug about {params.name}")
        if wrong == "unreachable":
            raise UnreachableError(f"lost {params.name}")
        return Changed(name=params.name, made=f"id of {params.name}", changed=True, msg=f"changed {params.name}")

    def undo(self, ctx: Any, intent: ChangeIntent, outcome: Changed | None) -> str:
        if intent.fails == "undo":
            raise UndoError(f"{intent.name} will not go", hint="look yourself")
        if intent.fails == "undo-bug":
            raise ZeroDivisionError(f"a bug in the undo of {intent.name}")
        LOG.add("undone", ctx.host, intent.name)
        return f"took back {intent.name}{'' if outcome else ' (half-made)'}"


class MachineModule(ChangeModule):
    called: ClassVar[str] = "test.machine"

    def machines(self, params: ChangeParams) -> tuple[str, ...]:
        return (params.name,)


class ElsewhereParams(Params):
    name: str
    """What is changed."""
    on: str | None = None
    """Where."""
    fails: bool = False
    """After it was made."""


class ElsewhereIntent(Record):
    version: Literal[1] = 1
    name: str
    on: str | None


class ElsewhereModule(Module[ElsewhereParams, ElsewhereIntent, Changed]):
    called: ClassVar[str] = "test.elsewhere"
    reversible = True

    def plan(self, ctx: Any, params: ElsewhereParams) -> Plan[ElsewhereIntent, Changed]:
        intent = ElsewhereIntent(name=params.name, on=params.on)
        return Plan(result=Changed(name=params.name), changes=(Change(params.name, "a", "b"),), intent=intent)

    def apply(self, ctx: Any, params: ElsewhereParams, plan: Plan[ElsewhereIntent, Changed]) -> Changed:
        LOG.add("made", choose_context(ctx, plan.intent).host, params.name)
        if params.fails:
            raise RemoteError("it broke")
        return Changed(name=params.name, changed=True, msg="done")

    def undo(self, ctx: Any, intent: ElsewhereIntent, outcome: Changed | None) -> str:
        LOG.add("undone", choose_context(ctx, intent).host, intent.name)
        return "taken back"


class OnceParams(Params):
    name: str
    """What is changed for good."""


class OnceModule(Module[OnceParams, None, Changed]):
    called: ClassVar[str] = "test.once"

    def plan(self, ctx: Any, params: OnceParams) -> Plan[None, Changed]:
        return Plan(result=Changed(name=params.name), changes=(Change(params.name, "a", "b"),))

    def apply(self, ctx: Any, params: OnceParams, plan: Plan[None, Changed]) -> Changed:
        LOG.add("made", ctx.host, params.name)
        return Changed(name=params.name, changed=True, msg="done")


class WaitParams(Params):
    set: str = ""
    """Event to set."""
    wait: str = ""
    """Event to wait for."""


class WaitModule(Module[WaitParams, None, Result]):
    called: ClassVar[str] = "test.wait"

    def plan(self, ctx: Any, params: WaitParams) -> Plan[None, Result]:
        LOG.add("began", ctx.host, params.set)
        if params.set:
            LOG.event(params.set).set()
        if params.wait and not LOG.event(params.wait).wait(WAIT):
            raise RemoteError(f"{params.wait} never came")
        LOG.add("ended", ctx.host, params.set)
        return Plan(result=Result(msg="waited"))


class KeyParams(Params):
    key: Secret
    """A secret, rightly."""


class KeyModule(Module[KeyParams, None, Result]):
    called: ClassVar[str] = "test.key"

    def plan(self, ctx: Any, params: KeyParams) -> Plan[None, Result]:
        LOG.add("key", ctx.host, params.key.reveal())
        return Plan(result=Result(msg="used it"))


class Lease:
    """Records; ``refused`` after so many times."""

    def __init__(self, host: str, stage: Stage) -> None:
        self.host = host
        self.stage = stage
        self.generation = 0

    def take(self, at_least: int = 0) -> int:
        self.stage.lease(self.host)
        self.generation = max(self.generation, at_least, 1)
        return self.generation

    def give_back(self) -> None:
        self.stage.given_back.append(self.host)
        error = self.stage.give_back_fails(self.host)
        if error is not None:
            raise error


@dataclass
class Stand:
    """The stand-in for a Context: it records."""

    host: str
    vars: Mapping[str, Any]
    lease: Lease
    clock: Any
    run_id: str
    check: bool
    stop: Event
    offline: Any = None
    needed: list[Any] = field(default_factory=list)

    def of(self, host: str) -> Stand:
        """Another host, in the same play."""
        self.family = getattr(self, "family", {})
        if host not in self.family:
            self.family[host] = Stand(
                host, {}, Lease(host, self.lease.stage), self.clock, self.run_id, self.check, self.stop
            )
        found: Stand = self.family[host]
        return found

    def bound(self, until: float | None, what: str = "") -> None:
        self.bounds = getattr(self, "bounds", [])
        self.bounds.append((until, what))

    def needs(self, needs: Any) -> None:
        self.needed.append(needs)

    def progress(self, done: int, total: int | None, unit: str, text: str = "") -> None:
        LOG.add("told", self.host, text)
        LOG.event(f"{self.host} is told").set()

    def site_code(self) -> str | None:
        return None


class Clock(SystemClock):
    """Waits for nothing, and remembers for how long it would have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        self.slept.append(seconds)

    def now(self) -> datetime:
        return datetime.now(UTC)


class Stage:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.log = LOG
        self.clock = Clock()
        self.events: list[events.Event] = []
        self.listeners: tuple[events.Listener, ...] = ()
        self.given_back: list[str] = []
        self.taken: list[str] = []
        self.lease_fails: Callable[[str], SitekeeperError | None] = lambda _host: None
        self.open_fails: Callable[[str], BaseException | None] = lambda _host: None
        self.close_fails: Callable[[str], BaseException | None] = lambda _host: None
        self.give_back_fails: Callable[[str], BaseException | None] = lambda _host: None
        self.opened: list[Stand] = []
        self.hosts(
            """\
            all:
              children:
                sites:
                  hosts:
                    CEN: {site_code: CEN, site_type: central}
                    PR1: {site_code: PR1, parent: CEN}
                    PR2: {site_code: PR2, parent: CEN}
            """
        )

    def hosts(self, text: str) -> Path:
        return self.file("hosts.yml", text)

    def file(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
        return file

    def lease(self, host: str) -> None:
        self.taken.append(host)
        error = self.lease_fails(host)
        if error is not None:
            raise error

    def prepare(self, text: str, *, vault: Secret | None = None, **options: Any) -> Run:
        file = self.file("play.yml", text)

        def connect(run_id: str, stop: Event) -> Any:
            return _Connector(self, run_id, stop, check=options.get("check", False))

        return Run(
            playbook_reader.load(file, vault),
            inventory_reader.load(self.root / "hosts.yml", vault),
            connect,
            Options(runs=self.runs, **options),
            (self.events.append, *self.listeners),
            self.clock,
        )

    def run(self, text: str, **options: Any) -> RunOutcome:
        return self.prepare(text, **options).run()

    def tasks(self, *tasks: str, **options: Any) -> RunOutcome:
        """Run tasks on PR1 alone."""
        body = "".join(f"{dedent(task).rstrip()}\n" for task in tasks)
        return self.run("- hosts: PR1\n  tasks:\n" + _inset(body, 4), **options)

    def refused(self, text: str, **options: Any) -> SitekeeperError:
        """The error of a run that must not start, having checked that nothing did."""
        with pytest.raises(SitekeeperError) as caught:
            self.run(text, **options)
        assert not self.runs.exists(), "a run folder was made"
        assert not self.events
        assert not LOG.entries
        assert not self.opened
        return caught.value

    def did(self, host: str = "PR1") -> list[str]:
        return LOG.of(host)

    def told(self, host: str = "PR1") -> list[tuple[str, str]]:
        return [(one.task, one.status) for one in self.events if isinstance(one, events.TaskEnded) and one.host == host]

    def rows(self, kind: str | None = None) -> list[journal.Row]:
        (folder,) = self.runs.iterdir()
        return [row for row in journal.read(folder) if kind in {None, row.kind}]

    def left_open(self) -> list[str]:
        (folder,) = self.runs.iterdir()
        return [left.intent.intent["name"] for left in journal.open_changes(folder)]

    def bytes_written(self) -> bytes:
        return b"".join(file.read_bytes() for file in sorted(self.runs.rglob("*")) if file.is_file())


class _Connector:
    def __init__(self, stage: Stage, run_id: str, stop: Event, *, check: bool) -> None:
        self.stage = stage
        self.run_id = run_id
        self.stop = stop
        self.check = check

    def open(self, host: str, progress: Any) -> OpenContext:
        error = self.stage.open_fails(host)
        if error is not None:
            raise error
        stand: Any = Stand(host, {}, Lease(host, self.stage), self.stage.clock, self.run_id, self.check, self.stop)
        self.stage.opened.append(stand)

        def close() -> None:
            error = self.stage.close_fails(host)
            if error is not None:
                raise error

        return OpenContext(stand, close, lambda: None)


def _inset(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    LOG.__init__()  # type: ignore[misc]  # a new record for each test
    found = dict(module.available())
    for one in (ReadModule, ChangeModule, MachineModule, ElsewhereModule, OnceModule, WaitModule, KeyModule):
        found[one.name()] = one
    monkeypatch.setattr(module, "available", lambda: found)
    return Stage(tmp_path)
