r"""Where a shadow copy set is made. On Server 2003: one volume through WMI, or several with the operator's vshadow.exe.

vshadow comes with Microsoft's VSS 7.2 SDK (that build runs only on Server 2003). We may not distribute it: the operator puts
it into ``<drive>:\sitekeeper``. See docs/server-2003.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from sitekeeper.engine.errors import InventoryError, UsageError
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context
from sitekeeper.model.site import Volume

ALLOWED = "vshadow_sql_writer"
"""The inventory variable that lets SqlServerWriter take part."""


class HostIntent(Record):
    """Where a set is being made."""

    host: str
    drive: str
    volumes: tuple[Volume, ...]
    old: bool = False
    """Server 2003."""
    vshadow: bool = False
    """Server 2003: the operator's vshadow.exe makes the set."""


@dataclass(frozen=True, slots=True)
class Vshadow:
    """The operator's vshadow.exe on one host."""

    drive: str
    found: bool
    closed: bool
    """Only SYSTEM and Administrators may write to its folder; otherwise it is not started."""
    code: int
    """Exit code of a trial that lists the writers; -1 without a trial."""

    @property
    def folder(self) -> str:
        """Where it lies."""
        return f"{self.drive}:\\sitekeeper"


def look(ctx: Context, drive: str, *, trial: bool = False) -> Vshadow:
    """Look for vshadow.exe on a host; with ``trial`` also start it once, which changes nothing."""
    (row,) = ctx.ps.call("Test-SkVshadow", Drive=drive, Try=trial)
    return Vshadow(drive, bool(row["Found"]), bool(row["Closed"]), int(row["ExitCode"]))


def allows_sql_writer(ctx: Context) -> bool:
    """Whether the inventory lets SqlServerWriter take part in a set made by vshadow.

    vshadow makes every backup a full one (VSS_BT_FULL), and SQL Server uses it as the base of later differential backups:
    this must not happen unless the operator asks for it.

    Raises:
        InventoryError: the variable is neither true nor false.

    """
    value = ctx.vars.get(ALLOWED, False)
    if not isinstance(value, bool):
        raise InventoryError(f"{ALLOWED} must be true or false, not {value!r}", host=ctx.host)
    return value


def choose_vshadow(ctx: Context, one: HostIntent) -> HostIntent:
    """The same host, with vshadow if the operator put it there.

    Raises:
        UsageError: others may write to its folder. InventoryError: see ``allows_sql_writer``.

    """
    where = ctx.of(one.host)
    tool = look(where, one.drive)
    if tool.found and not tool.closed:
        raise UsageError(
            f"others than SYSTEM and Administrators have access to {tool.folder} on {one.host}: vshadow.exe is not started from there",
            host=one.host,
            hint="allow only SYSTEM and Administrators in this folder (docs/server-2003.md)",
        )
    allows_sql_writer(where)  # find an invalid value before anything is changed
    return one.model_copy(update={"vshadow": tool.found})


def refuse_old(one: HostIntent) -> None:
    """Refuse several volumes on Server 2003 without vshadow: it has no diskshadow, and WMI copies one volume only.

    Raises:
        UsageError: more than one volume on Server 2003, and no vshadow.

    """
    if one.old and len(one.volumes) > 1 and not one.vshadow:
        names = ", ".join(volume.name for volume in one.volumes)
        raise UsageError(
            f"{one.host} runs Server 2003, and its site is on {len(one.volumes)} volumes ({names}): "
            "Windows cannot copy them at one instant without vshadow",
            host=one.host,
            hint=f"put vshadow.exe into {one.drive}:\\sitekeeper (docs/server-2003.md), move the database to the volume of the "
            "site, or use ConfigMgr's own backup task",
        )
