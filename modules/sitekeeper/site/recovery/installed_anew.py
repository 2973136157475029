"""Finds out from its database whether an installed 2007 site is a new installation made after a set, or a site in use.

A new installation has a database that was created after the set, without own status messages from before. A site in use has
a database that is older than the set; or, if it was recovered once already, a newer one with messages that are older than
the database. Only messages of the site server itself count: what child sites and clients had not sent yet when the site was
lost reaches the new one with the old times. A site in use that was itself newly installed after this set cannot be
distinguished; with its newest set it can.
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
"""Possible error of an old local time that is read with the current time zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAge:
    """The age of the installed site's database; times in UTC, by our own clock."""

    created: datetime | None = None
    oldest: datetime | None = None
    """The oldest status message of the site server itself."""
    problem: str = ""
    """Why the age is not known."""


def read_database_age(session: SqlSession, name: str, site: str, server: str, now: datetime) -> DatabaseAge:
    """Ask its SQL Server about the database of a site on a site server."""
    try:
        rows = session.query(queries.CREATED, name)
        if not rows:
            return DatabaseAge(problem=f"database {name} does not exist, or the login cannot see it")
        (message,) = session.query(queries.first_message(name), *queries.own_messages(site, server))
        (all_of_them,) = session.query(queries.messages(name))
    except SqlError as error:
        return DatabaseAge(problem=error.message)
    local, utc, created, oldest = (*(rows[0][key] for key in ("local", "utc", "created")), message["first"])
    if not (isinstance(local, datetime) and isinstance(utc, datetime) and isinstance(created, datetime)):
        return DatabaseAge(problem=f"the server did not return when {name} was created")
    if oldest is None and all_of_them["number"]:
        return DatabaseAge(problem=f"{name} has status messages, but none of {server} itself")
    east = timedelta(seconds=round((local - utc).total_seconds() / QUARTER) * QUARTER)
    ahead = utc.replace(tzinfo=UTC) - now
    return DatabaseAge(
        created=created.replace(tzinfo=UTC) - east - ahead,
        oldest=oldest.replace(tzinfo=UTC) - ahead if isinstance(oldest, datetime) else None,
    )


def why_not_anew(found: DatabaseAge, taken: datetime) -> str:
    """Why the site does not count as newly installed after a set was taken; empty if it does."""
    if found.problem or found.created is None:
        return f"it could be a site in use: {found.problem}"
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
