"""The twin of Set-SkMaintenanceEnd.ps1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sitekeeper_lab.functions.shared.opsmgr import check_run, group_of, mark, objects_of, parsed
from sitekeeper_lab.functions.shared.twin import Call, text, twin

SHA256 = "058d52eb6860e967cf046c5acd66e591db24cc4b5e6db1189b4049b79c9c72a3"


def run(call: Call) -> Iterator[object]:
    """Another end for the windows that carry a run's mark."""
    kind, run_id, comment = text(call, "Kind"), text(call, "Run"), text(call, "Comment")
    later = call.bound.switch("Later")
    check_run(run_id)
    until = parsed(call, text(call, "End"))
    call.function("Get-SkMonitored", Kind=kind, Computer=text(call, "Computer"))
    group = group_of(call, kind)
    objects = objects_of(call, group, text(call, "Computer"))
    for one in [*objects, *(group.hosted(objects[0]) if objects else [])]:
        window = group.window(one)
        if window is None or not window.comment.endswith(mark(run_id)):
            continue
        end = datetime.fromisoformat(window.until)
        if end != until and later == (end < until):
            group.set_end(one, until, comment or window.comment)
    yield from ()


TWIN = twin(
    "Set-SkMaintenanceEnd",
    SHA256,
    run,
    Kind="string",
    Computer="string",
    Run="string",
    End="string",
    Comment="string",
    Later="bool",
)
