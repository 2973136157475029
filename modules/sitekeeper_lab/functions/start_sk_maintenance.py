"""The twin of Start-SkMaintenance.ps1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.engines.opsmgr_cmdlets import start
from sitekeeper_lab.functions.shared.opsmgr import (
    answered,
    check_minutes,
    check_moment,
    check_run,
    group_of,
    mark,
    objects_of,
    run_of,
)
from sitekeeper_lab.functions.shared.twin import Call, number, round_trip, text, thrown, twin

SHA256 = "4db2e4dd5bca6c991636c16e835f0b7fd1fa0826212ce93594a7537821462394"


def run(call: Call) -> Iterator[PsObject]:
    """Puts computers into maintenance mode."""
    kind, run_id, minutes = text(call, "Kind"), text(call, "Run"), number(call, "Minutes")
    computers = call.bound.texts("Computer") or []
    check_minutes(minutes)
    check_run(run_id)
    check_moment(call, text(call, "NotAfter"))
    now = call.host.now()
    end, comment = now + timedelta(minutes=minutes), text(call, "Comment") + mark(run_id)
    for computer in computers:
        found = call.function("Get-SkMonitored", Kind=kind, Computer=computer)
        group = group_of(call, kind)
        if not found:
            raise thrown("SkNotMonitored")
        objects = objects_of(call, group, computer)
        window = group.window(objects[0])
        if window is not None:
            other = run_of(window.comment)
            ending = datetime.fromisoformat(window.until) <= now + timedelta(minutes=1)
            if other is not None and (other == run_id or ending):
                arguments = {"Kind": kind, "Computer": computer, "Run": other, "End": round_trip(end)}
                call.function("Set-SkMaintenanceEnd", **arguments, Comment=comment, Later=True)
            continue
        for one in objects[:1] if kind == "scom" else objects:
            if group.window(one) is None:
                start(call, group, one, end, "PlannedOther", comment)
    yield from answered(call, kind, computers)


TWIN = twin(
    "Start-SkMaintenance",
    SHA256,
    run,
    Kind="string",
    Computer="string[]",
    Minutes="int",
    Comment="string",
    Run="string",
    NotAfter="string",
)
