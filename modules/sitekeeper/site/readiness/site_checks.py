"""The checks of ``site.preflight``: functions that yield findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sitekeeper.engine.errors import RemoteError, SqlError
from sitekeeper.engine.figures import show_duration, show_size
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import SiteDatabase, SiteFacts, Volume
from sitekeeper.site.readiness import installation_checks
from sitekeeper.site.readiness.findings import Expectations, Finding
from sitekeeper.site.readiness.volumes import volumes
from sitekeeper.windows.vss import tool_texts

CANNOT = (RemoteError, SqlError, ValueError)
UNBOUNDED = 2**63


def predict_bytes(ctx: Context, site: SiteFacts) -> int:
    """Predicted bytes of a set: the install folder as it is now, and the database's files."""
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
                f"the account is not allowed to manage shadow copies ({answer.errors[0].short_id})",
                "make it an administrator of the host",
            )
            return
    yield Finding("rights", "ok", "the account may manage shadow copies")


def services(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """The services exist, and ConfigMgr's own backup is not running or starting."""
    names = {one.name.lower(): one for one in asked.site.services}
    missing = [name for name in ("sms_site_component_manager", "sms_executive") if name not in names]
    if missing:
        yield Finding(
            "services",
            "failed",
            f"these services do not exist: {', '.join(missing)}",
            "check that this host is a site server",
        )
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
                f"not running before the backup: {', '.join(down)}",
                "the backup does not start them",
            )
        else:
            yield Finding("services", "ok", "the site's services run")
    own = names.get("sms_site_backup")
    if own is not None and own.state != "Stopped":
        yield Finding("site backup", "failed", f"ConfigMgr's own backup is {own.state}", "wait until it has finished")
    else:
        yield Finding("site backup", "ok", "ConfigMgr's own backup is not running")


def writers(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """The VSS writers that take part are stable and without error; busy ones (another backup) are checked again."""
    for where in _hosts(ctx, asked):
        pause = 1.0
        row: dict[str, Any] = {}
        found: list[tool_texts.Writer] = []
        bad: list[tool_texts.Writer] = []
        ours: list[tool_texts.Writer] = []
        for attempt in range(max(1, asked.tries)):
            (row,) = where.ps.call("Get-SkVssWriter")
            found = tool_texts.read_writers(str(row["Text"]))
            bad = tool_texts.find_unhealthy(found)
            ours = [one for one in bad if one.id in tool_texts.TAKES_PART]
            if not ours or attempt == asked.tries - 1:
                break
            where.clock.sleep(pause, where.stop)
            pause *= 4
        if row["ExitCode"] != 0 or not found:
            yield Finding(
                "writers", "failed", f"{where.host}: vssadmin lists no writers", "check the service VSS on the host"
            )
        elif ours and not all(one.state == tool_texts.WAITING for one in ours):
            yield Finding(
                "writers",
                "failed",
                f"{where.host}: {_describe_writers(ours)}",
                "restart the service that hosts the writer, or wait for the other backup",
            )
        elif ours:
            yield Finding(
                "writers",
                "warning",
                f"{where.host}: {_describe_writers(ours)}: a backup used it and did not end",
                "an interrupted backup leaves this behind; restart the service SQLWriter if the shadow copy fails",
            )
        else:
            others = f"; {_describe_writers(bad)}: excluded from the shadow copy" if bad else ""
            yield Finding("writers", "ok", f"{where.host}: the writers that take part are stable{others}")
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


def _describe_writers(found: list[tool_texts.Writer]) -> str:
    return ", ".join(f"{writer.name} [{writer.state}] {writer.last_error}" for writer in found)


def _hosts(ctx: Context, asked: Expectations) -> list[Context]:
    """The site server, and the database's own host if it has one: shadow copies are made on both."""
    if asked.site.database is None or asked.site.database.host == ctx.host:
        return [ctx]
    return [ctx, ctx.of(asked.site.database.host)]


def _old(asked: Expectations, where: Context) -> bool:
    machine = asked.site.machine if asked.site.database_machine is None else asked.site.database_machine
    return machine.old and where.host == (asked.site.database.host if asked.site.database else "")


def lost_copies(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Volsnap 25 and 36: Windows deleted shadow copies because space was short."""
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
        newest = max(str(row["TimeGenerated"]) for row in rows)
        storage = ctx.ps.call("Get-WmiObject", Class="Win32_ShadowStorage")
        limits = ", ".join(show_size(int(row["MaxSpace"])) for row in storage if int(row["MaxSpace"]) < UNBOUNDED)
        return Finding(
            "shadow copies",
            "warning",
            f"{ctx.host}: Windows deleted shadow copies {len(rows)} times in the last day, for lack of space (event volsnap "
            f"{rows[0]['EventCode']}, last at {newest[8:10]}:{newest[10:12]}); limits of the shadow storage now: {limits or 'none'}",
            "if nobody has enlarged it since: vssadmin resize shadowstorage",
        )
    return Finding("shadow copies", "ok", f"{ctx.host}: Windows deleted none in the last day")


def room(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Enough space on both ends, and enough time: the shadow copies must exist until the copy has finished."""
    if asked.seconds > asked.longest:
        yield Finding(
            "duration",
            "failed",
            f"about {show_duration(asked.seconds)} at the expected rate, but shadow copies may exist for {show_duration(asked.longest)}",
            "raise `rate` if the line is faster, or raise `longest`",
        )
    else:
        yield Finding("duration", "ok", f"about {show_duration(round(asked.seconds / 60) * 60)}")
    coming = asked.size * asked.copies
    if asked.store_free < coming * 11 // 10:
        yield Finding(
            "store",
            "failed",
            f"{show_size(asked.store_free)} free in {asked.store_root}, about {show_size(coming)} needed"
            + (" (plain and sealed)" if asked.copies > 1 else ""),
            "free space, or delete old sets (sitekeeper backups prune)",
        )
    else:
        yield Finding("store", "ok", f"{show_size(asked.store_free)} free")
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
            f"{volume.name}: {show_size(left)} left for shadow copies, about {show_size(asked.growth)} needed",
            "vssadmin resize shadowstorage, or free space on the volume",
        )
    return Finding("shadow storage", "ok", f"{volume.name}: {show_size(left)} left")


def neighbours(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Other databases on the same volumes are frozen too. One that is only partly on them is left out (restic/restic issue 340)."""
    database = asked.site.database
    if database is None:
        return
    mounts = asked.site.volumes if database.host == ctx.host else asked.site.database_volumes
    inside, torn = _find_touched(database, mounts)
    if torn:
        yield Finding(
            "other databases",
            "warning",
            f"only partly on the volumes of the set: {', '.join(torn)}; the shadow copy leaves them out",
        )
    elif inside:
        yield Finding(
            "other databases", "warning", f"frozen for a moment together with the site database: {', '.join(inside)}"
        )
    else:
        yield Finding("other databases", "ok", "no other database on the volumes of the set")


def _find_touched(database: SiteDatabase, volumes: tuple[Volume, ...]) -> tuple[list[str], list[str]]:
    """Databases completely on these volumes, and those only partly."""
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
    """The mount point of the volume of a path: the deepest one above it."""
    above = [mount.lower() for mount in database.mounts if path.lower().startswith(mount.lower())]
    return max(above, key=len, default="")


def clock(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """The clocks must agree: a difference disturbs logs, leases and Kerberos."""
    skew = asked.site.machine.clock_skew
    if abs(skew) > asked.skew:
        yield Finding(
            "clock", "failed", f"{skew:+.0f} s from the clock of the control host", "correct one of the two clocks"
        )
    else:
        yield Finding("clock", "ok", f"{skew:+.1f} s from the clock of the control host")


ALL: tuple[Callable[[Context, Expectations], Iterator[Finding]], ...] = (
    rights,
    services,
    installation_checks.installations,
    installation_checks.updates,
    volumes,
    writers,
    lost_copies,
    room,
    neighbours,
    clock,
)
