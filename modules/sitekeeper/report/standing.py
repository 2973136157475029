"""How a host stands at its play's end, as reports show it: well, failed, or with nothing to do, which is no success."""

from __future__ import annotations

from sitekeeper.engine import events


def standing(ended: events.HostEnded) -> tuple[str, str]:
    """Status and, where it is not well, why: a play that found nothing to do here (``skipped`` in its summary) is ``skipped``."""
    nothing = str(ended.summary.get("skipped") or "")
    return ("skipped", nothing) if nothing and ended.status == "ok" else (ended.status, ended.error)
