"""Reads every page of a database with DBCC CHECKDB: the only check that finds a page that was damaged before it was copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.figures import show_duration, show_rate
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Check, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import CheckdbResult, CheckError
from sitekeeper.sql.server import queries, statements
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server, measure_time

INFORMATION = 10
"""Rows up to this level are summaries and advice."""
SHOWN = 3
CONSEQUENCE = "The site's database was damaged, and so is the backup. A recovery from it loses the data on those pages."
ADVICE = "Run DBCC CHECKDB on the site's own server, and keep the last set without errors."


class CheckdbParams(Params):
    """Which database."""

    name: str
    """A database of that SQL Server."""
    on: str | None = None
    """The host; default: the play's own."""
    fail: bool = True
    """Whether an error fails the task. If not, check the errors in the result."""


class CheckdbIntent(Record):
    """Where it is, for the lease."""

    version: Literal[1] = 1
    on: str
    name: str


class Checkdb(Module[CheckdbParams, CheckdbIntent, CheckdbResult]):
    """Example::

    - sql.checkdb: {on: "{{ scratch }}", name: "{{ attached.name }}"}
      register: checked
    """

    needs = Needs(cmdlets=WRITE_OUTPUT, rights="sysadmin of the SQL Server")

    def plan(self, ctx: Context, params: CheckdbParams) -> Plan[CheckdbIntent, CheckdbResult]:
        there = choose_context(ctx, params)
        files = Server(there).ask(queries.FILES, params.name)
        size = sum(int(str(row["size_bytes"])) for row in files if row["type"] == "ROWS")
        return Plan(
            result=CheckdbResult(
                changed=False, msg=f"{params.name} would be checked", on=there.host, name=params.name, bytes=size
            ),
            changes=(Change(f"database {params.name} on {there.host}", "not checked", "DBCC CHECKDB"),),
            intent=CheckdbIntent(on=there.host, name=params.name),
        )

    def apply(self, ctx: Context, params: CheckdbParams, plan: Plan[CheckdbIntent, CheckdbResult]) -> CheckdbResult:
        server = Server(choose_context(ctx, plan.intent))
        sql = statements.checkdb(params.name)
        outcome, seconds = measure_time(
            server.there, lambda: server.run(server.session(), sql, text="CHECKDB", silent=True)
        )
        rows = [row for rowset in outcome.rowsets for row in rowset]
        errors = tuple(_error(row) for row in rows if int(str(row["Level"])) > INFORMATION)
        size = plan.result.bytes
        told = f"{params.name}: {len(errors)} errors"
        if not errors:
            told = f"{params.name} has no errors; checked in {show_duration(seconds)} ({show_rate(size, seconds)})"
        result = plan.result.model_copy(
            update={"errors": errors, "seconds": seconds, "msg": told, "checks": _checks(errors, told)}
        )
        if errors and params.fail:
            raise explain_damage(result)
        return result

    def made(self, ctx: Context, intent: CheckdbIntent) -> CheckdbResult | None:
        """Nothing to find: a check that was cut off is repeated."""
        return None


def explain_damage(result: CheckdbResult) -> IntegrityError:
    """Explain what errors of CHECKDB mean for a backup."""
    shown = "; ".join(f"{one.number} {one.text}" for one in result.errors[:SHOWN])
    more = f" and {len(result.errors) - SHOWN} more" if len(result.errors) > SHOWN else ""
    error = IntegrityError(
        f"DBCC CHECKDB found {len(result.errors)} errors in {result.name}: {shown}{more}",
        host=result.on,
        hint=f"{CONSEQUENCE} {ADVICE}",
    )
    error.checks = result.checks
    error.blames = "set"
    return error


def _checks(errors: tuple[CheckError, ...], told: str) -> tuple[Check, ...]:
    if not errors:
        return (Check(name="CHECKDB", status="ok", said=told),)
    return tuple(
        Check(name=f"CHECKDB {one.number}", status="failed", said=one.text, consequence=CONSEQUENCE, hint=ADVICE)
        for one in errors
    )


def _error(row: Mapping[str, object]) -> CheckError:
    """Read the columns by name: 2012 inserted new ones between the old."""
    named = {key.lower(): value for key, value in row.items()}

    def number(name: str) -> int | None:
        value = named.get(name)
        return None if value is None else int(str(value))

    return CheckError(
        number=int(str(named["error"])),
        level=int(str(named["level"])),
        text=str(named["messagetext"]),
        repair=str(named.get("repairlevel") or ""),
        file=number("file"),
        page=number("page"),
        object_id=number("objectid"),
    )
