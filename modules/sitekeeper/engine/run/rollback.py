"""Undoes everything that a run left behind: from its journal alone, from any control host, as often as needed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sitekeeper.engine import bugs, events
from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import SitekeeperError
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.open_run import HostProgress, OpenRun
from sitekeeper.engine.journal.records import Told
from sitekeeper.engine.run.host_state import HostState
from sitekeeper.engine.run.outcome import HostOutcome, RunOutcome
from sitekeeper.engine.run.run_context import RunLog
from sitekeeper.engine.run.telling import Telling
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
        self._connector = connector
        self._forks = forks
        bus = events.Bus(lambda event: journal.note(Told(event), host=event.host), *listeners)
        self._log = RunLog(journal=journal, bus=bus, clock=clock)

    def run(self) -> RunOutcome:
        """Undo all open changes, host by host; what cannot be undone stays open and fails the host."""
        try:
            return self._run_hosts()
        finally:
            self._log.bus.close()

    def _run_hosts(self) -> RunOutcome:
        bus, clock = self._log.bus, self._log.clock
        started = clock.monotonic()
        outcome = RunOutcome(self._run.run_id)
        hosts = self._run.left()
        play = events.play_of_rollback(self._run.run_id)
        bus.emit(events.PlayStarted(at=clock.now(), play=play, hosts=tuple(hosts)))
        with ThreadPoolExecutor(max_workers=max(1, self._forks), thread_name_prefix="host") as pool:
            for ended in pool.map(lambda item: self._run_host(*item), hosts.items()):
                outcome.merge(ended)
        seconds = clock.monotonic() - started
        bus.emit(events.RunEnded(at=clock.now(), run=self._run.run_id, exit_code=outcome.exit_code, seconds=seconds))
        return outcome

    def _run_host(self, host: str, progress: HostProgress) -> HostOutcome:
        began = self._log.clock.monotonic()
        telling = Telling(host, "rollback", self._log)
        ended = HostOutcome(host)
        try:
            opened = self._connector.open(host, lambda *_: None)
            try:
                ended.errors += self._undo_all(opened.context, progress, telling)
            finally:
                opened.close()
        except Exception as error:  # noqa: BLE001 - one host must not stop the others
            ended.errors.append(bugs.error_of(error, host=host, folder=self._log.journal.folder))
        telling.host_ended(ended, ended.status if ended.errors else "rolled back", began)
        return ended

    def _undo_all(self, ctx: Context, progress: HostProgress, telling: Telling) -> list[SitekeeperError]:
        """Undo a host's open changes, newest first, and release the leases if nothing is left."""
        state = HostState(ctx, self._log, telling)
        with state.deadlines.lifted():
            try:
                state.adopt(progress)
                errors = state.undo_all()
                state.guarding.end(proven=not state.undo.left)
            finally:
                state.close()
            if not state.undo.left:
                state.leases.give_back()
        return errors
