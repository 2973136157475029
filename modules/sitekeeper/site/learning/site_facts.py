"""Reads a site: its registry in both views, its machine, its database, and the volumes with a file of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sitekeeper.engine.errors import IntegrityError, InventoryError
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import STOPPED_FOR_BACKUP, Machine, RegistryKey, SiteDatabase, SiteFacts, Volume
from sitekeeper.site.learning.layout import parts_of, root_of, volumes_inside, volumes_of
from sitekeeper.site.learning.machine_facts import (
    KEYS,
    MACHINE_CALLS,
    VIEWS,
    machine_of,
    services_of,
    values_of,
    volumes_of_machine,
)
from sitekeeper.sql.server.site_database import database_of, read_over


def site_facts(ctx: Context) -> SiteFacts:
    """Read everything that the other modules need to know about a site.

    Raises:
        IntegrityError: no site is installed, or not the one of the inventory. RemoteError: something could not be read.

    """
    keys = [Call("Read-SkKey", {"Name": name, "View": view}) for view in VIEWS for name in KEYS]
    answers = ctx.ps.read([*keys, *MACHINE_CALLS])
    setup = {view: values_of(answers, number) for number, view in enumerate(VIEWS)}
    view = next((name for name, found in setup.items() if found["Setup"].get("Installation Directory")), None)
    if view is None:
        raise IntegrityError(
            f"{ctx.host} is not a site server: neither registry view has a key SMS\\Setup with an installation directory",
            hint="check ansible_host, and that the account can read the registry",
        )
    site, sql = setup[view]["Identification"], setup[view]["SQL Server"]
    install = str(setup[view]["Setup"]["Installation Directory"]).rstrip("\\")
    code = str(site.get("Site Code", "")).upper()
    if not re.fullmatch(r"[A-Z0-9]{3}", code):
        raise IntegrityError(f"the site code of {ctx.host} in SMS\\Identification is invalid: {code!r}")
    expected = ctx.site_code()
    if expected is not None and code != expected:
        raise IntegrityError(
            f"{ctx.host} is the server of site {code or '?'}, but the inventory says {expected}",
            hint="one of the two is wrong: correct site_code or ansible_host in the inventory",
        )
    machine = machine_of(ctx, answers[len(keys) :])
    _refuse_passive(ctx, code, machine.name, str(site.get("Site Servers") or ""))
    volumes = volumes_of_machine(answers[len(keys) + 3])
    services = services_of(answers[len(keys) + 2])
    product_version, product = _version(ctx, install)
    parent = str(site.get("Parent Site Code") or "") or None
    _compare_parent(ctx, parent)
    site_type = _read_type(ctx, setup[view]["Setup"].get("Type"), product)
    database, database_machine, elsewhere = _database(ctx, sql, machine, volumes)
    used = volumes_of(volumes, [install, *_files_on(database, ctx.host)])
    inner = volumes_inside(volumes, install)
    used += [volume for volume in (*inner, *root_of(volumes, install)) if volume not in used]
    names = {service.name.lower(): service.name for service in services}
    what = parts_of(ctx, install, used, inner, database, elsewhere)
    return SiteFacts(
        msg=f"{code}: ConfigMgr {product_version}, {len(used)} volumes",
        code=code,
        name=str(site.get("Site Name", "")),
        type=site_type,
        product=product,
        version=product_version,
        install_dir=install,
        parent=parent,
        machine=machine,
        database_machine=database_machine,
        services=services,
        services_to_stop=tuple(names[name.lower()] for name in STOPPED_FOR_BACKUP if name.lower() in names),
        volumes=tuple(used),
        database_volumes=tuple(elsewhere),
        database=database,
        registry_keys=tuple(
            RegistryKey(name=name, view=one)
            for name in ("SMS", "NAL")
            for one in (("native", "wow") if machine.x64 else ("native",))
        ),
        what=what,
    )


def _refuse_passive(ctx: Context, code: str, computer: str, site_servers: str) -> None:
    """``Site Servers`` is ``1;server1.fqdn;0;server2.fqdn;``: 1 active, 0 passive. Absent where no site has two.

    Source: a Microsoft engineer's scripts skip the passive server by it (jonasatgit/scriptrepo, Get-ConfigMgrLogState.ps1). Its
    services run as those of the active one do (Microsoft Learn, "Site server high availability").
    """
    parts = [part for part in site_servers.split(";") if part]
    states = {name.lower(): state for state, name in zip(parts[::2], parts[1::2], strict=False)}
    mine = [state for name, state in states.items() if name.partition(".")[0] == computer.lower()]
    if "0" in mine:
        active = ", ".join(name for name, state in states.items() if state == "1") or "not known"
        raise InventoryError(
            f"{ctx.host} is the passive site server of {code}; the active one is {active}",
            host=ctx.host,
            origin=ctx.origin_of("ansible_host"),
            hint="back up the active site server: name it in the inventory, or promote this one first",
        )


def _read_type(ctx: Context, found: object, product: str) -> str:
    """The type of the site: what the registry says (1 primary, 2 secondary, 8 central administration site), or else the inventory.

    A central site of 2007 is a primary site in the registry; only the inventory tells the two apart.
    """
    declared = str(ctx.vars.get("site_type", "primary"))
    known = {
        "1": ("a primary site", "primary"),
        "2": ("a secondary site", "secondary"),
        "8": ("a central administration site", "cas"),
    }
    if str(found) not in known:
        return declared
    words, right = known[str(found)]
    also = {"primary": {"central"} if product == "2007" else set(), "cas": {"central"}}.get(right, set())
    if declared != right and declared not in also:
        raise InventoryError(
            f"{ctx.host} is {words} (registry, SMS\\Setup: Type {found}), but site_type is {declared} in the inventory",
            host=ctx.host,
            origin=ctx.origin_of("site_type"),
            hint=f"set site_type: {right}",
        )
    return "cas" if right == "cas" else declared


def _compare_parent(ctx: Context, found: str | None) -> None:
    """Compare the parent site with that of the inventory, if it names one."""
    declared = ctx.vars.get("parent")
    if declared and str(declared).upper() != (found or "").upper():
        raise InventoryError(
            f"the parent site of {ctx.host} is {found or 'none'}, but parent is {declared} in the inventory",
            host=ctx.host,
            origin=ctx.origin_of("parent"),
            hint="correct parent in the inventory",
        )


def _version(ctx: Context, install: str) -> tuple[str, Any]:
    """The version of sitecomp.exe: 4 is 2007, 5 is 2012 and current branch."""
    programs = (f"{install}\\bin\\x64\\sitecomp.exe", f"{install}\\bin\\i386\\sitecomp.exe")
    calls = [
        Call(
            "Get-WmiObject",
            # In double quotes: a path may hold an apostrophe, and never a quotation mark.
            {"Query": 'SELECT Version FROM CIM_DataFile WHERE Name="' + path.replace("\\", "\\\\") + '"'},  # noqa: S608 - WQL
        )
        for path in programs
    ]
    for answer in ctx.ps.read(calls):
        for row in answer.output:
            version = str(row.get("Version") or "")
            if version.startswith("4."):
                return version, "2007"
            if version.startswith("5."):
                return version, "2012"
            if version:
                raise IntegrityError(
                    f"sitecomp.exe has version {version}; sitekeeper supports ConfigMgr 2007 (4.x) and 2012 or later (5.x)"
                )
    raise IntegrityError(
        f"sitecomp.exe does not exist below {install}\\bin on {ctx.host}", hint="check that this host is a site server"
    )


def _database(
    ctx: Context, sql: dict[str, Any], machine: Machine, mounted: Sequence[Volume]
) -> tuple[SiteDatabase | None, Machine | None, list[Volume]]:
    """Read the site database; if it is on another host, also that machine and the volumes of the files there."""
    if ctx.vars.get("site_type") == "secondary" and not sql.get("Database Name"):
        return None, None, []
    server, name = str(sql.get("Server") or ""), str(sql.get("Database Name") or "")
    if not server or not name:
        raise IntegrityError(
            f"the registry of {ctx.host} does not name the site database (SMS\\SQL Server: Server, Database Name)"
        )
    instance, _, database_name = name.rpartition("\\")
    instance = instance or str(ctx.vars.get("sql_instance", "MSSQLSERVER"))
    short = server.split(".", maxsplit=1)[0]
    local = short.lower() == machine.name.lower()
    holder = ctx.host if local else ctx.vars.get("database_host")
    if holder is None:
        raise InventoryError(
            f"the database of {ctx.host} is on {server}, but the variable database_host is not set",
            host=ctx.host,
            hint=f"add {server} to the inventory, and set database_host of {ctx.host} to its inventory name",
        )
    database = read_over(
        lambda: ctx.sql(short, database_name, instance),
        lambda session: database_of(session, host=str(holder), server=short, instance=instance, name=database_name),
    )
    if local:
        return database.model_copy(update={"mounts": tuple(volume.name for volume in mounted)}), None, []
    other = ctx.of(str(holder))
    answers = other.ps.read(MACHINE_CALLS)
    everything = volumes_of_machine(answers[3])
    database = database.model_copy(update={"mounts": tuple(volume.name for volume in everything)})
    volumes = volumes_of(everything, [file.path for file in database.files])
    volumes += [volume for volume in root_of(everything, database.files[0].path) if volume not in volumes]
    return database, machine_of(other, answers), volumes


def _files_on(database: SiteDatabase | None, host: str) -> list[str]:
    return [file.path for file in database.files] if database is not None and database.host == host else []
