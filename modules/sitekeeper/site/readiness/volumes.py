"""The check of ``site.preflight`` whether one shadow copy set can contain every volume of a site."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.engine.session import Context
from sitekeeper.model.site import Volume
from sitekeeper.site.readiness.findings import Expectations, Finding
from sitekeeper.windows.vss import shadow_hosts


def volumes(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """One shadow copy set must be able to contain all volumes."""
    site = asked.site
    bad = [
        volume.name
        for volume in (*site.volumes, *site.database_volumes)
        if volume.file_system.upper() not in {"NTFS", "REFS"}
    ]
    if bad:
        yield Finding("volumes", "failed", f"not NTFS or ReFS: {', '.join(bad)}", "shadow copies need NTFS or ReFS")
        return
    hosts = [(ctx, site.machine, site.drive, site.volumes)]
    if site.database is not None and site.database_machine is not None:
        where = ctx.of(site.database.host)
        hosts.append((where, site.database_machine, site.database.files[0].path[0].upper(), site.database_volumes))
    for where, machine, drive, mounted in hosts:
        if machine.old:
            yield _old_volumes(where, drive, mounted)
        else:
            yield Finding("volumes", "ok", f"{_names(mounted)} in one shadow copy set")


def _old_volumes(ctx: Context, drive: str, mounted: tuple[Volume, ...]) -> Finding:
    """Server 2003: several volumes only with a working vshadow.exe; without it, one volume through WMI."""
    tool = shadow_hosts.look(ctx, drive, trial=True)
    shadow_hosts.allows_sql_writer(ctx)
    if tool.found and not tool.closed:
        return Finding(
            "volumes",
            "failed",
            f"{ctx.host}: others than SYSTEM and Administrators have access to {tool.folder}: vshadow.exe is not started from there",
            "allow only SYSTEM and Administrators in this folder (docs/server-2003.md)",
        )
    if tool.found and tool.code != 0:
        return Finding(
            "volumes",
            "failed",
            f"{ctx.host}: vshadow.exe does not work: its exit code is {tool.code}",
            "use the build of the VSS 7.2 SDK for this processor, and test it on the host: vshadow.exe -ws",
        )
    if tool.found:
        return Finding("volumes", "ok", f"{_names(mounted)} in one shadow copy set, by vshadow")
    if len(mounted) > 1:
        return Finding(
            "volumes",
            "failed",
            f"Server 2003 copies one volume at a time, and the files on {ctx.host} are on {_names(mounted)}",
            f"put vshadow.exe into {tool.folder} (docs/server-2003.md), move the database to the volume of the site, or use "
            "ConfigMgr's own backup task",
        )
    return Finding("volumes", "ok", f"{_names(mounted)} in one shadow copy, through WMI")


def _names(mounted: tuple[Volume, ...]) -> str:
    return ", ".join(volume.name for volume in mounted)
