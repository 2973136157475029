"""Whether a site of 2007 that is installed was installed anew after a set was taken, or is one that lives: by its database.

A site installed anew has a database that was created after the set, and in it no status message of its own from before. One
that lives has a database that is older than the set; or, where it was recovered once already, a younger one with messages
that are older than itself. Only the site server's own count: what child sites and clients had still to send when the site
was lost reaches the new one, with the times of then. A living site that was installed anew, too, and only after this set, is
not told apart: its newest set is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sitekeeper.engine.errors import SqlError
from sitekeeper.sql.server import queries
from sitekeeper.transport.sql.session import SqlSession

QUARTER = 15 * 60
"""Seconds: zones differ from UTC by whole quarters of an hour."""
SUMMER_TIME = timedelta(hours=1)
"""How far a local time of the past may be off when it is read with the zone of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAge:
    """How old the database of the site that is installed is; times in UTC, by our own clock."""

    created: datetime | None = None
    oldest: datetime | None = None
    """The oldest status message that the site server itself wrote."""
    problem: str = ""
    """Why it cannot be told."""


def read_database_age(session: SqlSession, name: str, site: str, server: str, now: datetime) -> DatabaseAge:
    """Ask its SQL Server about the database of a site on a site server."""
    try:
        rows = session.query(queries.CREATED, name)
        if not rows:
            return DatabaseAge(problem=f"there is no database {name}, or the login may not see it")
        (message,) = session.query(queries.first_message(name), *queries.own_messages(site, server))
        (all_of_them,) = session.query(queries.messages(name))
    except SqlError as error:
        return DatabaseAge(problem=error.message)
    local, utc, created, oldest = (*(rows[0][key] for key in ("local", "utc", "created")), message["first"])
    if not (isinstance(local, datetime) and isinstance(utc, datetime) and isinstance(created, datetime)):
        return DatabaseAge(problem=f"the server does not say when {name} was created")
    if oldest is None and all_of_them["number"]:
        return DatabaseAge(problem=f"{name} has status messages, but none that is known to be of {server} itself")
    east = timedelta(seconds=round((local - utc).total_seconds() / QUARTER) * QUARTER)
    ahead = utc.replace(tzinfo=UTC) - now
    return DatabaseAge(
        created=created.replace(tzinfo=UTC) - east - ahead,
        oldest=oldest.replace(tzinfo=UTC) - ahead if isinstance(oldest, datetime) else None,
    )


def why_not_anew(found: DatabaseAge, taken: datetime) -> str:
    """Why the site cannot be taken for one that was installed anew after a set was taken; empty where it can."""
    if found.problem or found.created is None:
        return f"cannot be told from a living site: {found.problem}"
    if found.created <= taken:
        return f"its database was created at {found.created:%Y-%m-%d %H:%M} UTC, before the set was taken"
    if found.oldest is not None and found.oldest <= taken:
        return f"its database has a status message of {found.oldest:%Y-%m-%d %H:%M} UTC, from before the set was taken"
    if found.oldest is not None and found.oldest < found.created - SUMMER_TIME:
        return (
            f"its database, created at {found.created:%Y-%m-%d %H:%M} UTC, has a status message of {found.oldest:%Y-%m-%d %H:%M} UTC: "
            "it was restored from a backup"
        )
    return ""
