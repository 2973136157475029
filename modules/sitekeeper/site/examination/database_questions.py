"""Checks of a set's database, once it is online: ConfigMgr's own views, and its properties in SQL Server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sitekeeper.engine.plan import Check
from sitekeeper.site.examination.examined_set import SKEW, ExaminedSet
from sitekeeper.site.learning.build import build_of
from sitekeeper.sql.server import queries

SILENCE = timedelta(days=1)
"""The last status message of a site may be this much older than the backup: components report several times an hour."""


def questions(asked: ExaminedSet) -> Iterator[Check]:
    """Check ConfigMgr's own views in the restored database."""
    if asked.session is None or asked.database is None:
        if asked.got.database is not None:
            yield Check(
                name="site code",
                status="failed",
                said="the database was not brought up, so it could not be checked",
                consequence="Nothing is known about its contents.",
            )
        return
    rows = asked.session.query(queries.site_rows(asked.database))
    codes = {str(row["SiteCode"]).upper(): row for row in rows}
    mine = codes.get(asked.got.site)
    if mine is None:
        yield Check(
            name="site code",
            status="failed",
            said=f"the database contains {', '.join(sorted(codes)) or 'no site'}, not {asked.got.site}",
            consequence="It is the database of another site: a recovery from it would bring up the wrong site.",
        )
        return
    parent = str(mine["ReportingSiteCode"] or "").upper() or None
    if parent != asked.got.parent:
        yield Check(
            name="site code",
            status="failed",
            said=f"its parent is {parent or 'none'}, in the set it is {asked.got.parent or 'none'}",
            consequence="The database is of another time or another site: the hierarchy would reject it.",
        )
    else:
        yield Check(name="site code", status="ok", said=f"{asked.got.site}, parent {parent or 'none'}")
    yield _version(asked, str(mine["Version"]))


def _version(asked: ExaminedSet, version: str) -> Check:
    if build_of(version) != build_of(asked.got.version):
        return Check(
            name="version",
            status="failed",
            said=f"the database has version {version}, the files have {asked.got.version}",
            consequence="Setup recovers a database only with its own build.",
        )
    return Check(name="version", status="ok", said=version)


def counts(asked: ExaminedSet) -> Iterator[Check]:
    """Compare the rows of the tables that were counted during the offline window."""
    if asked.session is None or asked.database is None:
        return
    known = asked.got.row_counts
    if not known:
        yield Check(
            name="row counts",
            status="warning",
            said="no rows were counted when the set was made",
            consequence="Only CHECKDB shows that the database is complete.",
            hint="set count_tables in the inventory",
        )
        return
    rows = asked.session.query(queries.row_counts(sorted(known), database=asked.database))
    now = {str(row["table_name"]): int(str(row["row_count"])) for row in rows}
    other = [f"{name}: {now[name]}, was {known[name]}" for name in sorted(known) if now[name] != known[name]]
    if other and (moments := _of_two_moments(asked)):
        yield Check(name="row counts", status="warning", said="; ".join(other), consequence=moments)
    elif other:
        yield Check(
            name="row counts",
            status="failed",
            said="; ".join(other),
            consequence="It is not the database that was counted: it is of another time, or incomplete.",
        )
    else:
        yield Check(
            name="row counts", status="ok", said=", ".join(f"{name} {number}" for name, number in sorted(known.items()))
        )


def _of_two_moments(asked: ExaminedSet) -> str:
    """Why a difference is no error, if the site was running between the count and the copy; otherwise empty."""
    if asked.later:
        return "The backup was written after the offline window, but rows were counted during it: the running site may have changed them."
    if asked.got.kind == "task":
        return "Rows were counted after the task had copied the database, when the site was running again: it may have changed them."
    return ""


def instant(asked: ExaminedSet) -> Iterator[Check]:
    """A running site writes status messages all the time: the database must have one from shortly before the backup.

    Without one, the database is of another time: only a clock that was wrong by a day could look the same, and the clock was
    checked when the set was made. A message from after the set proves less: the database is newer, or the server's clock was
    ahead for a time, and then the message stays in every set for weeks. This is a warning, not a fault of the set.
    """
    if asked.session is None or asked.database is None:
        return
    server = asked.got.machine.name
    own = queries.own_messages(asked.got.site, server)
    newest = _moment(asked.session.query(queries.last_message(asked.database), *own))
    if newest is None:
        yield Check(
            name="instant",
            status="warning",
            said=f"the database has no status messages of {server}",
            consequence="It is not proved that the database is from the time of the set.",
        )
        return
    skew = timedelta(seconds=asked.got.machine.clock_skew)
    until = asked.taken + skew + SKEW
    late = not asked.later and newest > until
    last: datetime | None = newest
    if late:
        text = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        last = _moment(asked.session.query(queries.last_message_until(asked.database), *own, text))
    said = f"the newest status message of {server} is of {newest:%Y-%m-%d %H:%M} UTC, the set is of {asked.taken:%Y-%m-%d %H:%M}"
    if last is None or last - skew < asked.taken - SILENCE:
        yield Check(
            name="instant",
            status="failed",
            said=f"{said}; there is no message from the day before the set",
            consequence=f"The database is {'newer' if last is None else 'older'} than its set: it does not match the files.",
        )
    elif late:
        yield Check(
            name="instant",
            status="warning",
            said=said,
            consequence="Either the clock of that server was ahead when it wrote the message, or the database is newer than its files.",
            hint="find out whether its clock was set back since then",
        )
    else:
        yield Check(name="instant", status="ok", said=said)


def _moment(rows: Sequence[Mapping[str, object]]) -> datetime | None:
    """The time in the single row of a result."""
    last = rows[0]["last"]
    return last.replace(tzinfo=UTC) if isinstance(last, datetime) else None


def collation(asked: ExaminedSet) -> Iterator[Check]:
    """The collation is the same: it is part of the files, so another collation means other files."""
    if asked.session is None or asked.database is None or asked.got.database is None:
        return
    (row,) = asked.session.query(queries.DATABASE, asked.database)
    known = asked.got.database.collation
    if str(row["collation"]) != known:
        yield Check(
            name="collation",
            status="failed",
            said=f"{row['collation']}, in the set it is {known}",
            consequence="ConfigMgr's queries fail on a database with another collation.",
        )
    else:
        yield Check(name="collation", status="ok", said=known)
