"""The twin of Stop-SkMaintenance.ps1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.opsmgr import answered, check_moment
from sitekeeper_lab.functions.shared.twin import Call, round_trip, text, twin

SHA256 = "8b85a88e1ece90b120a416b749b13d429e7a774199f072f6b2820c9f668ad95e"


def run(call: Call) -> Iterator[PsObject]:
    """Lets a run's maintenance modes end in a minute."""
    kind, run_id = text(call, "Kind"), text(call, "Run")
    computers = call.bound.texts("Computer") or []
    check_moment(call, text(call, "NotAfter"))
    end = round_trip(call.host.now() + timedelta(minutes=1))
    for computer in computers:
        arguments = {"Kind": kind, "Computer": computer, "Run": run_id, "End": end}
        call.function("Set-SkMaintenanceEnd", **arguments, Comment="", Later=False)
    yield from answered(call, kind, computers)


TWIN = twin("Stop-SkMaintenance", SHA256, run, Kind="string", Computer="string[]", Run="string", NotAfter="string")
