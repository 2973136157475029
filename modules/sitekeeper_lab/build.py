"""Makes the hosts of a hierarchy on disk, or takes them up again where an earlier lab left them."""

from __future__ import annotations

import os
import random
from pathlib import Path

from sitekeeper_lab.audit import Audit
from sitekeeper_lab.clock import LabClock, Timers
from sitekeeper_lab.configmgr.site import install_site, install_sql, site_registry
from sitekeeper_lab.configmgr.tree import make_tree
from sitekeeper_lab.failing import Failed, unhandled
from sitekeeper_lab.hierarchy import Hierarchy, SiteSpec
from sitekeeper_lab.host import Host
from sitekeeper_lab.opsmgr.agent import install_agent
from sitekeeper_lab.opsmgr.group import found_group
from sitekeeper_lab.windows.machine import make_machine, system_registry
from sitekeeper_lab.windows.shadows import ShadowCopies

_MARKER = "sitekeeper-work.txt"
"""By it an operator says that a folder is the work folder of a SQL Server."""
_WORK_ROOT = "sitekeeper"
"""Where our functions write on a host: rewritten in place by a real PowerShell, so a shadow copy copies it."""


def build_host(
    state: Path,
    name: str,
    hierarchy: Hierarchy,
    *,
    clock: LabClock | None = None,
    audit: Audit | None = None,
    timers: Timers | None = None,
    failed: Failed = unhandled,
) -> Host:
    """The host of that name: taken up from ``<state>/<name>`` if it is there, else made."""
    folder = state / name
    if (folder / "state.json").exists():
        return _settled(Host.load(folder, clock=clock, audit=audit, timers=timers, failed=failed))
    clock = clock or LabClock()
    spec = hierarchy.hosts[name]
    dice = random.Random(f"{hierarchy.seed} {name}")  # noqa: S311  # the same bytes every time, no secret
    machine = make_machine(name, f"{hierarchy.domain.lower()}.example", spec, dice, clock.now())
    sites = sites_on(hierarchy, name)
    if spec.site is not None:
        install_site(machine, spec.site, spec.site.database_host or name, dice)
    if spec.sql is not None:
        install_sql(machine, spec.sql, sites, dice)
    for volume in machine.volumes:
        (folder / volume.folder).mkdir(parents=True)
    for volume in machine.volumes:
        if volume.letter is None:
            _mount(folder, volume.name, folder / volume.folder)
    if spec.opsmgr is not None:
        found_group(folder, spec.opsmgr, [f"{other}.{machine.domain}" for other in hierarchy.hosts if other != name])
    host = Host(folder, machine, clock=clock, audit=audit, timers=timers, failed=failed)
    for letter in [volume.letter for volume in machine.volumes if volume.letter]:
        machine.mutable.append(f"{letter}\\{_WORK_ROOT}\\".lower())
    for path in (r"C:\WINDOWS\system32", r"C:\WINDOWS\Temp"):
        host.files.resolve(path).mkdir(parents=True, exist_ok=True)
    for site_server, site in sites:
        for path in (site.data, site.log):
            host.files.resolve(path).mkdir(parents=True, exist_ok=True)
        del site_server
    if spec.sql_work_dir is not None:
        machine.mutable.append(spec.sql_work_dir.lower() + "\\")
        marker = host.files.resolve(f"{spec.sql_work_dir}\\{_MARKER}")
        marker.parent.mkdir(parents=True)
        marker.write_text("sitekeeper may put files here\r\n")
    system_registry(host.registry, machine, hierarchy.dns, dice)
    if spec.site is not None:
        make_tree(host, spec.site, dice)
        if spec.site.backup_to is not None and spec.site.backup_to[1:3] == ":\\":
            host.files.resolve(spec.site.backup_to).mkdir(parents=True, exist_ok=True)
        holder = hierarchy.hosts[spec.site.database_host or name].sql
        site_registry(host.registry, machine, spec.site, holder.instance if holder else "MSSQLSERVER", hierarchy.dns)
    if spec.opsmgr_agent:
        install_agent(host)
    host.registry.save()
    host.save()
    ShadowCopies(host).prepare()
    return host


def _settled(host: Host) -> Host:
    # What a former lab left pending has nobody any more to end it.
    for service in host.machine.services.values():
        if service.state.endswith("Pending"):
            service.state = "Running" if service.state == "Start Pending" else "Stopped"
            service.pid = service.pid if service.state == "Running" else 0
    host.save()
    return host


def sites_on(hierarchy: Hierarchy, host: str) -> list[tuple[str, SiteSpec]]:
    """(site server, site) of every site whose database is on this host."""
    return [
        (name, spec.site)
        for name, spec in hierarchy.hosts.items()
        if spec.site is not None and (spec.site.database_host or name) == host
    ]


def _mount(folder: Path, name: str, target: Path) -> None:
    parts = [part for part in name[3:].split("\\") if part]
    point = folder / "volumes" / name[0] / Path(*parts)
    point.parent.mkdir(parents=True, exist_ok=True)
    point.symlink_to(os.path.relpath(target, point.parent), target_is_directory=True)
