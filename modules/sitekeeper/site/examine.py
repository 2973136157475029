"""Asks a set, and the database that was brought up from it, whether they are the site that they say. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from sitekeeper.engine.errors import Failed, IntegrityError, SqlError, UnreachableError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Check, Plan, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration
from sitekeeper.model.sql import AttachedDatabase
from sitekeeper.model.store import ExtractedSet
from sitekeeper.model.windows import PushedFiles
from sitekeeper.site.examination import age_questions, database_questions, file_questions
from sitekeeper.site.examination.examined_set import ExaminedSet

QUESTIONS: tuple[Callable[[ExaminedSet], Iterator[Check]], ...] = (
    file_questions.window,
    file_questions.layout,
    database_questions.questions,
    database_questions.counts,
    database_questions.instant,
    database_questions.collation,
    file_questions.registry,
    file_questions.control_file,
    file_questions.identity,
    file_questions.cd_latest,
    age_questions.age,
)


OF_THE_DATABASE = frozenset(
    {database_questions.questions, database_questions.counts, database_questions.instant, database_questions.collation}
)


class ExamineParams(Params):
    """Which set, and where its database was brought up."""

    set: ExtractedSet
    """The set."""
    database: AttachedDatabase | None = None
    """The database, attached or restored from it; None for a set that has none."""
    pushed: PushedFiles | None = None
    """How its files got there: with it the time of a whole restore is predicted."""
    on: str | None = None
    """The inventory host of that server; the play's own when left out."""
    oldest: Duration | None = None
    """How old the set may be."""
    files_only: bool = False
    """Ask nothing of the database: before it can be brought up."""


class Examination(Result):
    """Every question and its answer."""

    checks: tuple[Check, ...] = ()
    set: str = ""
    source: Literal["", "files", "backup"] = ""
    """What its database was brought up from."""
    age_hours: float = 0.0
    restore_seconds: float | None = None
    """What bringing up the database took, from the first byte that was sent."""
    rate: float | None = None
    """Bytes a second of that."""
    predicted_seconds: float | None = None
    """For all of the set at that rate."""

    def summary(self) -> dict[str, Any]:
        return {
            "set": self.set,
            "from": self.source,
            "age_hours": self.age_hours,
            "restore_seconds": self.restore_seconds,
            "mib_per_second": None if self.rate is None else round(self.rate / 2**20, 1),
            "predicted_seconds_of_all": self.predicted_seconds,
        }


class Examine(Module[ExamineParams, None, Examination]):
    """Example::

    - site.examine: {set: "{{ got }}", database: "{{ made }}", pushed: "{{ pushed }}", on: "{{ scratch }}", oldest: 2d}
    """

    on_host = False

    def plan(self, ctx: Context, params: ExamineParams) -> Plan[None, Examination]:
        made, got = params.database, params.set
        there = ctx if params.on in {None, ctx.host} else ctx.of(str(params.on))
        asked = ExaminedSet(
            got=got,
            session=None if made is None else there.sql(there.host, "master", made.instance),
            database=None if made is None else made.name,
            now=ctx.clock.now(),
            oldest=params.oldest,
            later=made is not None and made.source == "backup",
        )
        unanswered: list[Check] = []
        checks = tuple(
            check
            for ask in QUESTIONS
            if not (params.files_only and ask in OF_THE_DATABASE)
            for check in _ask(ask, asked, unanswered)
        )
        failed = [one for one in checks if one.status == "failed"]
        if failed:
            # A set that is merely old is no bad one: that is what the playbook asked for.
            kind = Failed if all(one.name == "age" for one in failed) else IntegrityError
            refused = kind(
                f"{got.id} would not make a good restore: " + "; ".join(f"{one.name}: {one.said}" for one in failed),
                hint=" ".join(one.consequence for one in failed),
            )
            refused.checks = checks
            if kind is IntegrityError and any(one not in unanswered for one in failed):
                refused.blames = "set"
            raise refused
        seconds = None if made is None else made.seconds + (params.pushed.seconds if params.pushed else 0.0)
        rate = made.bytes / seconds if made is not None and seconds else None
        predicted = got.bytes / rate if rate else None
        warned = "".join(f"; warning: {one.name}: {one.said}" for one in checks if one.status == "warning")
        timed = (
            ""
            if seconds is None or rate is None
            else (
                f"; database up in {seconds:.1f} s ({rate / 2**20:.1f} MiB/s), all of it in about {predicted or 0:.0f} s"
            )
        )
        return Plan(
            result=Examination(
                checks=checks,
                set=got.id,
                source="" if made is None else made.source,
                age_hours=round((asked.now - asked.taken).total_seconds() / 3600, 2),
                restore_seconds=None if seconds is None else round(seconds, 3),
                rate=rate,
                predicted_seconds=None if predicted is None else round(predicted, 1),
                msg=f"{got.id}: {len(checks)} questions answered well{timed}{warned}",
            )
        )


def _ask(ask: Callable[[ExaminedSet], Iterator[Check]], asked: ExaminedSet, unanswered: list[Check]) -> list[Check]:
    """One question; one that cannot even be asked has failed, and keeps none of the others.

    Where no server answered (its connection ended, a file could not be read) the set may be sound: it is ``unanswered``.
    """
    try:
        return list(ask(asked))
    except UnreachableError:
        raise
    except (SqlError, OSError) as error:
        failed = Check(
            name=ask.__name__.replace("_", " "),
            status="failed",
            said=f"cannot be asked: {error}",
            consequence="Nothing is known of it.",
        )
        if not (isinstance(error, SqlError) and error.number > 0):
            unanswered.append(failed)
        return [failed]
