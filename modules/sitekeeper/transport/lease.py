"""The lease of a host: a file on the host with the run that may change it, and until when by the host's own clock.

It is on the system drive, so that it can be taken before anything is known about the site.
"""

from __future__ import annotations

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import BusyError, LimitError, RemoteError, UnreachableError, UsageError
from sitekeeper.engine.session import Call
from sitekeeper.transport.psrp.session import PsrpSession

GIVE_BACK_ATTEMPTS = 2
SECONDS = 4 * 3600
"""How long a lease is valid without renewal. It is renewed before a change, when half of the time is over."""


class HostLease:
    """Take it before a change, release it at the end."""

    def __init__(self, session: PsrpSession, clock: Clock, run_id: str, owner: str) -> None:
        self._session = session
        self._clock = clock
        self._run = run_id
        self._owner = owner
        self._drive = ""
        self._taken = 0.0
        self._generation = 0
        self._asked = False
        """Whether the host may have given it to us: a reply can be lost."""
        self._lost = False
        """Whether the fence reported that we do not hold it any more."""
        self.changing = False
        """Whether it is being taken or renewed now: its generation on the host may differ from ours."""

    @property
    def generation(self) -> int:
        """The number of this lease; 0 before it is taken."""
        return self._generation

    @property
    def drive(self) -> str:
        """The letter of the drive it is on; empty before it is taken."""
        return self._drive

    @property
    def owner(self) -> str:
        """The process that holds it."""
        return self._owner

    def take(self, at_least: int = 0) -> int:
        """Take or renew it; return the generation.

        Raises:
            LimitError: another run holds it. UsageError: others have access to the work folder on the host.

        """
        fresh = self._clock.monotonic() - self._taken < SECONDS / 2 and not self._lost
        if self._generation and self._generation >= at_least and fresh:
            return self._generation
        if not self._drive:
            (system,) = self._session.ask("Get-WmiObject", Class="Win32_OperatingSystem", Property=["SystemDrive"])
            self._drive = str(system["SystemDrive"])[0].upper()
        if self._lost:
            self._refuse_other_process()
        self._asked = self.changing = True
        try:
            (row,) = self._session.raw(
                "Enter-SkLease",
                Drive=self._drive,
                Run=self._run,
                Owner=self._owner,
                Seconds=SECONDS,
                AtLeast=max(at_least, self._generation),
            )
            self._generation = int(row["Generation"])
        except RemoteError as error:
            raise self._explain(error) from None
        finally:
            self.changing = False
        self._taken = self._clock.monotonic()
        self._lost = False
        self._session.use_fence(self._fence, self._renew)
        return self._generation

    def give_back(self) -> None:
        """Release it, if it was taken. Safe to call twice, so it is tried again after a lost connection."""
        if not self._asked:
            return
        for attempt in range(1, GIVE_BACK_ATTEMPTS + 1):
            try:
                self._session.raw("Exit-SkLease", Drive=self._drive, Run=self._run, Owner=self._owner)
                break
            except UnreachableError:
                if attempt == GIVE_BACK_ATTEMPTS:
                    raise
        self._generation = 0
        self._asked = self._lost = False
        self._session.drop_fence()

    def _renew(self) -> bool:
        """Renew the lease after the fence refused, if the host still notes it as ours and it has only expired (the clock was set).

        Otherwise another run may have changed the host, and the planned change must not be made.
        """
        self._lost = True
        before = self._generation
        rows = self._session.ask("Read-SkLease", Drive=self._drive)
        ours = (self._run, self._owner, before)
        if [(row["Run"], row["Owner"], int(row["Generation"])) for row in rows] != [ours]:
            return False
        return self.take() == before

    def _refuse_other_process(self) -> None:
        """Refuse to continue a run that another process has taken over, even to undo it."""
        for row in self._session.ask("Read-SkLease", Drive=self._drive):
            if row["Run"] == self._run and row["Owner"] != self._owner:
                raise LimitError(f"another process has taken over run {self._run}: {row['Owner']}")

    def _fence(self) -> Call:
        return Call(
            "Assert-SkLease",
            {
                "Drive": self._drive,
                "Run": self._run,
                "Owner": self._owner,
                "Generation": self._generation,
                "ErrorAction": "Stop",
            },
        )

    def _explain(self, error: RemoteError) -> Exception:
        word = error.record.short_id if error.record else ""
        if word == "SkLeaseHeld":
            return LimitError(
                f"another run holds the lease of {error.host}: {error.record.message if error.record else ''}",
                host=error.host,
            )
        if word == "SkLeaseBusy":
            return BusyError(f"Enter-SkLease: {error.record.message if error.record else ''}", host=error.host)
        if error.record and "SkFolderOpenToOthers" in (word, error.record.message):
            return UsageError(
                f"the work folder {self._drive}:\\sitekeeper allows access to others than SYSTEM and Administrators, or has another owner",
                host=error.host,
                hint="delete it; or remove the other permissions (icacls with inheritance off) and make Administrators the owner: "
                "icacls /setowner *S-1-5-32-544",
            )
        return error
