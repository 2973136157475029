"""Declarations of what a module reads through WMI."""

from __future__ import annotations

from sitekeeper.engine.module import Allowed


def reading(*classes: str) -> dict[str, Allowed]:
    """The arguments of Get-WmiObject that read these classes, by name or by query. WQL has neither joins nor subqueries."""
    return {
        "Class": classes,
        "Property": r"\w+",
        "Query": rf"SELECT [\w*, ]+ FROM ({'|'.join(classes)})( WHERE .+)?",  # noqa: S608 - no SQL: what a query must look like
    }
