"""A run: plays over hosts, each host on a thread of its own, and one exit code at the end."""

from __future__ import annotations

import random
import secrets as random_bytes
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

from sitekeeper.engine import events
from sitekeeper.engine.clock import Clock, SystemClock
from sitekeeper.engine.errors import RunInterruptedError, SitekeeperError, UsageError, exit_code_of
from sitekeeper.engine.hostplay import HostOutcome, HostPlay, Selection, Settings
from sitekeeper.engine.inventory import Inventory
from sitekeeper.engine.journal import Journal
from sitekeeper.engine.playbook import Play, Playbook
from sitekeeper.engine.precheck import precheck
from sitekeeper.engine.session import Connector, Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run was asked for."""

    check: bool = False
    limit: str | None = None
    selection: Selection = field(default_factory=Selection)
    forks: int = 8
    extra: Mapping[str, Any] = field(default_factory=dict)
    runs: Path


@dataclass(slots=True)
class RunOutcome:
    """How a run ended."""

    run_id: str
    hosts: dict[str, HostOutcome] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0, or the code of the failures' class, or PartialFailure's."""
        if self.interrupted:
            return RunInterruptedError.exit_code
        return exit_code_of(word for outcome in self.hosts.values() for word in outcome.words)


def new_run_id(clock: Clock) -> str:
    """Time and chance: sorts by start, and is unique across control hosts."""
    return f"{clock.now():%Y%m%d-%H%M%S}-{random_bytes.token_hex(3)}"


class Run:
    """One run of a playbook over an inventory."""

    def __init__(
        self,
        playbook: Playbook,
        inventory: Inventory,
        connect: Callable[[str, Event], Connector],
        options: Options,
        listeners: tuple[events.Listener, ...] = (),
        clock: Clock | None = None,
        stop: Event | None = None,
    ) -> None:
        self.playbook = playbook
        self.inventory = inventory
        self.options = options
        self.clock = clock or SystemClock()
        self.run_id = new_run_id(self.clock)
        self.stop = stop or Event()
        self.connector = connect(self.run_id, self.stop)
        self._listeners = listeners
        self._opened: dict[str, Opened] = {}
        self._lock = Lock()

    def hosts_of(self, play: Play) -> list[str]:
        """The play's hosts, limited as asked and in its order.

        Raises:
            UsageError: a name is unknown, or no host is left.

        """
        chosen = self.inventory.select(play.hosts, play.origins.of("hosts"))
        if self.options.limit is not None:
            limited = self.inventory.select(self.options.limit)
            chosen = [host for host in chosen if host in limited]
        if not chosen:
            raise UsageError(f"no hosts left for play `{play.name}`", origin=play.origins.of("hosts"))
        if play.order == "shuffle":
            return random.sample(chosen, len(chosen))
        if play.order in {"sorted", "reverse_sorted"}:
            chosen.sort()
        return chosen[::-1] if play.order.startswith("reverse") else chosen

    def run(self) -> RunOutcome:
        """Check everything that can be checked by reading, then run all plays.

        Raises:
            SitekeeperError: the playbook or inventory is wrong; nothing was started.

        """
        magic = {
            "run": {"id": self.run_id, "check": self.options.check, "started": self.clock.now().isoformat()},
            "groups": {name: self.inventory.members(name) for name in self.inventory.groups},
            "hostvars": {name: self.inventory.vars_of(name) for name in self.inventory.hosts},
        }
        settings = Settings(
            run_id=self.run_id,
            check=self.options.check,
            selection=self.options.selection,
            extra=self.options.extra,
            magic=magic,
        )
        plays = [(play, self.hosts_of(play)) for play in self.playbook.plays]
        for play, hosts in plays:
            precheck(play, hosts, self.inventory, settings)
        started = self.clock.monotonic()
        outcome = RunOutcome(self.run_id)
        journal = Journal(self.options.runs / self.run_id)
        bus = events.Bus(*self._listeners, lambda event: self._keep(journal, event))
        try:
            journal.commit("run", {
                "run": self.run_id, "playbook": self.playbook.file, "inventory": self.inventory.file,
                "check": self.options.check, "limit": self.options.limit, "extra": dict(self.options.extra),
                "texts": self.playbook.texts,
            })  # fmt: skip
            bus.emit(
                events.RunStarted(
                    at=self.clock.now(), run=self.run_id, playbook=self.playbook.file, check=self.options.check
                )
            )
            for play, hosts in plays:
                going = [host for host in hosts if not self._failed(outcome, host)]
                self._play(play, going, settings, journal, bus, outcome)
            outcome.interrupted = self.stop.is_set()
            bus.emit(
                events.RunEnded(
                    at=self.clock.now(),
                    run=self.run_id,
                    exit_code=outcome.exit_code,
                    seconds=self.clock.monotonic() - started,
                )
            )
        finally:
            journal.close()
        return outcome

    def interrupt(self) -> None:
        """Ask all hosts to stop after what cannot be left half-done, and to undo."""
        self.stop.set()

    @staticmethod
    def _keep(journal: Journal, event: events.Event) -> None:
        if not isinstance(event, events.Progressed):
            journal.note("event", event.as_dict(), host=event.host)

    @staticmethod
    def _failed(outcome: RunOutcome, host: str) -> bool:
        return host in outcome.hosts and bool(outcome.hosts[host].errors)

    def _play(
        self, play: Play, hosts: list[str], settings: Settings, journal: Journal, bus: events.Bus, outcome: RunOutcome
    ) -> None:
        bus.emit(events.PlayStarted(at=self.clock.now(), play=play.name, hosts=tuple(hosts)))
        failed = 0
        batches = _batches(hosts, play.serial)
        with ThreadPoolExecutor(max_workers=max(1, self.options.forks), thread_name_prefix="host") as pool:
            for batch in batches:
                waiting = list(batch)
                going: dict[Future[HostOutcome], str] = {}
                while waiting or going:
                    for host in list(waiting):
                        if self.stop.is_set() or failed * 100 > play.max_fail_percentage * len(hosts):
                            waiting.remove(host)
                            self._not_started(play, host, bus, outcome)
                        elif len(going) < self.options.forks and self._may_start(
                            play, host, {*waiting, *going.values()}
                        ):
                            waiting.remove(host)
                            going[pool.submit(self._host, play, host, settings, journal, bus)] = host
                    done, _ = wait(going, return_when=FIRST_COMPLETED)
                    for future in done:
                        host = going.pop(future)
                        ended = future.result()
                        failed += bool(ended.errors)
                        _merge(outcome, ended)

    def _may_start(self, play: Play, host: str, unfinished: set[str]) -> bool:
        """children_first: all children in the play have ended; parents_first: the parent has."""
        sites = self.inventory.sites
        own = next((site for site in sites.values() if site.host == host), None)
        if own is None or play.order not in {"children_first", "parents_first"}:
            return True
        if play.order == "parents_first":
            return own.parent is None or sites[own.parent].host not in unfinished
        return not any(site.parent == own.code and site.host in unfinished for site in sites.values())

    def _not_started(self, play: Play, host: str, bus: events.Bus, outcome: RunOutcome) -> None:
        error = (
            RunInterruptedError("not started: the operator stopped the run", host=host)
            if self.stop.is_set()
            else SitekeeperError("not started: too many hosts failed (max_fail_percentage)", host=host)
        )
        ended = HostOutcome(host)
        if self.stop.is_set():
            ended.errors.append(error)
        _merge(outcome, ended)
        bus.emit(
            events.HostEnded(
                at=self.clock.now(), host=host, play=play.name, status="skipped", seconds=0, error=error.render()
            )
        )

    def _host(self, play: Play, host: str, settings: Settings, journal: Journal, bus: events.Bus) -> HostOutcome:
        started = self.clock.monotonic()
        bus.emit(events.HostStarted(at=self.clock.now(), host=host, play=play.name))
        running: list[HostPlay] = []

        def progress(done: int, total: int | None, unit: str, text: str) -> None:
            task = running[0].task_name if running else ""
            bus.emit(
                events.Progressed(
                    at=self.clock.now(), host=host, task=task, done=done, total=total, unit=unit, text=text
                )
            )

        opened = self.connector.open(host, progress)
        try:
            hostplay = HostPlay(
                play=play, ctx=opened.context, settings=settings, inventory_vars=self.inventory.vars_of(host),
                journal=journal, bus=bus, clock=self.clock,
            )  # fmt: skip
            running.append(hostplay)
            ended = hostplay.run()
        except Exception as error:  # noqa: BLE001 - a bug of ours on one host must not take the others down
            ended = HostOutcome(host, [_bug(error, host, self.options.runs / self.run_id)])
        finally:
            opened.close()
        first = ended.errors[0] if ended.errors else None
        status = "ok" if first is None else "unreachable" if first.word == "unreachable" else "failed"
        if first is None and ended.partial:
            status = "partial"
        bus.emit(
            events.HostEnded(
                at=self.clock.now(), host=host, play=play.name, status=status, seconds=self.clock.monotonic() - started,
                word=first.word if first else "partial" if ended.partial else "",
                error="\n".join(error.render() for error in ended.errors) or ended.partial, summary=ended.summary,
            )
        )  # fmt: skip
        return ended


def _bug(error: Exception, host: str, folder: Path) -> SitekeeperError:
    """An own bug: short for people, its traceback (frames only, no values) in the run's folder."""
    import traceback  # noqa: PLC0415 - only when there is a bug

    file = folder / f"bug-{host}.txt"
    frames = "".join(traceback.format_tb(error.__traceback__))
    file.write_text(f"{type(error).__name__}\n{frames}", encoding="utf-8")
    return SitekeeperError(
        f"a bug in sitekeeper: {type(error).__name__}: {error}",
        host=host,
        hint=f"the traceback is in {file}; please report it",
    )


def _merge(outcome: RunOutcome, ended: HostOutcome) -> None:
    before = outcome.hosts.setdefault(ended.host, HostOutcome(ended.host))
    before.errors += ended.errors
    before.partial = before.partial or ended.partial
    before.summary.update(ended.summary)


def _batches(hosts: list[str], serial: tuple[str | int, ...]) -> list[list[str]]:
    """Ansible's serial: each size in turn, the last one for the rest."""
    if not serial:
        return [hosts]
    batches: list[list[str]] = []
    left = list(hosts)
    step = 0
    while left:
        size = serial[min(step, len(serial) - 1)]
        count = size if isinstance(size, int) else max(1, len(hosts) * int(size.rstrip("%")) // 100)
        batches.append(left[:count])
        left = left[count:]
        step += 1
    return batches
