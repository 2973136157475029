"""What tells a site of 2007 that was installed anew from one that lives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sitekeeper.site.recovery.installed_anew import DatabaseAge, why_not_anew

TAKEN = datetime(2011, 3, 26, 2, tzinfo=UTC)


def _after(**passed: int) -> datetime:
    return TAKEN + timedelta(**passed)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (DatabaseAge(created=_after(days=2), oldest=_after(days=2, minutes=1)), ""),
        (DatabaseAge(created=_after(days=2), oldest=None), ""),
        (DatabaseAge(created=_after(days=2), oldest=_after(days=2, minutes=-50)), ""),  # summer time began since
        (DatabaseAge(created=_after(days=-400), oldest=_after(days=5)), "created at 2010-02-19 02:00 UTC"),
        (DatabaseAge(created=_after(days=2), oldest=_after(days=-9)), "status message of 2011-03-17 02:00 UTC"),
        (DatabaseAge(created=_after(days=90), oldest=_after(days=60)), "restored from a backup"),
        (DatabaseAge(problem="no such login"), "no such login"),
        (DatabaseAge(), "could be a site in use"),
    ],
)
def test_its_database_says_it(found: DatabaseAge, why: str) -> None:
    said = why_not_anew(found, TAKEN)
    assert (why in said) if why else said == ""
