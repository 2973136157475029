"""The twin of Start-SkAgentMaintenance.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.opsmgr import check_minutes, check_run, mark
from sitekeeper_lab.functions.shared.twin import Call, number, text, thrown, twin
from sitekeeper_lab.opsmgr.agent import ask_agent, has_agent

SHA256 = "a9799bc07f6b6c0db4bc2224bb6884ec0992064e80d337b19a36ba1680157f96"


def run(call: Call) -> Iterator[object]:
    """Asks the host's own agent."""
    minutes, run_id = number(call, "Minutes"), text(call, "Run")
    check_minutes(minutes)
    check_run(run_id)
    if not has_agent(call.host):
        raise thrown("SkNoAgent")
    ask_agent(call.host, minutes, "PlannedOther", text(call, "Comment") + mark(run_id))
    yield from ()


TWIN = twin("Start-SkAgentMaintenance", SHA256, run, Minutes="int", Comment="string", Run="string")
