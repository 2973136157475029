"""A run: plays over hosts, each host on a thread of its own, and one exit code at the end."""

from __future__ import annotations

import secrets as random_bytes
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from sitekeeper.engine import bugs, events
from sitekeeper.engine.clock import Clock, SystemClock
from sitekeeper.engine.errors import RunInterruptedError, SitekeeperError, SpaceError, UsageError
from sitekeeper.engine.holding.limits import Limits
from sitekeeper.engine.inventory.host_vars import HostVars
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.open_run import OpenRun
from sitekeeper.engine.journal.records import RunBegun, RunLeft, RunResumed, Told
from sitekeeper.engine.language.plays import Play, Playbook
from sitekeeper.engine.language.selection import Selection
from sitekeeper.engine.run import order, resume
from sitekeeper.engine.run.host_play import HostPlay, Settings
from sitekeeper.engine.run.outcome import HostOutcome, RunOutcome
from sitekeeper.engine.run.precheck import precheck
from sitekeeper.engine.session import Connector

HEEDED_SECONDS = 1.0
"""CPython handles signals in the main thread alone: one that comes just as it falls asleep is handled when it wakes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run was asked for."""

    check: bool = False
    limit: str | None = None
    selection: Selection = field(default_factory=Selection)
    forks: int = 8
    extra: Mapping[str, Any] = field(default_factory=dict)
    runs: Path
    deadline: timedelta | None = None
    """How long the whole run may take; what it has changed by then is taken back."""
    version: str = ""
    """Of sitekeeper: a run is resumed only by the version that began it."""
    by: str = ""
    """Who asked for it, for the reports: user@host."""


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
        again: OpenRun | None = None,
    ) -> None:
        self.playbook = playbook
        self.inventory = inventory
        self.options = options
        self.clock = clock or SystemClock()
        self.again = again
        self.run_id = again.run_id if again is not None else new_run_id(self.clock)
        self.stop = stop or Event()
        self.connector = connect(self.run_id, self.stop)
        self._listeners = listeners
        self._journal: Journal | None = None
        self._taken_up: set[str] = set()
        """Hosts of a resumed run that were brought to where they were."""
        self.limits = Limits(options.runs / ".limits", self.clock, self.run_id)

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
        return order.ordered(play, chosen, self.inventory.sites)

    def run(self) -> RunOutcome:
        """Check everything that can be checked by reading, then run all plays.

        Raises:
            SitekeeperError: the playbook or inventory is wrong, and nothing was started; or the journal failed.

        """
        magic = {
            "run": {"id": self.run_id, "check": self.options.check, "started": self.clock.now().isoformat()},
            "groups": {name: self.inventory.members(name) for name in self.inventory.groups},
            "site_codes": sorted(self.inventory.sites),
            "hostvars": HostVars(self.inventory, self.options.extra),
        }
        settings = Settings(
            run_id=self.run_id,
            check=self.options.check,
            selection=self.options.selection,
            extra=self.options.extra,
            magic=magic,
            sites=self.inventory.sites,
            until=None
            if self.options.deadline is None
            else self.clock.monotonic() + self.options.deadline.total_seconds(),
        )
        settings.selection.check(self.playbook.tags())
        plays = [(play, self.hosts_of(play)) for play in self.playbook.plays]
        for play, hosts in plays:
            precheck(play, hosts, self.inventory, settings)
        journal = Journal(self.options.runs / self.run_id, again=self.again is not None)
        self._journal = journal
        try:
            return self._journaled(plays, settings, journal)
        finally:
            self._journal = None  # a signal from here on must not wait for a journal that is being closed
            journal.close()

    def _journaled(self, plays: list[tuple[Play, list[str]]], settings: Settings, journal: Journal) -> RunOutcome:
        started = self.clock.monotonic()
        outcome = RunOutcome(self.run_id)
        bus = events.Bus(lambda event: self._keep(journal, event), *self._listeners)
        try:
            self._told(plays, settings, journal, bus, outcome)
            if outcome.is_idle and self.again is None:
                outcome.errors.append(
                    UsageError("no task was run on any host: every condition was false", origin=plays[0][0].origin)
                )
            outcome.interrupted = self.stop.is_set()
            bus.catch_up()
            told = bus.broken
            outcome.errors += _unreported(told, journal.folder)
            seconds = self.clock.monotonic() - started
            bus.emit(
                events.RunEnded(at=self.clock.now(), run=self.run_id, exit_code=outcome.exit_code, seconds=seconds)
            )
        finally:
            bus.close()
        # The very last line may be the one for which a disk had no room.
        outcome.errors += _unreported([error for error in bus.broken if error not in told], journal.folder)
        return outcome

    def _told(
        self,
        plays: list[tuple[Play, list[str]]],
        settings: Settings,
        journal: Journal,
        bus: events.Bus,
        outcome: RunOutcome,
    ) -> None:
        """All plays, and what is told of them."""
        begun = RunBegun if self.again is None else RunResumed
        journal.commit(
            begun(
                run=self.run_id,
                folder=str(Path.cwd()),
                playbook=self.playbook.file,
                inventory=self.inventory.file,
                check=self.options.check,
                limit=self.options.limit,
                extra=dict(self.options.extra),
                texts=self.playbook.texts,
                version=self.options.version,
                tags=tuple(sorted(self.options.selection.tags)),
                skip_tags=tuple(sorted(self.options.selection.skip)),
                forks=self.options.forks,
                hosts={host: dict(self.inventory.vars_of(host)) for host in self.inventory.hosts},
            )
        )
        bus.emit(
            events.RunStarted(
                at=self.clock.now(),
                run=self.run_id,
                playbook=self.playbook.file,
                check=self.options.check,
                by=self.options.by,
            )
        )
        for play, hosts in plays:
            going = [host for host in hosts if not outcome.out(host) and not self._finished(play, host)]
            self._play(play, going, settings, journal, bus, outcome)

    def leave(self) -> None:
        """Put on disk what the journal still holds: the process is about to leave without undoing anything."""
        if self._journal is not None:
            self._journal.commit(RunLeft())

    def interrupt(self) -> None:
        """Ask all hosts to stop after what cannot be left half-done, and to undo."""
        self.stop.set()

    def _finished(self, play: Play, host: str) -> bool:
        """Whether a host had ended this play well before the run was cut off."""
        return self.again is not None and host in self.again.hosts and play.path in self.again.hosts[host].plays

    @staticmethod
    def _keep(journal: Journal, event: events.Event) -> None:
        if not isinstance(event, events.Progressed):
            journal.note(Told(event), host=event.host)

    def _play(
        self, play: Play, hosts: list[str], settings: Settings, journal: Journal, bus: events.Bus, outcome: RunOutcome
    ) -> None:
        bus.emit(events.PlayStarted(at=self.clock.now(), play=play.name, hosts=tuple(hosts)))
        failed = 0
        with ThreadPoolExecutor(max_workers=max(1, self.options.forks), thread_name_prefix="host") as pool:
            for batch in order.batches(hosts, play.serial):
                waiting = list(batch)
                going: dict[Future[HostOutcome], str] = {}
                while waiting or going:
                    for host in list(waiting):
                        if self.stop.is_set() or failed * 100 > play.max_fail_percentage * len(hosts):
                            waiting.remove(host)
                            self._not_started(play, host, bus, outcome)
                        elif len(going) < self.options.forks and not order.waits(
                            play, host, {*waiting, *going.values()}, self.inventory.sites
                        ):
                            waiting.remove(host)
                            going[pool.submit(self._host, play, host, settings, journal, bus)] = host
                    try:
                        done, _ = wait(going, HEEDED_SECONDS, FIRST_COMPLETED)
                    except BaseException:
                        self.stop.set()  # Ctrl-C without a handler: the hosts undo before the pool lets us go
                        raise
                    for future in done:
                        del going[future]
                        ended = future.result()
                        failed += bool(ended.errors)
                        outcome.merge(ended)

    def _not_started(self, play: Play, host: str, bus: events.Bus, outcome: RunOutcome) -> None:
        ended = HostOutcome(host, skipped=True)
        text = "not started: too many hosts failed (max_fail_percentage)"
        if self.stop.is_set():
            text = "not started: the operator stopped the run"
            ended.errors.append(RunInterruptedError(text, host=host))
        outcome.merge(ended)
        bus.emit(
            events.HostEnded(at=self.clock.now(), host=host, play=play.name, status="skipped", seconds=0, error=text)
        )

    def _host(self, play: Play, host: str, settings: Settings, journal: Journal, bus: events.Bus) -> HostOutcome:
        """One host's play; never raises."""
        started = self.clock.monotonic()
        bus.emit(events.HostStarted(at=self.clock.now(), host=host, play=play.name))
        ended = HostOutcome(host)
        try:
            self._opened(play, host, settings, journal, bus, ended)
        except Exception as error:  # noqa: BLE001 - a host that cannot be opened, or a bug, takes no other host down
            ended.errors.append(
                error.at(host=host)
                if isinstance(error, SitekeeperError)
                else bugs.report(error, host=host, folder=journal.folder)
            )
        told = ended.errors or ([ended.partial] if ended.partial else [])
        first = ended.errors[0] if ended.errors else None
        status: events.HostStatus
        if ended.is_idle:
            status = "skipped"
        elif first is None:
            status = "partial" if ended.partial else "ok"
        else:
            status = "unreachable" if first.word == "unreachable" else "failed"
        bus.emit(
            events.HostEnded(
                at=self.clock.now(),
                host=host,
                play=play.name,
                status=status,
                seconds=self.clock.monotonic() - started,
                word=told[0].word if told else "",
                error="\n".join(error.render() for error in told),
                summary=ended.summary,
            )
        )
        return ended

    def _opened(
        self, play: Play, host: str, settings: Settings, journal: Journal, bus: events.Bus, ended: HostOutcome
    ) -> None:
        running: list[HostPlay] = []

        def progress(done: int, total: int | None, unit: str, text: str) -> None:
            task = running[0].task_name if running else ""
            bus.emit(
                events.Progressed(
                    at=self.clock.now(), host=host, task=task, done=done, total=total, unit=unit, text=text
                )
            )

        opened = self.connector.open(host, progress)
        hostplay: HostPlay | None = None
        try:
            hostplay = HostPlay(
                play=play,
                ctx=opened.context,
                settings=settings,
                inventory_vars=self.inventory.vars_of(host),
                journal=journal,
                bus=bus,
                clock=self.clock,
                limits=self.limits,
            )
            hostplay.outcome = ended
            if self.again is not None and host in self.again.hosts and host not in self._taken_up:
                self._taken_up.add(host)  # its later plays begin with nothing behind them
                resume.take_up(hostplay, self.again.hosts[host])
            running.append(hostplay)
            hostplay.run()
        finally:
            if hostplay is not None:
                hostplay.guarding.silent()  # a host that we gave up must not be told that we live
            opened.close()


def _unreported(broken: list[BaseException], folder: Path) -> list[SitekeeperError]:
    """Why listeners were given up. A reader that went away (``| head``) did so by choice; Rich tells it by SystemExit."""
    return [
        SpaceError(f"a report could not be written: {error.strerror}", hint="send it to a place with room")
        if isinstance(error, OSError)
        else bugs.report(error, host="", folder=folder)
        for error in broken
        if not isinstance(error, BrokenPipeError | SystemExit)
    ]
