"""How old a set is, and what that means for its kind of site.

What a recovery does with old data: Microsoft Learn, "Recover a site" (current branch), and KB Q201603 for the products before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sitekeeper.engine.plan import Check
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.examination.examined_set import ExaminedSet


def age(asked: ExaminedSet) -> Iterator[Check]:
    """Check the age of the set, and what it means for this kind of site."""
    passed = asked.now - asked.taken
    said = f"{passed.total_seconds() / 3600:.1f} h old"
    kept = retention(asked.got.database.change_tracking if asked.got.database else "")
    meaning, beyond = _meaning(asked.got, passed, kept)
    if asked.oldest is not None and passed > asked.oldest:
        most = f"{asked.oldest.total_seconds() / 3600:.0f} h"
        yield Check(name="age", status="failed", said=f"{said}, at most {most} are allowed", consequence=meaning)
    else:
        yield Check(name="age", status="warning" if beyond else "ok", said=f"{said}: {meaning}", consequence=meaning)


def retention(text: str) -> timedelta:
    """Read how long change tracking keeps changes, as the server returns it: ``5 DAYS``."""
    number, _, unit = text.partition(" ")
    units = {"MINUTES": "minutes", "HOURS": "hours", "DAYS": "days"}
    if not number.isdigit() or unit not in units:
        return timedelta(0)
    return timedelta(**{units[unit]: int(number)})


def _meaning(got: ExtractedSet, passed: timedelta, kept: timedelta) -> tuple[str, bool]:
    since = f"the last {passed.total_seconds() / 3600:.0f} h"
    if got.product == "2007":
        return (
            f"changes of {since} come from parent or child sites through the Site Repair Wizard, or must be entered again",
            False,
        )
    if got.site_type != "cas" and got.parent is None:
        return f"changes of {since} are lost: no other site has them", False
    beyond = bool(kept) and passed > kept
    days = kept.days
    if got.site_type == "cas":
        if beyond:
            return (
                f"older than the {days} days of change tracking: without a reference site all primary sites fall back to this old data",
                True,
            )
        return f"within the {days} days of change tracking: changes of {since} come from the primary sites", False
    if beyond:
        return (
            f"older than the {days} days of change tracking: all global data is copied again from the central administration site",
            True,
        )
    return (
        f"within the {days} days of change tracking: global data of {since} comes from the central administration site",
        False,
    )
