"""Whether ConfigMgr's backup task has been left alone since the run whose backup is collected."""

from __future__ import annotations

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteFacts, TaskRun
from sitekeeper.sql.server import status_messages

SERVICE = "SMS_SITE_BACKUP"
STARTED = 5055


def refuse_another_run(ctx: Context, site: SiteFacts, task: TaskRun) -> None:
    """The service is Stopped, and no later run has said that it began.

    Raises:
        IntegrityError: another run of the task writes, or wrote, where this one's backup lay.

    """
    rows = ctx.ps.call("Get-WmiObject", Query=f"SELECT State FROM Win32_Service WHERE Name='{SERVICE}'")  # noqa: S608 - WQL
    state = str(rows[0]["State"]) if rows else "gone"
    begun = []
    if site.database is not None and state == "Stopped":
        database = site.database
        told = status_messages.since(
            ctx, database.server, database.name, database.instance, site.code, task.proof.completed
        )
        begun = [one.at for one in told if one.message == STARTED]
    if state != "Stopped" or begun:
        raise IntegrityError(
            f"the backup task of {site.code} was started again before its backup was collected "
            f"({SERVICE} is {state}{f', started at {begun[0]} UTC' if begun else ''})",
            hint="choose another time than the task's own schedule",
        )
