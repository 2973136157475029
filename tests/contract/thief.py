"""Another run that takes a host's lease from ours, between our taking it and the change, as it could once ours had run out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from tests.contract.seen import Standing, behind_the_fence, changed, standing

from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import find
from sitekeeper.transport.lease import HostLease
from sitekeeper.transport.psrp.session import PsrpSession
from sitekeeper_lab.server import Lab

LEASE = r"C:\sitekeeper\lease.txt"
_STATEMENTS = re.compile(r"\s*(?:CREATE|RESTORE|BACKUP|DBCC|ALTER|DROP|EXEC)\b", re.IGNORECASE)
"""T-SQL that changes something, or takes the server's time."""


@dataclass
class Theft:
    """That the lease was taken, and what was still changed afterwards."""

    ours: int = 0
    """The generation that our run held."""
    run: str = ""
    host: str = ""
    theirs: int = 0
    since: int = 0
    """The audit's line at which the other run had it."""
    changes: list[str] = field(default_factory=list)
    """What happened on the hosts after that."""
    ran: list[str] = field(default_factory=list)
    """What the lab's own engine ran behind a fence after that."""
    taken_back: int = -1
    """How `sitekeeper rollback` ended once the other run had."""
    _stood: Standing = field(default_factory=dict)
    _other: HostLease | None = None
    _session: PsrpSession | None = None

    def take(self, lab: Lab, there: Any) -> None:
        """Our lease has run out, by the host's clock; another run takes it, over a session of its own."""
        self.host = there.host
        file = lab.host(there.host).files.resolve(LEASE)
        self.run, owner, generation, _ = file.read_bytes().decode().split("\r\n")
        file.write_bytes(f"{self.run}\r\n{owner}\r\n{generation}\r\n2000-01-01T00:00:00.0000000Z".encode())
        self._session = PsrpSession(there.ps.target, there.clock)
        self._other = HostLease(self._session, there.clock, "another-run", "another process")
        self.ours, self.theirs = int(generation), self._other.take()
        self._stood, self.since = standing(lab), len(lab.audit_lines(0))

    def over(self, lab: Lab) -> None:
        """Our run has ended: look what it still did, and let the other run end, too."""
        lines = lab.audit_lines(self.since)
        own = rf"{LEASE.rpartition(chr(92))[0]}\{self.run}"  # a run drops its own empty folder when it ends
        self.changes = [
            f"{one['kind']} {one['what']}" for one in lines if one["event"] == "change" and one["what"] != own
        ]
        self.changes += [
            str(one["text"]) for one in lines if one["event"] == "sql" and _STATEMENTS.match(str(one["text"]))
        ]
        left = changed(self._stood, standing(lab), self.run)
        self.changes += [one for one in left if not one.endswith(r" C:\sitekeeper\<run>: there -> gone")]
        self.ran = behind_the_fence(lines, self.host)
        if self._other is not None and self._session is not None:
            self._other.give_back()
            self._session.close()


@contextlib.contextmanager
def taking_the_lease(lab: Lab, module: str) -> Iterator[Theft]:
    """Another run takes the lease when a module is about to make its change."""
    found, theft = find(module), Theft()
    apply = found.apply

    def stolen(self: Any, ctx: Any, params: Any, plan: Any) -> Any:
        theft.take(lab, choose_context(ctx, plan.intent))
        return apply(self, ctx, params, plan)

    with patch.object(found, "apply", stolen):
        yield theft
