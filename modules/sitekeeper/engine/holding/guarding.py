"""The dead-man's switch around a block: armed before the first change that it covers, kept quiet while we live.

``guard: 15m`` on a block: if the site does not hear from us for that long, it starts again by itself what the block stopped.
What may be left over longer (shadow copies, exports) is covered by a second switch, in hours, until the play's end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.plan import Covers
from sitekeeper.engine.session import Context, Switch

BEAT_SECONDS = 20.0
"""How often a site hears from us; the switch looks once a minute."""
LONGEST_BLOCK = timedelta(hours=2)
"""A guarded block without a deadline of its own: a hung run must not keep a site down for ever."""


class Guarding:
    """The switches of one host's play."""

    def __init__(
        self,
        ctx: Context,
        clock: Clock,
        *,
        overdue: Callable[[], bool] = lambda: False,
        lost: Callable[[str], None] = lambda _: None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Guard what ``ctx`` changes.

        Args:
            overdue: whether the run is past its deadlines; then the sites do not hear from us.
            lost: told once, from another thread, why a site must not be changed any more: our lease is lost, or its
                guard does not run.
            note: writes a host down before a switch is armed on it.

        """
        self._ctx = ctx
        self._clock = clock
        self._overdue = overdue
        self._lost = lost
        self._note = note
        self._windows: list[_Window] = []
        self._services: tuple[str, ...] = ()
        self._window: Switch | None = None
        self._leaks: set[str] = set()
        self._hosts: set[str] = set()
        self._keeper: _Keeper | None = None

    def adopt(self, hosts: Iterable[str]) -> None:
        """Guards of an earlier process of this run are still armed on these hosts: keep them quiet from now on."""
        self._hosts.update(hosts)
        for host in self._hosts:
            self._ctx.of(host).lease.take()
        self._keep()

    def enter(self, length: timedelta, keep: timedelta) -> None:
        """A guarded block begins; nothing is armed before its first change."""
        self._windows.append(_Window(length, keep))

    def cover(self, covers: Covers) -> None:
        """Arm what a change needs, and wait until it was seen to work; only then the change may be made.

        Raises:
            RemoteError: it cannot be armed on this host.

        """
        if not self._windows:
            return
        window = self._windows[-1]
        # What a block stops it stops to make something: armed now, it costs no time while the site is down.
        for host in (self._ctx.host, *covers.hosts) if covers.services else covers.hosts:
            if host not in self._leaks:
                there = self._ctx.of(host)
                there.lease.take()
                self._armed(host)
                there.switch().arm((), window.keep, leak=True)
                self._leaks.add(host)
        missing = [name for name in covers.services if name not in self._services]
        if missing:
            services = (*self._services, *missing)
            self._window = self._window or self._ctx.switch()
            self._armed(self._ctx.host)
            self._window.arm(services, window.length, leak=False)
            self._services = services  # not before: what could not be armed is not covered, whoever asks next
        self._keep()

    def leave(self, *, proven: bool) -> None:
        """A guarded block is over. ``proven``: everything that it stopped runs again, so its switch may go."""
        self._windows.pop()
        if proven and self._window is not None and not self._windows:
            self._window.disarm()
            self._window, self._services = None, ()

    def end(self, *, proven: bool) -> None:
        """The play is over. What is not proven to be taken back stays guarded."""
        self.silent()
        if proven:
            for host in sorted(self._hosts):
                there = self._ctx.of(host)
                there.lease.take()
                there.switch().disarm_all()
                if host != self._ctx.host:
                    there.lease.give_back()
            self._hosts.clear()

    def silent(self) -> None:
        """From now on the sites do not hear from us."""
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None

    def _armed(self, host: str) -> None:
        """Written down before it is done: whoever takes the run up looks there for guards."""
        if host not in self._hosts:
            self._hosts.add(host)
            self._note(host)

    def _keep(self) -> None:
        if self._hosts and self._keeper is None:
            self._keeper = _Keeper(self._ctx.beats, self._clock, self._overdue, self._lost)
            self._keeper.start()


@dataclass(frozen=True, slots=True)
class _Window:
    length: timedelta
    keep: timedelta


class _Keeper(threading.Thread):
    """Tells the site that we live, over sessions of its own: the owner's may be busy with a long call.

    It is silent while the run is past its deadlines, and for good when a lease is lost or a guard does not run.
    """

    def __init__(
        self,
        beats: Callable[[], Sequence[Callable[[], str]]],
        clock: Clock,
        overdue: Callable[[], bool],
        lost: Callable[[str], None],
    ) -> None:
        super().__init__(name="keeper", daemon=True)
        self._lost = lost
        self._open = beats
        self._clock = clock
        self._overdue = overdue
        self._over = threading.Event()

    def run(self) -> None:
        """Beat until stopped; a beat that fails is tried again at the next turn."""
        while not self._over.is_set():
            why = ""
            try:
                if not self._overdue():
                    why = self._beat_all()
            except Exception:  # noqa: BLE001, S110 - the keeper outlives whatever went wrong: the next beat may be heard
                pass
            if why:
                self._lost(why)
                return
            self._clock.sleep(BEAT_SECONDS, self._over)

    def _beat_all(self) -> str:
        """One beat to each host; returns why one of them must not be changed any more."""
        for beat in self._open():
            try:
                if why := beat():
                    return why
            except Exception:  # noqa: BLE001, S112 - whatever became of one beat, the next host may hear its own
                continue
        return ""

    def stop(self) -> None:
        """No more beats."""
        self._over.set()
        self.join()
