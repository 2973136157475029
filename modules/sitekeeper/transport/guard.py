"""The dead-man's switch of a host: a scheduled task there that acts when it gets no beat from us for some minutes.

It is stored beside the lease and counts its own runs, one a minute, since the last beat; no clock of either side matters.
Its script describes what it does (``powershell/Get-SkGuardScript.ps1``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import LimitError, RemoteError, SitekeeperError, UnreachableError
from sitekeeper.engine.figures import show_duration
from sitekeeper.transport.lease import SECONDS, HostLease
from sitekeeper.transport.psrp.session import PsrpSession

T = TypeVar("T")
SEEN_SECONDS = 150.0
"""How long to wait for the first run of a new task: it is started at once, and then every minute by itself."""
POLL_SECONDS = 1.0
SILENT_SECONDS = 300.0
"""A guard runs once a minute: one that was not seen to run for so long protects nothing any more."""
LEAST_MINUTES = 3
"""A shorter silence could be a run that was a little late."""
HINT = "sitekeeper does not change a site without a guard; `guard: none` on the block turns the guard off"


@dataclass(frozen=True, slots=True)
class Beat:
    """What a beat (sign of life) found."""

    guards: tuple[int, ...]
    """The numbers of the guards of this run on the host."""
    waiting: tuple[int, ...]
    """Those that have not read the previous beat: normal within a minute, otherwise they do not run."""
    renewed: bool
    """Whether the lease was renewed too; not while one of our changes is running."""


@dataclass(frozen=True, slots=True)
class GuardState:
    """The state of a guard on its host."""

    registered: bool
    """Its task exists."""
    seen: bool
    """It has run since it was armed."""
    count: int
    """Its runs in a row without a beat; -1 if the guard does not exist."""
    acting: bool
    """It got no beat for too long, and has fenced us."""
    done: bool
    """It has finished its work."""
    written: str
    """What it did, in its own words."""


def send_beat(session: PsrpSession, lease: HostLease, run_id: str) -> Beat:
    """Send a sign of life to all guards of the run on a host, and renew its lease. Call it in the thread that owns the session.

    Raises:
        LimitError: the lease is lost. RemoteError, UnreachableError: the beat could not be sent.

    """
    try:
        (row,) = session.raw(
            "Send-SkBeat",
            Drive=lease.drive,
            Run=run_id,
            Owner=lease.owner,
            Generation=lease.generation,
            Seconds=SECONDS,
            Number=0,
        )
    except RemoteError as error:
        if error.record is not None and error.record.short_id == "SkLeaseLost":
            raise LimitError(f"the lease of {error.host} was lost: {error.record.message}", host=error.host) from None
        raise
    return Beat(tuple(row["Guards"] or ()), tuple(row["Waiting"] or ()), bool(row["Renewed"]))


class GuardSilence:
    """Notices a guard that does not run any more: its task or its folder was deleted, the task is disabled, or it hangs."""

    def __init__(self, host: str, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._since: dict[int, float] = {}

    def look(self, beat: Beat, armed: set[int]) -> str:
        """What one beat shows of the guards that are armed; returns why the host is not guarded, empty while it is."""
        now = self._clock.monotonic()
        silent = {*beat.waiting, *(armed - set(beat.guards))}
        self._since = {number: self._since.get(number, now) for number in silent}
        for number, since in self._since.items():
            if now - since > SILENT_SECONDS:
                return (
                    f"guard {number} of {self._host} has not run for {now - since:.0f} s: its scheduled task "
                    "was deleted or disabled, or hangs"
                )
        return ""


class HostGuard:
    """One switch on one host. Arm it again to change what it covers; several may be armed at the same time."""

    def __init__(self, session: PsrpSession, lease: HostLease, clock: Clock, run_id: str) -> None:
        self._session = session
        self._lease = lease
        self._clock = clock
        self._run = run_id
        self._number = 0
        self._made: list[int] = []
        """Numbers that may exist on the host: a reply can be lost."""

    @property
    def number(self) -> int:
        """Its number among the guards of the run on this host; 0 if it is not armed."""
        return self._number

    def arm(self, services: tuple[str, ...], silence: timedelta, *, leak: bool) -> None:
        """Arm it, and wait for its first run; only then an earlier arming of this switch is removed.

        Args:
            services: what it starts, in this order, when it acts; it never starts anything else.
            silence: how long without a beat before it acts; whole minutes, at least three.
            leak: it deletes our shadow copies, links and exports instead, and touches no service.

        Raises:
            LimitError: the lease is lost. RemoteError: it cannot be armed, or did not run.

        """
        host = self._session.target.host
        if not self._lease.generation:
            raise SitekeeperError(f"a guard needs a lease of {host}, but none was taken", host=host)
        # A dead process of this run may have left others.
        number = max((0, *self.beat().guards)) + 1
        minutes = max(LEAST_MINUTES, math.ceil(silence / timedelta(minutes=1)))
        self._made.append(number)
        try:
            self._session.raw(
                "Register-SkGuard",
                Drive=self._lease.drive,
                Run=self._run,
                Number=number,
                Minutes=minutes,
                Service=[] if leak else list(services),
                Kind="leak" if leak else "window",
            )
            self._wait_until_seen(number, host)
        except RemoteError as error:
            self._give_up(number)
            raise RemoteError(
                f"the guard on {host} cannot be armed: {error.message}", record=error.record, host=host, hint=HINT
            ) from None
        self._number = number
        for earlier in [one for one in self._made if one != number]:
            self._remove(earlier)

    def beat(self) -> Beat:
        """Send a sign of life to it and to all other guards of the run on this host."""
        return _retry(lambda: send_beat(self._session, self._lease, self._run))

    def state(self) -> GuardState:
        """The state of the guard that was armed last."""
        return self._state(self._number)

    def disarm(self) -> None:
        """Remove it; safe to call twice."""
        for number in list(self._made):
            self._remove(number)
        self._number = 0

    def disarm_all(self) -> None:
        """Remove every guard of the run on this host, also those of a dead process."""
        for number in self.beat().guards:
            self._remove(number)
        self._number = 0

    def _wait_until_seen(self, number: int, host: str) -> None:
        until = self._clock.monotonic() + SEEN_SECONDS
        while not self._state(number).seen:
            if self._clock.monotonic() >= until:
                raise RemoteError(
                    f"its task was registered, but did not run within {show_duration(SEEN_SECONDS)}", host=host
                )
            self._clock.sleep(POLL_SECONDS)

    def _give_up(self, number: int) -> None:
        try:
            self._remove(number)
        except SitekeeperError:
            return  # the caller reports why it was not armed; a remaining guard starts stopped services, and none is stopped yet

    def _remove(self, number: int) -> None:
        _retry(lambda: self._session.raw("Unregister-SkGuard", Drive=self._lease.drive, Run=self._run, Number=number))
        if number in self._made:
            self._made.remove(number)

    def _state(self, number: int) -> GuardState:
        (row,) = self._session.raw("Test-SkGuard", Drive=self._lease.drive, Run=self._run, Number=number)
        return GuardState(
            bool(row["Registered"]),
            bool(row["Seen"]),
            int(row["Count"]),
            bool(row["Acting"]),
            bool(row["Done"]),
            str(row["Written"]),
        )


def _retry(work: Callable[[], T]) -> T:
    """Try once more after a lost connection: only for work that is safe to do twice."""
    try:
        return work()
    except UnreachableError:
        return work()
