"""How a host stands at its play's end, as reports show it: well, failed, or with nothing to do, which is no success."""

from __future__ import annotations

from collections.abc import Iterable

from sitekeeper.engine import events


def standing(ended: events.HostEnded) -> tuple[str, str]:
    """Status and, where it is not well, why: a play that found nothing to do here (``skipped`` in its summary) is ``skipped``."""
    nothing = str(ended.summary.get("skipped") or "")
    return ("skipped", nothing) if nothing and ended.status == "ok" else (ended.status, ended.error)


def worst(plays: Iterable[tuple[str, str, str]]) -> tuple[str, str, str]:
    """Which of several plays counts (status, error, class): what went wrong before what was not due, and that before what went well."""
    return min(plays, key=_weight)


def _weight(stood: tuple[str, str, str]) -> int:
    status, why, _ = stood
    if status == "ok":
        return 2
    if status != "skipped":
        return 0
    return 1 if why else 3  # a play in which every condition was false changes nothing
