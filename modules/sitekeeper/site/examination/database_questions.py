"""Questions that a set's database answers, once it is brought up: ConfigMgr's own views, and what SQL Server says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sitekeeper.engine.plan import Check
from sitekeeper.site.examination.examined_set import SKEW, ExaminedSet
from sitekeeper.site.learning.build import build_of
from sitekeeper.sql.server import queries

SILENCE = timedelta(days=1)
"""How long before the backup a site may have written its last status message: components report several times an hour."""


def questions(asked: ExaminedSet) -> Iterator[Check]:
    """What ConfigMgr's own views answer in the restored database."""
    if asked.session is None or asked.database is None:
        if asked.got.database is not None:
            yield Check(
                name="site code",
                status="failed",
                said="the database was not brought up, so it could not be asked",
                consequence="Nothing is known of what is in it.",
            )
        return
    rows = asked.session.query(queries.site_rows(asked.database))
    codes = {str(row["SiteCode"]).upper(): row for row in rows}
    mine = codes.get(asked.got.site)
    if mine is None:
        yield Check(
            name="site code",
            status="failed",
            said=f"the database knows {', '.join(sorted(codes)) or 'no site'}, not {asked.got.site}",
            consequence="It is the database of another site: recovered, it would bring up a site that nobody expects here.",
        )
        return
    parent = str(mine["ReportingSiteCode"] or "").upper() or None
    if parent != asked.got.parent:
        yield Check(
            name="site code",
            status="failed",
            said=f"its parent is {parent or 'none'}, the set says {asked.got.parent or 'none'}",
            consequence="The database is of another time or another site: the hierarchy would not take it back.",
        )
    else:
        yield Check(name="site code", status="ok", said=f"{asked.got.site}, parent {parent or 'none'}")
    yield _version(asked, str(mine["Version"]))


def _version(asked: ExaminedSet, version: str) -> Check:
    if build_of(version) != build_of(asked.got.version):
        return Check(
            name="version",
            status="failed",
            said=f"the database is of {version}, the files are of {asked.got.version}",
            consequence="Setup recovers a database only with the build that it belongs to.",
        )
    return Check(name="version", status="ok", said=version)


def counts(asked: ExaminedSet) -> Iterator[Check]:
    """Rows of the tables that were counted: inside the window, where the set's database is of it too."""
    if asked.session is None or asked.database is None:
        return
    known = asked.got.row_counts
    if not known:
        yield Check(
            name="row counts",
            status="warning",
            said="none were counted when the set was made",
            consequence="That the database is complete is known from CHECKDB alone.",
            hint="count_tables in the inventory",
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
            consequence="It is not the database that was counted: of another night, or not whole.",
        )
    else:
        yield Check(
            name="row counts", status="ok", said=", ".join(f"{name} {number}" for name, number in sorted(known.items()))
        )


def _of_two_moments(asked: ExaminedSet) -> str:
    """Why a difference means nothing bad, where the site was running between the counting and what was counted."""
    if asked.later:
        return "The backup was written after the window, in which rows were counted: the running site may have written these."
    if asked.got.kind == "task":
        return "Rows were counted when the task had copied the database and the site was running again: it may have written these."
    return ""


def instant(asked: ExaminedSet) -> Iterator[Check]:
    """A living site writes status messages all the time: there must be one of its own of shortly before the backup.

    Where there is none, the database is of another time: only a clock that was a day wrong could feign that, and the clock
    was looked at when the set was made. A message from after the set proves less. It is of a newer database, or of an hour
    in which the server's clock was ahead, and then it stays in every set for weeks: it is told, and is no fault of the set.
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
            said=f"the database has no status messages of {server} itself",
            consequence="That it is of the night that the set names is not proved.",
        )
        return
    skew = timedelta(seconds=asked.got.machine.clock_skew)
    until = asked.taken + skew + SKEW
    late = not asked.later and newest > until
    last: datetime | None = newest
    if late:
        text = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        last = _moment(asked.session.query(queries.last_message_until(asked.database), *own, text))
    said = f"the newest status message of {server} is of {newest:%Y-%m-%d %H:%M} UTC, the set of {asked.taken:%Y-%m-%d %H:%M}"
    if last is None or last - skew < asked.taken - SILENCE:
        yield Check(
            name="instant",
            status="failed",
            said=f"{said}; of the day before the set there is none",
            consequence=f"The database is {'newer' if last is None else 'older'} than the set says: not of one instant with its files.",
        )
    elif late:
        yield Check(
            name="instant",
            status="warning",
            said=said,
            consequence="Either the clock of that server was ahead when it wrote this, or the database is newer than its files.",
            hint="was its clock set back since?",
        )
    else:
        yield Check(name="instant", status="ok", said=said)


def _moment(rows: Sequence[Mapping[str, object]]) -> datetime | None:
    """The time in the one row that was asked for."""
    last = rows[0]["last"]
    return last.replace(tzinfo=UTC) if isinstance(last, datetime) else None


def collation(asked: ExaminedSet) -> Iterator[Check]:
    """The database sorts as it did: it is part of its files, so another one means other files."""
    if asked.session is None or asked.database is None or asked.got.database is None:
        return
    (row,) = asked.session.query(queries.DATABASE, asked.database)
    known = asked.got.database.collation
    if str(row["collation"]) != known:
        yield Check(
            name="collation",
            status="failed",
            said=f"{row['collation']}, the set says {known}",
            consequence="ConfigMgr's queries fail on a database of another collation.",
        )
    else:
        yield Check(name="collation", status="ok", said=known)
