"""Retention: three simulated years against a table that was worked out by hand with a calendar, and every rule alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sitekeeper.engine.errors import InventoryError
from sitekeeper.store.keeping.retention import Candidate, Policy, policy_of, reasons_to_keep

POLICY = Policy(keep=3, daily=7, weekly=4, monthly=12, yearly=3)
GAPS = {
    *("2025-06-28", "2025-06-29", "2025-06-30", "2025-07-01", "2025-07-02"),  # the last nights of June are missing
    *("2025-12-24", "2025-12-25", "2025-12-26"),
}
PINNED, DRILLED_BEFORE, DRILLED, DAMAGED = "2024-02-29", "2024-11-11", "2025-03-09", "2025-10-31"
KEPT = {
    # the three newest are among the days; 31 December 2025 is a Wednesday
    "2025-12-31": "keep, daily, weekly 2026-W01 (Monday 29 December to Sunday 4 January), monthly, yearly, newest good",
    "2025-12-30": "keep, daily",
    "2025-12-29": "keep, daily",
    "2025-12-28": "daily; weekly 2025-W52, its Sunday",
    "2025-12-27": "daily",
    "2025-12-23": "daily: the three nights without a set use up no place",
    "2025-12-22": "daily, the seventh",
    "2025-12-21": "weekly 2025-W51, its Sunday",
    "2025-12-14": "weekly 2025-W50, its Sunday, the fourth",
    "2025-11-30": "monthly",
    "2025-10-31": "damaged: fills no place, and is left to be looked at",
    "2025-10-30": "monthly: the newest good one of October",
    "2025-09-30": "monthly",
    "2025-08-31": "monthly",
    "2025-07-31": "monthly",
    "2025-06-27": "monthly: the nights from the 28th on are missing",
    "2025-05-31": "monthly",
    "2025-04-30": "monthly",
    "2025-03-31": "monthly",
    "2025-03-09": "newest drilled",
    "2025-02-28": "monthly",
    "2025-01-31": "monthly, the twelfth",
    "2024-12-31": "yearly",
    "2024-02-29": "pinned",
    "2023-12-31": "yearly, the third",
}


def night(day: str, **more: Any) -> Candidate:
    return Candidate(id=day, kind="snapshot", taken_at=dt.datetime.fromisoformat(f"{day}T01:30:00+00:00"), **more)


def nights() -> list[Candidate]:
    """Every night from 1 January 2023 to 31 December 2025, but for the gaps."""
    first = dt.date(2023, 1, 1)
    days = [str(first + dt.timedelta(days=number)) for number in range(365 + 366 + 365)]
    assert days[-1] == "2025-12-31"
    return [
        night(
            day,
            pinned=day == PINNED,
            drilled=day in {DRILLED, DRILLED_BEFORE},
            doubt="damaged: x" if day == DAMAGED else "",
        )
        for day in days
        if day not in GAPS
    ]


def kept(sets: list[Candidate], policy: Policy | None) -> list[str]:
    return sorted(set_id for set_id, why in reasons_to_keep(sets, policy).items() if why)


def test_three_years_pruned_once() -> None:
    assert kept(nights(), POLICY) == sorted(KEPT)


def test_three_years_pruned_every_night_end_the_same() -> None:
    there: list[Candidate] = []
    for one in nights():
        stays = kept([*there, one], POLICY)
        there = [old for old in (*there, one) if old.id in stays]
        assert len(there) < 40
    assert [one.id for one in there] == sorted(KEPT)


def test_why_each_is_kept() -> None:
    why = reasons_to_keep(nights(), POLICY)
    assert why["2025-12-31"] == [
        "newest good snapshot",
        "keep",
        "daily 2025-12-31",
        "weekly 2026-W01",
        "monthly 2025-12",
        "yearly 2025",
    ]
    assert why["2025-03-09"] == ["newest drilled snapshot"]
    assert why["2024-02-29"] == ["pinned"]
    assert why["2024-11-11"] == []  # restored once, but a newer one was, too
    assert why["2025-10-31"] == ["not judged: damaged: x"]


def test_no_policy_keeps_everything() -> None:
    assert len(kept(nights(), None)) == len(nights())


def test_kinds_are_judged_each_for_itself() -> None:
    sets = [
        Candidate(id=f"{kind}-{day}", kind=kind, taken_at=dt.datetime(2025, 1, day, tzinfo=dt.UTC))
        for kind in ("snapshot", "task")
        for day in (1, 2, 3)
    ]
    assert kept(sets, Policy(keep=1)) == ["snapshot-3", "task-3"]
    assert kept(sets[:4], Policy(keep=2)) == ["snapshot-2", "snapshot-3", "task-1"]


def test_a_damaged_set_never_counts() -> None:
    sets = [night("2025-01-01"), night("2025-01-02", doubt="damaged"), night("2025-01-03", doubt="damaged")]
    assert kept(sets, Policy(keep=1)) == ["2025-01-01", "2025-01-02", "2025-01-03"]
    assert reasons_to_keep(sets, Policy(keep=1))["2025-01-01"] == ["newest good snapshot", "keep"]


def test_a_set_without_its_database_does_not_push_out_the_last_whole_one() -> None:
    sets = [night("2025-01-01"), night("2025-01-02"), night("2025-01-03", whole=False)]
    assert kept(sets, Policy(keep=1)) == ["2025-01-02", "2025-01-03"]


def test_days_are_utc_and_two_sets_of_a_day_are_one_place() -> None:
    sets = [
        Candidate(id=name, kind="snapshot", taken_at=dt.datetime.fromisoformat(at).astimezone(dt.UTC))
        for name, at in (
            ("a", "2025-05-01T23:30:00+00:00"),
            ("b", "2025-05-03T01:30:00+02:00"),  # 2 May in UTC
            ("c", "2025-05-02T23:59:00+00:00"),
        )
    ]
    assert kept(sets, Policy(daily=2)) == ["a", "c"]


def test_weeks_are_iso_weeks_over_the_turn_of_a_year() -> None:
    # Friday 1 January 2027 lies in week 53 of 2026, with Monday 28 December
    sets = [night("2026-12-27"), night("2026-12-28"), night("2027-01-01"), night("2027-01-04")]
    assert kept(sets, Policy(weekly=3)) == ["2026-12-27", "2027-01-01", "2027-01-04"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keep": -1}, "retention.keep"),
        ({"keep": "3"}, "retention.keep"),
        ({"keep": True}, "retention.keep"),
        ({"hourly": 3}, "retention.hourly"),
        ({}, "keeps nothing"),
        ({"keep": 0}, "keeps nothing"),
        (5, "retention"),
    ],
)
def test_policies_that_make_no_sense(given: object, said: str) -> None:
    with pytest.raises(InventoryError, match=said):
        policy_of({"retention": given})


def test_a_policy_of_an_inventory() -> None:
    assert policy_of({}) is None
    assert policy_of({"retention": {"keep": 3, "yearly": 1}}) == Policy(keep=3, yearly=1)
