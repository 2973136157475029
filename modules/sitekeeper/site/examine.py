"""Checks whether a set, and the database brought up from it, are the site that the set names. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from sitekeeper.engine.checks import build_refusal, find_failed, show_warnings
from sitekeeper.engine.errors import Failed, IntegrityError, SqlError, UnreachableError
from sitekeeper.engine.figures import show_duration
from sitekeeper.engine.holding.leases import choose_context
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
    """Which set, and where its database is."""

    set: ExtractedSet
    """The set."""
    database: AttachedDatabase | None = None
    """The database, attached or restored from it; None for a set without one."""
    pushed: PushedFiles | None = None
    """The copied files: with them the time of a complete restore is predicted."""
    on: str | None = None
    """The inventory host of that server; default: the play's own."""
    oldest: Duration | None = None
    """The maximum age of the set."""
    files_only: bool = False
    """Check the files only: before the database can be brought up."""


class Examination(Result):
    """Every check and its result."""

    checks: tuple[Check, ...] = ()
    set: str = ""
    source: Literal["", "files", "backup"] = ""
    """The source of its database."""
    age_hours: float = 0.0
    restore_seconds: float | None = None
    """The time to bring up the database, from the first byte that was sent."""
    rate: float | None = None
    """Bytes a second of that."""
    predicted_seconds: float | None = None
    """For the complete set at that rate."""

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
        there = choose_context(ctx, params)
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
        failed = find_failed(checks)
        if failed:
            # A set that is only old is not a bad set: the playbook sets the limit.
            kind = Failed if all(one.name == "age" for one in failed) else IntegrityError
            refused = build_refusal(
                kind, f"{got.id} is not fit for a restore", checks, hint=" ".join(one.consequence for one in failed)
            )
            if kind is IntegrityError and any(one not in unanswered for one in failed):
                refused.blames = "set"
            raise refused
        seconds = None if made is None else made.seconds + (params.pushed.seconds if params.pushed else 0.0)
        rate = made.bytes / seconds if made is not None and seconds else None
        predicted = got.bytes / rate if rate else None
        passed = sum(one.status == "ok" for one in checks)
        warned = show_warnings(checks)
        timed = (
            ""
            if seconds is None or rate is None
            else (
                f"; database online in {show_duration(seconds)} ({rate / 2**20:.1f} MiB/s), a complete restore takes about "
                f"{show_duration(max(1, round(predicted or 0)))}"
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
                predicted_seconds=None if predicted is None else round(predicted, 3),
                msg=f"{got.id}: {passed} checks passed{timed}{warned}",
            )
        )


def _ask(ask: Callable[[ExaminedSet], Iterator[Check]], asked: ExaminedSet, unanswered: list[Check]) -> list[Check]:
    """Run one check. If it cannot run it has failed; the others run all the same.

    If no server responded (the connection ended, a file could not be read) the set may be good: it is ``unanswered``.
    """
    try:
        return list(ask(asked))
    except UnreachableError:
        raise
    except (SqlError, OSError) as error:
        failed = Check(
            name=ask.__name__.replace("_", " "),
            status="failed",
            said=f"could not be checked: {error}",
            consequence="Nothing is known about it.",
        )
        if not (isinstance(error, SqlError) and error.number > 0):
            unanswered.append(failed)
        return [failed]
