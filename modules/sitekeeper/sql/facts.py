"""Reads what a recovery must know about the site database, and counts rows of named tables. Changes nothing."""

from __future__ import annotations

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import SiteDatabase, SiteFacts
from sitekeeper.model.sql import SqlFacts
from sitekeeper.sql.server.site_database import counts_of, database_of, read_over
from sitekeeper.transport.sql.session import SqlSession


class FactsParams(Params):
    """Which site."""

    site: SiteFacts
    """The site that the database belongs to."""
    count: Many[str] = ()
    """Tables of schema dbo whose rows are counted. While the site is offline, the site itself does not write to them."""


class Facts(Module[FactsParams, None, SqlFacts]):
    """Example::

    - sql.facts: {site: "{{ site }}", count: [SMS_Sites]}
      register: counts
    """

    def plan(self, ctx: Context, params: FactsParams) -> Plan[None, SqlFacts]:
        known = params.site.database
        if known is None:
            raise UsageError(f"site {params.site.code} has no database")

        def read(session: SqlSession) -> tuple[SiteDatabase, dict[str, int]]:
            database = database_of(
                session, host=known.host, server=known.server, instance=known.instance, name=known.name
            )
            return database, counts_of(session, params.count) if params.count else {}

        database, rows = read_over(lambda: ctx.sql(known.server, known.name, known.instance), read)
        told = f"{database}: SQL Server {database.version}, {database.edition}"
        return Plan(result=SqlFacts(database=database, rows=rows, msg=told))
