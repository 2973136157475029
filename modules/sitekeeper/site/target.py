"""Checks by named rules the machine that a set will be recovered on, before anything is changed there."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.checks import build_refusal, find_failed, show_warnings
from sitekeeper.engine.errors import PreflightError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Plan
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import STOPPED_FOR_BACKUP, SiteDatabase, TargetFacts
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.examination.examined_set import version_of_cd_latest
from sitekeeper.site.learning.machine_facts import (
    KEYS,
    MACHINE_CALLS,
    VIEWS,
    machine_of,
    one_of,
    services_of,
    values_of,
    volumes_of_machine,
)
from sitekeeper.site.recovery import target_rules
from sitekeeper.site.recovery.installed_anew import DatabaseAge, read_database_age
from sitekeeper.sql.server import queries
from sitekeeper.sql.server.site_database import read_over
from sitekeeper.transport.sql.session import SqlSession
from sitekeeper.transport.wmi import reading


class TargetParams(Params):
    """Which set."""

    set: ExtractedSet
    """The set."""


class Target(Module[TargetParams, None, TargetFacts]):
    """Example::

    - site.target: {set: "{{ got }}"}
      register: target
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading("Win32_OperatingSystem", "Win32_ComputerSystem", "Win32_Service", "Win32_Volume"),
            "Write-Output": {"InputObject": ".*"},
        },
        functions=("Read-SkKey",),
        rights="read the registry and WMI; VIEW SERVER STATE and VIEW ANY DATABASE on the SQL Server; of a site of 2007 that is "
        "installed there select from v_StatusMessage",
    )

    def plan(self, ctx: Context, params: TargetParams) -> Plan[None, TargetFacts]:
        got = params.set
        keys = [Call("Read-SkKey", {"Name": name, "View": view}) for view in VIEWS for name in KEYS]
        answers = ctx.ps.read([*keys, *MACHINE_CALLS])
        setup = [values_of(answers, number) for number in range(len(VIEWS))]
        installed = next((one for one in setup if one["Setup"].get("Installation Directory")), setup[0])
        machine = machine_of(ctx, answers[len(keys) :])
        there = str(installed["Setup"].get("Installation Directory") or "").rstrip("\\")
        server, instance, host, about, names, aged = _sql(ctx, got, ask_age=bool(there) and got.product == "2007")
        seen = target_rules.RecoveryMachine(
            got=got,
            expected=ctx.site_code(),
            machine=machine,
            services=services_of(answers[len(keys) + 2]),
            volumes=tuple(volumes_of_machine(answers[len(keys) + 3])),
            installed=there,
            installed_code=str(installed["Identification"].get("Site Code") or ""),
            installed_version=str(installed["Setup"].get("Full Version") or ""),
            installed_database=_read_registered(installed["SQL Server"], got.database),
            site_database=aged,
            sql_version=str(about.get("version", "")),
            sql_edition=str(about.get("edition", "")),
            sql_collation=str(about.get("collation", "")),
            databases=names,
            cd_latest=version_of_cd_latest(got),
            now=ctx.clock.now(),
        )
        checks = tuple(check for rule in target_rules.ALL for check in rule(seen))
        failed = find_failed(checks)
        if failed:
            raise build_refusal(
                PreflightError,
                f"{got.id} cannot be recovered on {ctx.host}",
                checks,
                hint=" ".join(one.hint or one.consequence for one in failed),
            )
        warned = show_warnings(checks)
        passed = sum(one.status == "ok" for one in checks)
        return Plan(
            result=TargetFacts(
                checks=checks,
                machine=machine,
                same_windows=seen.same_windows,
                installed=seen.installed,
                sql_host=host,
                services=_list_to_stop(seen),
                drive=str(one_of(answers[len(keys)], "Win32_OperatingSystem")["SystemDrive"])[0].upper(),
                volumes=seen.volumes,
                sql_server=server,
                sql_instance=instance,
                msg=f"{got.id} can be recovered here: {passed} checks passed{warned}",
            )
        )


def _list_to_stop(seen: target_rules.RecoveryMachine) -> tuple[str, ...]:
    there = {one.name.lower(): one.name for one in seen.services}
    wanted = STOPPED_FOR_BACKUP if seen.got.product == "2007" and seen.installed else ()
    return tuple(there[name.lower()] for name in wanted if name.lower() in there)


def _read_registered(key: dict[str, Any], known: SiteDatabase | None) -> str:
    """Read the name of the site database in the registry, as a set writes it. Without an instance there, use the set's."""
    if known is None:
        return ""
    server = str(key.get("Server") or "").split(".", maxsplit=1)[0]
    instance, _, name = str(key.get("Database Name") or "").rpartition("\\")
    return str(known.model_copy(update={"server": server, "instance": instance or known.instance, "name": name}))


def _sql(
    ctx: Context, got: ExtractedSet, *, ask_age: bool
) -> tuple[str, str, str, dict[str, Any], tuple[str, ...], DatabaseAge]:
    known = got.database
    if known is None:
        return "", "", "", {}, (), DatabaseAge(problem="the set has no database")
    local = known.server.lower() == got.machine.name.lower()
    host = ctx.host if local else str(ctx.vars.get("database_host", known.host))

    def read(session: SqlSession) -> tuple[dict[str, Any], tuple[str, ...], DatabaseAge]:
        about = session.query(queries.SERVER)[0]
        names = tuple(str(row["name"]) for row in session.query(queries.DATABASES))
        aged = DatabaseAge()
        if ask_age:
            aged = read_database_age(session, known.name, got.site, got.machine.name, ctx.clock.now())
        return about, names, aged

    about, names, aged = read_over(lambda: ctx.of(host).sql(known.server, "master", known.instance), read)
    return known.server, known.instance, host, about, names, aged
