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
from sitekeeper.engine.holding import branches
from sitekeeper.engine.holding.limits import Limits
from sitekeeper.engine.holding.play_limits import PlayLimits
from sitekeeper.engine.inventory.host_vars import HostVars
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.open_run import OpenRun
from sitekeeper.engine.journal.records import RunBegun, RunLeft, RunResumed, Told
from sitekeeper.engine.language.plays import Play, Playbook
from sitekeeper.engine.language.selection import Selection
from sitekeeper.engine.run import order, resume
from sitekeeper.engine.run.host_play import HostPlay
from sitekeeper.engine.run.host_state import HostState
from sitekeeper.engine.run.outcome import HostOutcome, RunOutcome
from sitekeeper.engine.run.precheck import precheck
from sitekeeper.engine.run.run_context import RunContext, RunLog, RunSettings
from sitekeeper.engine.run.telling import Telling
from sitekeeper.engine.session import Connector, Context

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
    """How long the whole run may take; what it has changed by then is undone."""
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
        return order.sort_hosts(play, chosen, self.inventory.sites)

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
        settings = RunSettings(
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
            return self._run_reported(plays, settings, journal)
        finally:
            self._journal = None  # a signal from here on must not wait for a journal that is being closed
            journal.close()

    def _run_reported(self, plays: list[tuple[Play, list[str]]], settings: RunSettings, journal: Journal) -> RunOutcome:
        """All plays, with everybody who listens; a report that could not be written is a failure of the run."""
        started = self.clock.monotonic()
        outcome = RunOutcome(self.run_id)
        bus = events.Bus(lambda event: self._note_event(journal, event), *self._listeners)
        log = RunLog(journal=journal, bus=bus, clock=self.clock)
        run = RunContext(
            settings=settings,
            inventory=self.inventory,
            log=log,
            limits=Limits(self.options.runs / ".limits", self.clock, self.run_id),
        )
        try:
            self._run_plays(plays, run, outcome)
            if outcome.is_idle and self.again is None:
                outcome.errors.append(
                    UsageError("no task was run on any host: every condition was false", origin=plays[0][0].origin)
                )
            outcome.interrupted = self.stop.is_set()
            bus.catch_up()
            broken = bus.broken
            outcome.errors += _report_errors(broken, journal.folder)
            seconds = self.clock.monotonic() - started
            bus.emit(
                events.RunEnded(at=self.clock.now(), run=self.run_id, exit_code=outcome.exit_code, seconds=seconds)
            )
        finally:
            bus.close()
        # The very last line may be the one for which a disk had no room.
        outcome.errors += _report_errors([error for error in bus.broken if error not in broken], journal.folder)
        return outcome

    def _run_plays(self, plays: list[tuple[Play, list[str]]], run: RunContext, outcome: RunOutcome) -> None:
        record = RunBegun if self.again is None else RunResumed
        run.log.journal.commit(
            record(
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
        run.log.bus.emit(
            events.RunStarted(
                at=self.clock.now(),
                run=self.run_id,
                playbook=self.playbook.file,
                check=self.options.check,
                by=self.options.by,
            )
        )
        for play, hosts in plays:
            going = [host for host in hosts if not outcome.out(host) and not self._has_finished(play, host)]
            self._run_play(play, going, run, outcome)

    def leave(self) -> None:
        """Put on disk what the journal still holds: the process is about to leave without undoing anything."""
        if self._journal is not None:
            self._journal.commit(RunLeft())

    def interrupt(self) -> None:
        """Ask all hosts to stop after what cannot be left half-done, and to undo."""
        self.stop.set()

    def _has_finished(self, play: Play, host: str) -> bool:
        """Whether a host had finished this play before the run was cut off."""
        return self.again is not None and host in self.again.hosts and play.path in self.again.hosts[host].plays

    @staticmethod
    def _note_event(journal: Journal, event: events.Event) -> None:
        if not isinstance(event, events.Progressed):
            journal.note(Told(event), host=event.host)

    def _run_play(self, play: Play, hosts: list[str], run: RunContext, outcome: RunOutcome) -> None:
        run.log.bus.emit(events.PlayStarted(at=self.clock.now(), play=play.name, hosts=tuple(hosts)))
        failed = 0
        with ThreadPoolExecutor(max_workers=max(1, self.options.forks), thread_name_prefix="host") as pool:
            for batch in order.batches(hosts, play.serial):
                waiting = list(batch)
                going: dict[Future[HostOutcome], str] = {}
                while waiting or going:
                    for host in list(waiting):
                        if self.stop.is_set() or failed * 100 > play.max_fail_percentage * len(hosts):
                            waiting.remove(host)
                            self._skip_host(play, host, run, outcome)
                        elif len(going) < self.options.forks and not order.must_wait(
                            play, host, {*waiting, *going.values()}, self.inventory.sites
                        ):
                            waiting.remove(host)
                            going[pool.submit(self._run_host, play, host, run)] = host
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

    def _skip_host(self, play: Play, host: str, run: RunContext, outcome: RunOutcome) -> None:
        ended = HostOutcome(host, skipped=True)
        text = "not started: too many hosts failed (max_fail_percentage)"
        if self.stop.is_set():
            text = "not started: the operator stopped the run"
            ended.errors.append(RunInterruptedError(text, host=host))
        outcome.merge(ended)
        Telling(host, play.name, run.log).host_not_started(text)

    def _run_host(self, play: Play, host: str, run: RunContext) -> HostOutcome:
        """One host's play; never raises."""
        telling = Telling(host, play.name, run.log)
        began = telling.host_started()
        ended = HostOutcome(host)
        try:
            opened = self.connector.open(host, telling.progress)
            try:
                self._run_opened(play, opened.context, run, telling, ended)
            finally:
                opened.close()
        except Exception as error:  # noqa: BLE001 - a host that cannot be opened, or a bug, takes no other host down
            ended.errors.append(bugs.error_of(error, host=host, folder=run.log.journal.folder))
        telling.host_ended(ended, ended.status, began)
        return ended

    def _run_opened(self, play: Play, ctx: Context, run: RunContext, telling: Telling, ended: HostOutcome) -> None:
        state = HostState(ctx, run.log, telling, until=run.settings.until)
        try:
            line = branches.locks(ctx.host, self.inventory.sites) if play.branch_windows == "one" else ()
            limits = PlayLimits(ctx, run.limits, state.deadlines, line)
            done = resume.DonePart()
            if self.again is not None and ctx.host in self.again.hosts and ctx.host not in self._taken_up:
                self._taken_up.add(ctx.host)  # its later plays begin with nothing behind them
                done = resume.take_up(state, play, limits.branch, self.again.hosts[ctx.host])
            HostPlay(play, state, limits, run, done, ended).run()
        finally:
            state.close()


def _report_errors(broken: list[BaseException], folder: Path) -> list[SitekeeperError]:
    """Why listeners were given up. A reader that went away (``| head``) did so by choice; Rich tells it by SystemExit."""
    return [
        SpaceError(f"a report could not be written: {error.strerror}", hint="write to a disk with free space")
        if isinstance(error, OSError)
        else bugs.report(error, host="", folder=folder)
        for error in broken
        if not isinstance(error, BrokenPipeError | SystemExit)
    ]
