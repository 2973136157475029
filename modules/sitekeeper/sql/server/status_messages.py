"""Status messages of a site's own backup task, read from its database. Valid from SQL Server 2005 on.

``v_StatusMessage`` with RecordID, Time, MessageID and SiteCode is what published checks of the task select (cmhealth,
Test-CmSiteLastBackup); that RecordID grows within a site and Time is UTC is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

from sitekeeper.engine.session import Context
from sitekeeper.sql.server.site_database import read_over

NEWEST = """
SELECT MAX(m.RecordID) AS record
FROM v_StatusMessage AS m
WHERE m.SiteCode = ?
"""
SINCE = """
SELECT m.RecordID AS record, m.Time AS at, m.MessageID AS message
FROM v_StatusMessage AS m
WHERE m.SiteCode = ? AND m.RecordID > ? AND m.MessageID >= 5000 AND m.MessageID < 5100
ORDER BY m.RecordID
"""


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """One message: its place in the order, its time as text, its number."""

    record: int
    at: str
    message: int


def newest(ctx: Context, server: str, database: str, instance: str, site: str) -> int:
    """RecordID of the newest message of a site; 0 without one."""
    rows = read_over(lambda: ctx.sql(server, database, instance), lambda session: session.query(NEWEST, site))
    return int(str(rows[0]["record"] or 0))


def since(ctx: Context, server: str, database: str, instance: str, site: str, record: int) -> list[StatusMessage]:
    """The backup task's messages of a site after a RecordID."""
    rows = read_over(lambda: ctx.sql(server, database, instance), lambda session: session.query(SINCE, site, record))
    return [StatusMessage(int(str(row["record"])), str(row["at"]), int(str(row["message"]))) for row in rows]
