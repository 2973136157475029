"""Calls to the management servers of Operations Manager: one session each, closed as soon as possible.

No lease is taken there: two sites must not wait for each other on the server that monitors both. Each change is sent directly
after the site's fence allowed it, with a time of the server's own clock after which the server must not act any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sitekeeper.engine.errors import RemoteError, UnreachableError, UsageError
from sitekeeper.engine.session import Context, Session
from sitekeeper.site.monitoring.declaration import MonitoredComputer

ACT_WITHIN = timedelta(seconds=60)
"""If the request arrives later, the server does nothing: we were suspended meanwhile and may not hold the site any more."""
ATTEMPTS = 3
Row = dict[str, Any]
"""What Get-SkMaintenance returns for a computer."""


class LateError(RemoteError):
    """The request reached the server too late, and it did nothing: this process was delayed after the site's fence allowed it."""


def by_server(targets: Sequence[MonitoredComputer]) -> Iterator[tuple[str, str, list[MonitoredComputer]]]:
    """(server, kind, targets) of each management server."""
    groups: dict[tuple[str, str], list[MonitoredComputer]] = {}
    for one in targets:
        if one.how.management_server:
            groups.setdefault((one.how.management_server, one.how.kind), []).append(one)
    for (server, kind), members in groups.items():
        yield server, kind, members


def ask(ctx: Context, targets: Sequence[MonitoredComputer]) -> list[Row]:
    """Ask for the state of the targets that have a management server."""
    rows: list[Row] = []
    for server, kind, members in by_server(targets):
        computers = [one.computer for one in members]
        answer = _session(ctx, server).call("Get-SkMaintenance", Kind=kind, Computer=computers)
        rows += _for_each(server, computers, answer)
    return rows


def begin(
    ctx: Context, server: str, kind: str, targets: Sequence[MonitoredComputer], minutes: int, comment: str, run: str
) -> list[Row]:
    """Start maintenance mode; return the state afterwards.

    Raises:
        LimitError: the lease of the site is lost; nothing was changed.

    """
    arguments = {"Minutes": minutes, "Comment": comment, "Run": run}
    return _change(ctx, server, kind, targets, "Start-SkMaintenance", arguments)


def end(ctx: Context, server: str, kind: str, targets: Sequence[MonitoredComputer], run: str) -> list[Row]:
    """End the maintenance modes of a run; return the state afterwards. Safe to repeat, so it is tried again after a lost connection."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _change(ctx, server, kind, targets, "Stop-SkMaintenance", {"Run": run})
        except (UnreachableError, LateError):
            continue
    return _change(ctx, server, kind, targets, "Stop-SkMaintenance", {"Run": run})


def end_sessions(ctx: Context, targets: Sequence[MonitoredComputer]) -> None:
    """Close the sessions: a server allows only a few per user (five, before Windows Server 2012)."""
    for server, _, _ in by_server(targets):
        _session(ctx, server).close()


def _change(
    ctx: Context, server: str, kind: str, targets: Sequence[MonitoredComputer], command: str, arguments: Row
) -> list[Row]:
    session = _session(ctx, server)
    computers = [one.computer for one in targets]
    try:
        before = _for_each(server, computers, session.call("Get-SkMaintenance", Kind=kind, Computer=computers))
        latest = f"{datetime.fromisoformat(before[0]['Now']) + ACT_WITHIN:%Y-%m-%dT%H:%M:%S.%fZ}"
        asked = {"Kind": kind, "Computer": computers, "NotAfter": latest, **arguments}
        return _for_each(server, computers, session.change_beside(ctx.ps, command, **asked))
    except RemoteError as error:
        if error.record is not None and error.record.short_id == "SkTooLate":
            text = f"the request reached {server} too late, and it did nothing: sitekeeper was delayed for {ACT_WITHIN.seconds} s or more"
            raise LateError(text, record=error.record, host=server) from None
        raise
    finally:
        session.close()


def _session(ctx: Context, server: str) -> Session:
    try:
        return ctx.of(server).ps
    except KeyError:
        raise UsageError(f"management_server {server} is not in the inventory") from None


def _for_each(server: str, computers: list[str], rows: list[Any]) -> list[Row]:
    if [row["Computer"] for row in rows] != computers:
        raise RemoteError(f"{server} did not return a state for each of {', '.join(computers)}", host=server)
    return rows
