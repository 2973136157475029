"""The lease of a host: a file on the host that says which run may change it, and until when by the host's own clock.

Kept on the system drive, so that it can be taken before anything is known of the site.
"""

from __future__ import annotations

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import LimitError, RemoteError, UsageError
from sitekeeper.engine.session import Call
from sitekeeper.transport.psrp.session import PsrpSession

SECONDS = 4 * 3600
"""How long a lease holds when it is not renewed. Renewed when half of it is over and something is changed."""


class HostLease:
    """Take before a change, give back at the very end."""

    def __init__(self, session: PsrpSession, clock: Clock, run_id: str, owner: str) -> None:
        self._session = session
        self._clock = clock
        self._run = run_id
        self._owner = owner
        self._drive = ""
        self._taken = 0.0
        self._generation = 0

    @property
    def generation(self) -> int:
        """The number of this lease; 0 before it is taken."""
        return self._generation

    def take(self, at_least: int = 0) -> int:
        """Take or renew it; answers the generation.

        Raises:
            LimitError: another run holds it. UsageError: the work folder on the host is open to others.

        """
        fresh = self._clock.monotonic() - self._taken < SECONDS / 2
        if self._generation and self._generation >= at_least and fresh:
            return self._generation
        if not self._drive:
            (system,) = self._session.raw("Get-WmiObject", Class="Win32_OperatingSystem", Property=["SystemDrive"])
            self._drive = str(system["SystemDrive"])[0].upper()
        try:
            (row,) = self._session.raw(
                "Enter-SkLease", Drive=self._drive, Run=self._run, Owner=self._owner, Seconds=SECONDS,
                AtLeast=max(at_least, self._generation),
            )  # fmt: skip
        except RemoteError as error:
            raise self._explained(error) from None
        self._taken = self._clock.monotonic()
        self._generation = int(row["Generation"])
        self._session.fence = self._fence
        return self._generation

    def give_back(self) -> None:
        """Release it; without one nothing happens."""
        if self._generation:
            self._session.raw("Exit-SkLease", Drive=self._drive, Run=self._run, Owner=self._owner)
            self._generation = 0
            self._session.fence = None

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

    def _explained(self, error: RemoteError) -> Exception:
        word = error.record.short_id if error.record else ""
        if word == "SkLeaseHeld":
            return LimitError(
                f"another run holds this host: {error.record.message if error.record else ''}", host=error.host
            )
        if error.record and "SkFolderOpenToOthers" in (word, error.record.message):
            return UsageError(
                f"the work folder {self._drive}:\\sitekeeper is open to others than SYSTEM and Administrators", host=error.host,
                hint="delete it, or close it: icacls with inheritance off",
            )  # fmt: skip
        return error
