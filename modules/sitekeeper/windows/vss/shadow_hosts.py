r"""Where a shadow copy set is made, and what a Server 2003 can: one volume through WMI, or several by the operator's vshadow.exe.

vshadow comes with Microsoft's VSS 7.2 SDK (that build runs only on Server 2003) and may not be handed on by us: the operator
puts it into ``<drive>:\sitekeeper``. See docs/server-2003.md.
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
    """There, the operator's vshadow.exe makes the set."""


@dataclass(frozen=True, slots=True)
class Vshadow:
    """The operator's vshadow.exe on one host."""

    drive: str
    found: bool
    closed: bool
    """Its folder is open to SYSTEM and Administrators only: else it is not started."""
    code: int
    """Exit code of a trial that lists the writers; -1 where none was made."""

    @property
    def folder(self) -> str:
        """Where it lies."""
        return f"{self.drive}:\\sitekeeper"


def look(ctx: Context, drive: str, *, trial: bool = False) -> Vshadow:
    """Look for vshadow.exe on a host; with ``trial`` start it once, which changes nothing."""
    (row,) = ctx.ps.call("Test-SkVshadow", Drive=drive, Try=trial)
    return Vshadow(drive, bool(row["Found"]), bool(row["Closed"]), int(row["ExitCode"]))


def sql_writer_allowed(ctx: Context) -> bool:
    """Whether the inventory lets SqlServerWriter take part in a set made by vshadow.

    vshadow makes every backup a full one (VSS_BT_FULL), so that SQL Server counts it as the base of later differential
    backups: nothing that happens unasked.

    Raises:
        InventoryError: the variable is neither true nor false.

    """
    value = ctx.vars.get(ALLOWED, False)
    if not isinstance(value, bool):
        raise InventoryError(f"{ALLOWED} must be true or false, not {value!r}", host=ctx.host)
    return value


def with_vshadow(ctx: Context, one: HostIntent) -> HostIntent:
    """The same host, by vshadow where the operator put one.

    Raises:
        UsageError: it lies in a folder that is open to others. InventoryError: see ``sql_writer_allowed``.

    """
    where = ctx if one.host == ctx.host else ctx.of(one.host)
    tool = look(where, one.drive)
    if tool.found and not tool.closed:
        raise UsageError(
            f"{tool.folder} on {one.host} is open to others: vshadow.exe is not started from there",
            host=one.host,
            hint="give the folder to SYSTEM and Administrators only (docs/server-2003.md)",
        )
    sql_writer_allowed(where)  # a bad value is found out before anything is changed
    return one.model_copy(update={"vshadow": tool.found})


def refuse_old(one: HostIntent) -> None:
    """Server 2003 has no diskshadow: without vshadow, one volume through WMI is all that can be had.

    Raises:
        UsageError: more than one volume on Server 2003, and no vshadow.

    """
    if one.old and len(one.volumes) > 1 and not one.vshadow:
        names = ", ".join(volume.name for volume in one.volumes)
        raise UsageError(
            f"{one.host} runs Server 2003, and its site lies on {len(one.volumes)} volumes ({names}): "
            "Windows cannot copy them at one instant without vshadow",
            host=one.host,
            hint=f"put vshadow.exe into {one.drive}:\\sitekeeper (docs/server-2003.md), move the database to the volume of the "
            "site, or use ConfigMgr's own backup task",
        )
