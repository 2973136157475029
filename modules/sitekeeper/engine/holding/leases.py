"""The leases of one host's play: that of its own host, and those of other hosts that its changes are made on.

A drill of a site works on a scratch SQL Server and never asks the site's server, which may be gone: so nothing here, and
nothing that takes a run up, contacts a host of which no lease was ever taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from sitekeeper.engine.errors import RunInterruptedError, SitekeeperError
from sitekeeper.engine.holding import busy
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import LeaseTaken
from sitekeeper.engine.session import Context


def choose_context(ctx: Context, subject: Any) -> Context:
    """Where a change is made: a module that works elsewhere says so by ``on`` in its parameters and its intent."""
    host = getattr(subject, "on", None)
    return ctx if host in {None, ctx.host} else ctx.of(str(host))


class Leases:
    """Taken before the first change on a host, given back at the play's end."""

    def __init__(self, ctx: Context, journal: Journal) -> None:
        self._ctx = ctx
        self._journal = journal
        self._hosts: dict[str, Context] = {}

    def take(self, there: Context) -> None:
        """Take or renew the lease of a host; written down first, so that whoever takes the run up knows of it.

        Raises:
            LimitError: another run holds it.

        """
        if there.host not in self._hosts:
            self._journal.commit(LeaseTaken(there.host), host=self._ctx.host)
            self._hosts[there.host] = there
        there.lease.take()

    def adopt(self, hosts: Iterable[str]) -> None:
        """Take those that an earlier process of this run had, also where what it had begun is still at work."""
        until = self._ctx.clock.monotonic() + busy.SECONDS
        for host in sorted(hosts):
            self._hosts[host] = self._ctx.of(host)
            busy.wait_until_free(self._ctx.clock, until, partial(self._take_again, self._hosts[host]))

    def _take_again(self, there: Context) -> None:
        if self._ctx.stop.is_set():
            raise RunInterruptedError(f"stopped by the operator before {there.host} was taken up")
        there.lease.take()

    def generation(self, there: Context) -> int:
        """The number of a host's lease; 0 where none was taken."""
        return there.lease.generation if there.host in self._hosts else 0

    def anew(self) -> None:
        """Every lease with a new generation: what the earlier process still sends is refused."""
        for there in self._hosts.values():
            there.lease.take(at_least=there.lease.generation + 1)

    def give_back(self) -> None:
        """Release all, the play's own last; what cannot be given back does not keep the others.

        Raises:
            SitekeeperError: one could not be given back: it runs out by itself.

        """
        elsewhere = [there for host, there in self._hosts.items() if host != self._ctx.host]
        errors: list[SitekeeperError] = []
        for there in (*elsewhere, self._ctx):
            try:
                there.lease.give_back()
            except SitekeeperError as error:
                errors.append(error.at(host=there.host))
        if errors:
            raise errors[0]

    def renew(self, there: Context) -> None:
        """Before something is taken back: renewed where it may have run out; without it the fence says no."""
        with suppress(SitekeeperError):
            self.take(there)
