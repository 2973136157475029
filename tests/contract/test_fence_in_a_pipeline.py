"""Within one pipeline, nothing runs behind a fence that says no: every changing command, on both engines.

Each is sent twice: behind the fence of a generation that is over, and behind the right one. The second shows that the first
would have changed something.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from tests.contract.engines import Engines, Place, on_each_engine
from tests.contract.seen import changed, is_change, standing
from tests.fidelity.counting import Row, count

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import LimitError
from sitekeeper.engine.inventory import inventory_reader
from sitekeeper.engine.session import Call
from sitekeeper.transport.context import HostConnector

RUN = "in-a-pipeline"
SERVICE = {"Path": "Win32_Service.Name='SMS_SITE_COMPONENT_MANAGER'"}
"""The one that nobody else starts: it starts the others itself."""
FOLDER = {"Drive": "D", "Run": RUN}
WORK = {"Root": "E:\\Restore", "Run": RUN}
STAGE = {"Root": "E:\\Restore", "Run": f"{RUN}-stage"}


def commands(volumes: list[str]) -> Iterator[Call]:
    """Commands that change something, in an order in which each has something to change."""
    shadow = {"Volume": volumes, "Service": ["SMS_EXECUTIVE"], "Exclude": ["03ba67dd-dc6d-4729-a038-251f7018463b"]}
    yield Call("Invoke-WmiMethod", {**SERVICE, "Name": "ChangeStartMode", "ArgumentList": ["Manual"]})
    yield Call("Invoke-WmiMethod", {**SERVICE, "Name": "ChangeStartMode", "ArgumentList": ["Automatic"]})
    yield Call("Invoke-WmiMethod", {**SERVICE, "Name": "StopService"})
    yield Call("Export-SkRegistry", {**FOLDER, "Name": "SMS", "View": "native"})
    yield Call("New-SkShadowSet", {**FOLDER, **shadow})
    yield Call("Remove-SkShadowSet", FOLDER)
    yield Call("Invoke-WmiMethod", {**SERVICE, "Name": "StartService"})
    yield Call("Remove-SkFolder", {**FOLDER, "Name": "registry"})
    yield Call("Save-SkTaskBackup", {**FOLDER, "Site": "PR2"})
    yield Call("Remove-SkFolder", {**FOLDER, "Name": "task"})
    yield Call("Write-SkWorkFile", {**WORK, "Name": "a.mdf", "Offset": 0, "Data": b"data"})
    yield Call("Remove-SkWorkFile", {**WORK, "Name": ["a.mdf"]})
    yield Call("Write-SkStage", {**STAGE, "Entry": ["4\ta.txt"], "Offset": 0, "Data": b"data"})
    yield Call("Remove-SkStage", STAGE)


@on_each_engine
def test_nothing_runs_behind_a_fence_that_says_no(engines: Engines, engine: str) -> None:
    place = engines.place(engine)
    place.wait_for_services()
    connector = HostConnector(
        inventory_reader.load(place.inventory),
        SystemClock(),
        run_id=RUN,
        owner="ci",
        check=False,
        stop=Event(),
        extra={},
    )
    opened = connector.open("PR2", lambda *_: None)
    volumes = [one.id for one in place.lab.host("PR2").machine.volumes if not one.name.startswith("C")]
    before = standing(place.lab)
    try:
        sent = [_tried(place, opened.context, call) for call in commands(volumes)]
        opened.context.lease.give_back()
    finally:
        opened.close()
    place.wait_for_services()
    # Save-SkTaskBackup puts a backup of the site's task aside, where an earlier case has left one.
    left = [one for one in changed(before, standing(place.lab), RUN) if "smsbkup" not in one and "PR2Backup" not in one]
    assert left == []
    count(Row.CONTRACT, 2 * len(sent), f"fenced commands on the engine {engine}")


def _tried(place: Place, ctx: Any, call: Call) -> str:
    """Send a command behind a fence that says no, then behind one that says yes; answers its name."""
    generation = ctx.lease.take()
    right = ctx.ps._fence
    ctx.ps.use_fence(lambda: Call("Assert-SkLease", {**right().args, "Generation": generation - 1}))
    before, since = standing(place.lab), len(place.lab.audit_lines(0))
    with pytest.raises(LimitError):
        ctx.ps.change(call.command, **call.args)
    assert _done(place, before, since) == [], call
    ctx.ps.use_fence(right)
    ctx.ps.change(call.command, **call.args)
    assert _done(place, before, since) != [], call
    place.wait_for_services()
    return call.command


def _done(place: Place, before: dict[str, str], since: int) -> list[str]:
    lines = [f"{one['kind']} {one['what']}" for one in place.lab.audit_lines(since) if is_change(one)]
    return lines + changed(before, standing(place.lab), RUN)
