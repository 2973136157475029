"""Which of a run's shadow copies still exist on a host: Windows deletes them when their storage is full."""

from __future__ import annotations

from sitekeeper.engine.session import Context


def find_living(where: Context, drive: str, run: str) -> set[str]:
    """Ids, lower case and without braces, of the shadow copies that the run made and that exist; ``drive`` holds its mark."""
    rows = where.ps.call("Test-SkShadowSet", Drive=drive, Run=run)
    return {str(row["Id"]).strip("{}").lower() for row in rows if row["Exists"]}
