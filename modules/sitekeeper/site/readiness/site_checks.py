"""The checks of ``site.preflight``, each a function that yields what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sitekeeper.engine.errors import RemoteError, SqlError
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import SiteDatabase, SiteFacts, Volume
from sitekeeper.site.readiness.findings import Expectations, Finding
from sitekeeper.site.readiness.volumes import volumes
from sitekeeper.windows.vss import tool_texts

CANNOT = (RemoteError, SqlError, ValueError)
INSTALLERS = (
    "setup.exe",
    "setupwpf.exe",
    "setupdl.exe",
    "preinst.exe",
    "rolesetup.exe",
    "sitecomp_update.exe",
    "hotfix.exe",
    "cmupdate.exe",
)
"""Programs that change a site while they run: setup, reset, update, component installation (believed, see docs/unverified.md)."""
UNBOUNDED = 2**63


def predicted_bytes(ctx: Context, site: SiteFacts) -> int:
    """Bytes that a set will have: the install folder as it is now, and the database's files."""
    (row,) = ctx.ps.call("Measure-SkTree", Drive=site.drive, Path=site.install_path)
    database = sum(file.bytes for file in site.database.files) if site.database else 0
    return int(row["Bytes"]) + database


def rights(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Only an administrator may read shadow copies and their storage."""
    for answer in ctx.ps.read(
        [Call("Get-WmiObject", {"Class": "Win32_ShadowCopy"}), Call("Get-WmiObject", {"Class": "Win32_ShadowStorage"})]
    ):
        if answer.errors:
            yield Finding(
                "rights",
                "failed",
                f"the account may not manage shadow copies ({answer.errors[0].short_id})",
                "it must be an administrator of the host",
            )
            return
    yield Finding("rights", "ok", "may manage shadow copies")


def services(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """The services are known, and ConfigMgr's own backup is neither running nor about to."""
    names = {one.name.lower(): one for one in asked.site.services}
    missing = [name for name in ("sms_site_component_manager", "sms_executive") if name not in names]
    if missing:
        yield Finding("services", "failed", f"not found: {', '.join(missing)}", "is this a site server?")
    else:
        down = [
            names[name].name
            for name in ("sms_site_component_manager", "sms_executive")
            if names[name].state != "Running"
        ]
        if down:
            yield Finding(
                "services",
                "warning",
                f"not running before we begin: {', '.join(down)}",
                "they will be left as they are",
            )
        else:
            yield Finding("services", "ok", "the site's services run")
    own = names.get("sms_site_backup")
    if own is not None and own.state != "Stopped":
        yield Finding("site backup", "failed", f"ConfigMgr's own backup is {own.state}", "wait until it has ended")
    else:
        yield Finding("site backup", "ok", "ConfigMgr's own backup is not running")


def installations(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """No setup, reset, update or component installation."""
    folder = asked.site.install_dir.lower()
    # The last three since PowerShell's own type data has aliases for them: it cannot hand on a process that lacks one
    # (AliasLookupMemberNotPresent, measured with 7.6.9).
    rows = ctx.ps.call(
        "Get-WmiObject", Query="SELECT Name,ExecutablePath,HandleCount,VirtualSize,WorkingSetSize FROM Win32_Process"
    )
    busy = [
        str(row["Name"])
        for row in rows
        if str(row["Name"]).lower() in INSTALLERS
        and (
            str(row.get("ExecutablePath") or "").lower().startswith(folder)
            or "smssetup" in str(row.get("ExecutablePath") or "").lower()
        )
    ]
    if busy:
        yield Finding("installation", "failed", f"running: {', '.join(sorted(set(busy)))}", "wait until it has ended")
    else:
        yield Finding("installation", "ok", "no setup or update is running")


def writers(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Every VSS writer stable and without error; busy ones (another backup) are looked at again."""
    for where in _hosts(ctx, asked):
        pause = 1.0
        row: dict[str, Any] = {}
        found: list[tool_texts.Writer] = []
        bad: list[tool_texts.Writer] = []
        for attempt in range(max(1, asked.tries)):
            (row,) = where.ps.call("Get-SkVssWriter")
            found = tool_texts.read_writers(str(row["Text"]))
            bad = tool_texts.find_unhealthy(found)
            if not bad or attempt == asked.tries - 1:
                break
            where.clock.sleep(pause, where.stop)
            pause *= 4
        if row["ExitCode"] != 0 or not found:
            yield Finding(
                "writers", "failed", f"{where.host}: vssadmin lists no writers", "is the service VSS working?"
            )
        elif bad:
            names = ", ".join(f"{writer.name} [{writer.state}] {writer.last_error}" for writer in bad)
            yield Finding(
                "writers",
                "failed",
                f"{where.host}: {names}",
                "restart the service that hosts the writer, or wait for the other backup",
            )
        else:
            yield Finding("writers", "ok", f"{where.host}: {len(found)} writers are stable")
        known = {writer.id for writer in found}
        if (
            asked.site.database is not None
            and asked.site.database.host == where.host
            and tool_texts.SQL_WRITER not in known
            and not _old(asked, where)
        ):
            yield Finding(
                "sql writer",
                "failed",
                f"{where.host}: SqlServerWriter is not registered",
                "start the service SQLWriter",
            )


def _hosts(ctx: Context, asked: Expectations) -> list[Context]:
    """The site server, and the database's own host where it has one: shadow copies are made on both."""
    if asked.site.database is None or asked.site.database.host == ctx.host:
        return [ctx]
    return [ctx, ctx.of(asked.site.database.host)]


def _old(asked: Expectations, where: Context) -> bool:
    machine = asked.site.machine if asked.site.database_machine is None else asked.site.database_machine
    return machine.old and where.host == (asked.site.database.host if asked.site.database else "")


def lost_copies(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Volsnap 25 and 36: Windows dropped shadow copies for want of room."""
    since = (ctx.clock.now() - timedelta(days=1)).strftime("%Y%m%d%H%M%S.000000+000")
    for where in _hosts(ctx, asked):
        yield _find_dropped(where, since)


def _find_dropped(ctx: Context, since: str) -> Finding:
    rows = ctx.ps.call(
        "Get-WmiObject",
        Query="SELECT EventCode,TimeGenerated FROM Win32_NTLogEvent WHERE Logfile='System' AND SourceName='volsnap' "  # noqa: S608 - WQL of our own
        f"AND (EventCode=25 OR EventCode=36) AND TimeGenerated>='{since}'",
    )
    if rows:
        return Finding(
            "shadow copies",
            "failed",
            f"{ctx.host}: Windows dropped some {len(rows)} times in the last day (volsnap {rows[0]['EventCode']})",
            "give them more room: vssadmin resize shadowstorage",
        )
    return Finding("shadow copies", "ok", f"{ctx.host}: none were dropped in the last day")


def room(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Room on both ends, and time: the shadow copies must live as long as the pull."""
    if asked.seconds > asked.longest:
        yield Finding(
            "duration",
            "failed",
            f"about {asked.seconds / 3600:.1f} h at the expected rate, shadow copies may live {asked.longest / 3600:.1f} h",
            "raise rate if the line is faster, or longest",
        )
    else:
        yield Finding("duration", "ok", f"about {asked.seconds / 60:.0f} min")
    coming = asked.size * asked.copies
    if asked.store_free < coming * 11 // 10:
        yield Finding(
            "store",
            "failed",
            f"{asked.store_free} bytes free in {asked.store_root}, about {coming} are to come"
            + (", plain and sealed" if asked.copies > 1 else ""),
            "make room, or drop old sets",
        )
    else:
        yield Finding("store", "ok", f"{asked.store_free} bytes free")
    for where in _hosts(ctx, asked):
        rows = where.ps.call("Get-WmiObject", Class="Win32_ShadowStorage")
        for volume in asked.site.volumes if where is ctx else asked.site.database_volumes:
            yield _storage(volume, rows, asked)


def _storage(volume: Volume, rows: list[dict[str, object]], asked: Expectations) -> Finding:
    own = [row for row in rows if volume.id in str(row.get("Volume") or "").lower()]
    most = int(str(own[0].get("MaxSpace") or 0)) if own else UNBOUNDED
    used = int(str(own[0].get("UsedSpace") or 0)) if own else 0
    left = min(most - used, volume.free) if most < UNBOUNDED else volume.free
    if left < asked.growth:
        return Finding(
            "shadow storage",
            "failed",
            f"{volume.name}: {left} bytes left for shadow copies, about {asked.growth} will be needed",
            "vssadmin resize shadowstorage, or free space on the volume",
        )
    return Finding("shadow storage", "ok", f"{volume.name}: {left} bytes left")


def neighbours(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Other databases on the same volumes are frozen too; one that lies half outside would be torn, and the writer refuses."""
    database = asked.site.database
    if database is None:
        return
    mounts = asked.site.volumes if database.host == ctx.host else asked.site.database_volumes
    inside, torn = _find_touched(database, mounts)
    if torn:
        yield Finding(
            "other databases",
            "failed",
            f"half on the volumes of the set: {', '.join(torn)}: the SQL writer refuses such a set",
            "add the missing volume, or move the database",
        )
    elif inside:
        yield Finding("other databases", "warning", f"frozen for a moment with the site's: {', '.join(inside)}")
    else:
        yield Finding("other databases", "ok", "none on the volumes of the set")


def _find_touched(database: SiteDatabase, volumes: tuple[Volume, ...]) -> tuple[list[str], list[str]]:
    """Databases wholly on these volumes, and those only partly."""
    inside, torn = [], []
    names = {volume.name.lower() for volume in volumes}
    for other in database.others:
        here = [_mount_of(database, path) in names for path in other.files]
        if all(here):
            inside.append(other.name)
        elif any(here):
            torn.append(other.name)
    return inside, torn


def _mount_of(database: SiteDatabase, path: str) -> str:
    """Where the volume of a path is mounted: the deepest mount point above it."""
    above = [mount.lower() for mount in database.mounts if path.lower().startswith(mount.lower())]
    return max(above, key=len, default="")


def clock(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Clocks that differ confuse logs, leases and Kerberos."""
    skew = asked.site.machine.clock_skew
    if abs(skew) > asked.skew:
        yield Finding("clock", "failed", f"{skew:+.0f} s from the control host's", "set the clock of one of the two")
    else:
        yield Finding("clock", "ok", f"{skew:+.1f} s from the control host's")


ALL: tuple[Callable[[Context, Expectations], Iterator[Finding]], ...] = (
    rights,
    services,
    installations,
    volumes,
    writers,
    lost_copies,
    room,
    neighbours,
    clock,
)
