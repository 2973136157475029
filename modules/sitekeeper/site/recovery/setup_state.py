"""Whether what was laid there for a recovery may be taken away again: not from under a setup at work, nor from under a site."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import UndoError
from sitekeeper.engine.session import Context
from sitekeeper.site.learning.machine_facts import VIEWS
from sitekeeper.transport.wmi import reading

State = Literal["not started", "at work", "gone", "done", "failed"]
"""``gone``: it was started, left no exit code, and no program of it runs any more."""
GONE_SECONDS = 30.0
"""A program that is not seen twice, so far apart, is gone: the Task Scheduler starts one a moment after it was asked to."""

READS_SERVICES = {"Get-WmiObject": reading("Win32_Service")}
READS_SITE = ("Read-SkKey", "Read-SkSetup")
"""Functions and cmdlets that ``refuse_in_use`` needs."""


def setup_state(ctx: Context, drive: str, run: str) -> State:
    """How far setup is."""
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
    """What says that a site is installed on the host: its install folder, or a service of it; empty where nothing does."""
    for view in VIEWS:
        for row in ctx.ps.call("Read-SkKey", Name="Setup", View=view):
            if folder := str(row.get("Installation Directory") or ""):
                return f"it is installed in {folder}"
    rows = ctx.ps.call("Get-WmiObject", Class="Win32_Service", Property=["Name"])
    services = sorted(str(row["Name"]) for row in rows if str(row["Name"]).upper().startswith("SMS_"))
    return f"there are its services {', '.join(services)}" if services else ""


def refuse_at_work(ctx: Context, drive: str, run: str) -> State:
    """The state, unless setup is at work.

    Raises:
        UndoError: it is.

    """
    state = setup_state(ctx, drive, run)
    if state == "at work":
        raise UndoError(
            "setup is still at work, and reads what was laid there for it",
            hint="wait until it has ended (ConfigMgrSetup.log at the root of the system drive), then `sitekeeper resume` or `rollback`: a "
            "recovered site keeps its database",
        )
    return state


def refuse_in_use(ctx: Context, drive: str, run: str) -> State:
    """The state, unless setup is at work, or a site is there of which nobody has said that setup made it whole.

    The exit code alone does not tell: setup may end with another than 0 and have installed the site (3010: a restart is
    wanted), and an operator may have run it by hand.

    Raises:
        UndoError: it is so; what was laid there stays.

    """
    state = refuse_at_work(ctx, drive, run)
    if state != "done" and (found := site_there(ctx)):
        raise UndoError(
            f"a site is on {ctx.host} by now, whatever became of setup ({found}): what was laid there for it stays",
            hint=f"where the site works: let {_code_file(drive, run)} hold 0, with a file setup.started beside it (make them where they "
            "are not there), and its database stays for good; where setup left it half: clean the server (the keys "
            "HKLM\\SOFTWARE\\Microsoft\\SMS and Services\\SMS*, a restart); then `sitekeeper rollback`",
        )
    return state


def _code_file(drive: str, run: str) -> str:
    return f"{drive}:\\sitekeeper\\{run}\\setup\\setup.code"
