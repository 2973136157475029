"""Whether ConfigMgr's setup is at work on a site server for this run: what it reads must not be taken away from under it."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import UndoError
from sitekeeper.engine.session import Context

State = Literal["not started", "at work", "done", "failed"]


def setup_state(ctx: Context, drive: str, run: str) -> State:
    """How far setup is."""
    (row,) = ctx.ps.call("Read-SkSetup", Drive=drive, Run=run, Step="setup")
    if not row["Started"]:
        return "not started"
    return "at work" if not row["Code"] else "done" if row["Code"] == "0" else "failed"


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
            "recovered site keeps its database; "
            f"if it was cut off, by a restart say, write 1 into {drive}:\\sitekeeper\\{run}\\setup\\setup.code first",
        )
    return state
