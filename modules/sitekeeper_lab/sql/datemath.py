"""DATEADD, DATEDIFF and DATEPART over the lab's text dates."""

from __future__ import annotations

from datetime import datetime, timedelta

from sitekeeper_lab.sql.convert import moment_text, parse_moment
from sitekeeper_lab.sql.failure import not_emulated

_UNITS = {
    **dict.fromkeys(("year", "yy", "yyyy"), "year"),
    **dict.fromkeys(("month", "mm", "m"), "month"),
    **dict.fromkeys(("day", "dd", "d"), "day"),
    **dict.fromkeys(("hour", "hh"), "hour"),
    **dict.fromkeys(("minute", "mi", "n"), "minute"),
    **dict.fromkeys(("second", "ss", "s"), "second"),
    **dict.fromkeys(("millisecond", "ms"), "millisecond"),
}
_SECONDS = {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0, "millisecond": 0.001}


def _unit(name: str) -> str:
    if name.lower() not in _UNITS:
        raise not_emulated(f"the date part {name}")
    return _UNITS[name.lower()]


def date_add(unit: str, count: int, text: str) -> str:
    """DATEADD."""
    moment, unit = parse_moment(text), _unit(unit)
    if unit in _SECONDS:
        return moment_text(moment + timedelta(seconds=count * _SECONDS[unit]))
    months = moment.year * 12 + moment.month - 1 + count * (12 if unit == "year" else 1)
    for day in range(moment.day, 27, -1):  # the month may be shorter
        try:
            return moment_text(moment.replace(year=months // 12, month=months % 12 + 1, day=day))
        except ValueError:
            continue
    return moment_text(moment.replace(year=months // 12, month=months % 12 + 1))


def date_diff(unit: str, start: str, end: str) -> int:
    """DATEDIFF: boundaries crossed, not time passed."""
    first, second, unit = parse_moment(start), parse_moment(end), _unit(unit)
    if unit in {"year", "month"}:
        months = (second.year - first.year) * 12 + second.month - first.month
        return second.year - first.year if unit == "year" else months

    def ticks(moment: datetime) -> int:  # boundaries crossed, not time passed
        return int((moment - datetime(1, 1, 1)) / timedelta(seconds=_SECONDS[unit]))  # noqa: DTZ001

    return ticks(second) - ticks(first)


def date_part(unit: str, text: str) -> int:
    """DATEPART."""
    moment, unit = parse_moment(text), _unit(unit)
    return moment.microsecond // 1000 if unit == "millisecond" else int(getattr(moment, unit))
