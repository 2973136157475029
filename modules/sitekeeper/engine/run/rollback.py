"""Takes back everything that a run left behind: from its journal alone, from any control host, as often as needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sitekeeper.engine import bugs, events
from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.holding.guarding import Guarding
from sitekeeper.engine.holding.leases import Leases
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.open_run import HostProgress, OpenRun
from sitekeeper.engine.journal.records import Abandoned, Told
from sitekeeper.engine.run.outcome import HostOutcome, RunOutcome
from sitekeeper.engine.run.telling import Telling
from sitekeeper.engine.run.undo import stack_of
from sitekeeper.engine.session import Connector, Context


class Rollback:
    """One rollback of one run."""

    def __init__(
        self,
        run: OpenRun,
        journal: Journal,
        connector: Connector,
        listeners: tuple[events.Listener, ...],
        clock: Clock,
        forks: int,
    ) -> None:
        self._run = run
        self._journal = journal
        self._connector = connector
        self._clock = clock
        self._forks = forks
        self._bus = events.Bus(lambda event: journal.note(Told(event), host=event.host), *listeners)

    def run(self) -> RunOutcome:
        """Undo all open changes, host by host; what cannot be undone stays open and fails the host."""
        try:
            return self._told()
        finally:
            self._bus.close()

    def _told(self) -> RunOutcome:
        started = self._clock.monotonic()
        outcome = RunOutcome(self._run.run_id)
        hosts = self._run.left()
        play = events.play_of_rollback(self._run.run_id)
        self._bus.emit(events.PlayStarted(at=self._clock.now(), play=play, hosts=tuple(hosts)))
        with ThreadPoolExecutor(max_workers=max(1, self._forks), thread_name_prefix="host") as pool:
            for ended in pool.map(lambda item: self._host(*item), hosts.items()):
                outcome.merge(ended)
        seconds = self._clock.monotonic() - started
        self._bus.emit(
            events.RunEnded(at=self._clock.now(), run=self._run.run_id, exit_code=outcome.exit_code, seconds=seconds)
        )
        return outcome

    def _host(self, host: str, progress: HostProgress) -> HostOutcome:
        started = self._clock.monotonic()
        ended = HostOutcome(host)
        try:
            opened = self._connector.open(host, lambda *_: None)
            try:
                ended.errors += take_back_all(opened.context, progress, self._journal, self._bus, self._clock)
            finally:
                opened.close()
        except Exception as error:  # noqa: BLE001 - one host must not stop the others
            ended.errors.append(
                error.at(host=host)
                if isinstance(error, SitekeeperError)
                else bugs.report(error, host=host, folder=self._journal.folder)
            )
        first = ended.errors[0] if ended.errors else None
        status: events.HostStatus = "rolled back"
        if first is not None:
            status = "unreachable" if first.word == "unreachable" else "failed"
        self._bus.emit(
            events.HostEnded(
                at=self._clock.now(),
                host=host,
                play="rollback",
                status=status,
                seconds=self._clock.monotonic() - started,
                word=first.word if first else "",
                error="\n".join(error.render() for error in ended.errors),
            )
        )
        return ended


def take_back_all(
    ctx: Context, progress: HostProgress, journal: Journal, bus: events.Bus, clock: Clock
) -> list[SitekeeperError]:
    """Undo a host's open changes, newest first, and give the leases back if nothing is left."""
    ctx.offline = progress.offline
    leases = Leases(ctx, journal)
    leases.adopt(progress.leased)
    guarding = Guarding(ctx, clock)
    try:
        guarding.adopt(progress.guarded)
        journal.commit(Abandoned(), host=ctx.host)
        stack = stack_of(ctx, progress, journal, leases, Telling(ctx.host, bus, clock).undone)
        errors = stack.take_back(lambda change: change.policy != "never")
        stack.keep()
        guarding.end(proven=not stack.left)
    finally:
        guarding.silent()
    if not stack.left:
        leases.give_back()
    return errors
