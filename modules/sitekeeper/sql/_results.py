"""What the SQL modules answer."""

from __future__ import annotations

from pydantic import Field

from sitekeeper.engine.plan import Result
from sitekeeper.site._results import Database


class SqlFacts(Result):
    """A site database, and the rows of some of its tables at that moment."""

    database: Database
    rows: dict[str, int] = Field(default_factory=dict)
    """By table name."""
