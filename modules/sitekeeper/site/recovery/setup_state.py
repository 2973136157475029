"""Checks whether files that were staged for a recovery may be deleted: not while setup is running, and not if a site uses them."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import UndoError
from sitekeeper.engine.session import Context
from sitekeeper.site.learning.machine_facts import VIEWS
from sitekeeper.transport.wmi import reading

State = Literal["not started", "at work", "gone", "done", "failed"]
"""``gone``: it was started, left no exit code, and none of its programs runs any more."""
GONE_SECONDS = 30.0
"""If no program is seen twice, with this time between, it is gone: the Task Scheduler starts one a moment after the request."""

READS_SERVICES = {"Get-WmiObject": reading("Win32_Service")}
READS_SITE = ("Read-SkKey", "Read-SkSetup")
"""Functions and cmdlets that ``refuse_in_use`` needs."""


def setup_state(ctx: Context, drive: str, run: str) -> State:
    """Read the state of setup."""
    found = _look(ctx, drive, run)
    if found != "gone":
        return found
    ctx.clock.sleep(GONE_SECONDS)
    return _look(ctx, drive, run)


def _look(ctx: Context, drive: str, run: str) -> State:
    (row,) = ctx.ps.call("Read-SkSetup", Drive=drive, Run=run, Step="setup")
    if not row["Started"]:
        return "not started"
    if row["Code"]:
        return "done" if row["Code"] == "0" else "failed"
    return "at work" if row["Alive"] else "gone"


def site_there(ctx: Context) -> str:
    """The sign that a site is installed on the host: its install folder, or a service; empty without one."""
    for view in VIEWS:
        for row in ctx.ps.call("Read-SkKey", Name="Setup", View=view):
            if folder := str(row.get("Installation Directory") or ""):
                return f"it is installed in {folder}"
    rows = ctx.ps.call("Get-WmiObject", Class="Win32_Service", Property=["Name"])
    services = sorted(str(row["Name"]) for row in rows if str(row["Name"]).upper().startswith("SMS_"))
    return f"its services exist: {', '.join(services)}" if services else ""


def refuse_at_work(ctx: Context, drive: str, run: str) -> State:
    """Return the state, unless setup is running.

    Raises:
        UndoError: it is running.

    """
    state = setup_state(ctx, drive, run)
    if state == "at work":
        raise UndoError(
            f"setup is still running on {ctx.host}, and uses the staged files",
            hint="wait until it has finished (ConfigMgrSetup.log in the root of the system drive), then run "
            f"`sitekeeper resume {run}` or `sitekeeper rollback {run}`: a recovered site keeps its database",
        )
    return state


def refuse_in_use(ctx: Context, drive: str, run: str) -> State:
    """Return the state, unless setup is running, or a site exists and setup did not report success.

    The exit code alone is not enough: setup may have installed the site and return another code than 0 (3010: a restart is
    needed), and an operator may have run it manually.

    Raises:
        UndoError: one of the two; the staged files stay.

    """
    state = refuse_at_work(ctx, drive, run)
    if state != "done" and (found := site_there(ctx)):
        raise UndoError(
            f"a site is installed on {ctx.host} now, although setup did not report success ({found}): the staged files stay",
            hint=f"if the site works: write 0 into {_code_file(drive, run)}, and create a file setup.started beside it; then its database "
            "stays. If setup stopped halfway: clean the server (delete the keys HKLM\\SOFTWARE\\Microsoft\\SMS and Services\\SMS*, "
            f"restart). Then run `sitekeeper rollback {run}`",
        )
    return state


def _code_file(drive: str, run: str) -> str:
    return f"{drive}:\\sitekeeper\\{run}\\setup\\setup.code"
