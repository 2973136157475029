"""Is something being installed on the site? An update is judged by ConfigMgr's own record of it, setup by its processes.

``cmupdate.exe`` says nothing: it is a resident service of every current-branch site ("Either once in 10 minutes or on receiving
an inbox trigger to CMUpdate.box, CMUpdate.exe runs spCMUGetPendingUpdatePackage": Microsoft, "Understand and troubleshoot Updates
and Servicing", KB 4490424). ``setupdl.exe`` only downloads, days before an installation (the same page).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sitekeeper.engine.errors import SqlError
from sitekeeper.engine.session import Context
from sitekeeper.site.learning.build import FIRST_WITH_CD_LATEST, build_of
from sitekeeper.site.readiness.findings import Expectations, Finding
from sitekeeper.sql.server import queries
from sitekeeper.sql.server.site_database import read_over

INSTALLERS = ("setup.exe", "setupwpf.exe", "preinst.exe", "rolesetup.exe", "sitecomp_update.exe", "hotfix.exe")
"""Programs that change a site while they run: setup, reset, component installation (an assumption, see docs/unverified.md)."""
PREPARING = ("setupdl.exe", "prereqchk.exe")
"""Programs that only download or check."""
BOOTSTRAP = "sms_server_bootstrap"
"""Services that install a role or component, and are temporary (Microsoft Support, excerpts of sitecomp.log)."""

_INSTALLED = 196612
_UNDER_WAY = {
    196609: "it is being installed",
    196614: "cmupdate validates it",
    196615: "cmupdate is stopped for it",
    196616: "cmupdate's own files are being replaced",
    196617: "cmupdate was started for it",
    196618: "cmupdate is ready for it",
    196619: "it waits for cmupdate",
    196620: "its files are being installed",
    196621: "the site control image is being updated",
    196622: "the Service Broker is being updated",
    196623: "the control data are being updated",
    196624: "the console is being updated",
    196625: "the base services are being updated",
    196626: "the sites are being updated",
    196627: "the Service Broker is being switched on",
    196628: "the database is being upgraded",
    196629: "the administration console is being updated",
    262142: "cmupdate failed on it",
    262143: "its installation failed",
}
"""States of an update that leave the site between two versions (SMS_CM_UpdatePackages.State; KB 4490424)."""
_WAITING = {
    131073: "its prerequisites are being checked",
    196610: "it waits for the service window",
    196611: "it waits for the parent site",
    196613: "it waits for a restart",
}
"""... and states from which an installation may begin at any moment."""
_FIRST, _LAST = 196608, 262143
_UNREADABLE = frozenset({208, 229})
"""SQL Server: invalid object name; the SELECT permission was denied (Microsoft Learn, "Database Engine events and errors")."""


def installations(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """No setup, reset or component installation is running."""
    # The last three because PowerShell's own type data has aliases for them: it cannot return a process that lacks one
    # (AliasLookupMemberNotPresent, measured with 7.6.9).
    rows = ctx.ps.call(
        "Get-WmiObject",
        Query="SELECT Name,ExecutablePath,CommandLine,HandleCount,VirtualSize,WorkingSetSize FROM Win32_Process",
    )
    ours = [str(row["Name"]) for row in rows if _is_of_the_site(row, asked.site.install_dir)]
    busy = sorted({name for name in ours if name.lower() in INSTALLERS})
    preparing = sorted({name for name in ours if name.lower() in PREPARING})
    components = [
        one.name for one in asked.site.services if one.name.lower().startswith(BOOTSTRAP) and one.state != "Stopped"
    ]
    if busy:
        yield Finding("installation", "failed", f"running: {', '.join(busy)}", "wait until it has finished")
    elif components:
        yield Finding(
            "installation",
            "failed",
            f"{', '.join(components)} is running: a role or component is being installed",
            "wait until it has finished (sitecomp.log)",
        )
    elif preparing:
        yield Finding("installation", "warning", f"running: {', '.join(preparing)}: an update may be installed soon")
    else:
        yield Finding("installation", "ok", "no setup or component installation is running")


def updates(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """No in-console update is half installed; only current branch has such updates."""
    database = asked.site.database
    if database is None or build_of(asked.site.version) < FIRST_WITH_CD_LATEST or asked.site.type == "secondary":
        return
    try:
        rows = read_over(
            lambda: ctx.sql(database.server, database.name, database.instance),
            lambda session: session.query(queries.UPDATES),
        )
    except SqlError as error:
        if error.number not in _UNREADABLE:
            raise
        yield Finding(
            "updates",
            "warning",
            f"the states of updates cannot be read: {error.message}",
            f"grant the login SELECT on dbo.CM_UpdatePackages of {database.name}",
        )
        return
    states = {int(str(row["state"])): str(row["package"]) for row in rows}
    half = sorted(state for state in states if _FIRST <= state <= _LAST and state not in {_INSTALLED, *_WAITING})
    waiting = sorted(state for state in states if state in _WAITING)
    if half:
        yield Finding(
            "updates",
            "failed",
            f"update {states[half[0]]}: {_describe(half[0])}",
            "let the update finish, or retry it; Microsoft says not to restore a site because an update failed",
        )
    elif waiting:
        yield Finding("updates", "warning", f"update {states[waiting[0]]}: {_describe(waiting[0])}")
    else:
        yield Finding("updates", "ok", "no update is being installed")


def _describe(state: int) -> str:
    known = _UNDER_WAY | _WAITING
    return known.get(state, f"it is in state {state}, which this version does not know")


def _is_of_the_site(row: Mapping[str, object], install_dir: str) -> bool:
    """Whether a program is ConfigMgr's: below the install folder, or of its installation media."""
    where = str(row.get("ExecutablePath") or row.get("CommandLine") or "").lower().lstrip('"')
    return where.startswith(install_dir.lower()) or "smssetup" in where
