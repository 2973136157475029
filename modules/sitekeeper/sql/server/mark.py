"""The mark on databases that we create: ``sk_<site>_<run>``. Only a database with it is dropped, by us or by a later run."""

from __future__ import annotations

import re

from sitekeeper.engine.errors import UsageError

_MARKED = re.compile(r"sk_([0-9A-Za-z]{3})_([0-9a-z][0-9a-z-]{0,63})")


def name_of(site: str, run: str) -> str:
    """The name of this run's copy of a site's database.

    Raises:
        UsageError: site code or run id is invalid.

    """
    name = f"sk_{site}_{run}"
    if _MARKED.fullmatch(name) is None:
        raise UsageError(f"{site!r} and {run!r} are not a site code and a run id")
    return name


def run_of(name: str) -> str | None:
    """The run whose mark a database carries; None for any other database."""
    found = _MARKED.fullmatch(name)
    return found[2] if found else None


def refuse_foreign(name: str, run: str) -> None:
    """Refuse a name that does not carry the mark of this run.

    Raises:
        UsageError: it does not.

    """
    if run_of(name) != run:
        raise UsageError(
            f"{name} is not a database of run {run}",
            hint=f"the name must be sk_<site code>_{run}; write {{{{ 'sk_PR1_' ~ run.id }}}}",
        )
