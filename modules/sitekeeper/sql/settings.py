"""Reads and compares the settings that a recovered site database must have; sets them on SQL Server 2012 and later.

The list is Microsoft's for site databases of 2012 and the current branch ("Prepare to use a SQL Server Always On
availability group", the checks of its script). For 2007 no such list exists: there the settings are only read. On a drill's copy
TRUSTWORTHY and the broker must be off, whatever the site has, and nothing is ever set.
"""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import SqlError, UsageError
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Check, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.model.sql import Setting, SettingsResult
from sitekeeper.sql.server import mark, queries, statements
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server

SINCE_2012 = 11
SA = "01"
CLR, TEXT_SIZE = "clr enabled", "max text repl size (B)"
LARGEST = 2147483647


class SettingsParams(Params):
    """Which database."""

    name: str
    """The database."""
    on: str | None = None
    """The host; default: the play's own."""
    instance: str | None = None
    """Its instance; default: the host's variable ``sql_instance``, or the default instance."""
    set: bool = False
    """Whether to correct wrong settings: 2012 and later, never on a drill's copy."""


class SettingsIntent(Record):
    """The settings before, for people: they are not undone automatically."""

    version: Literal[1] = 1
    on: str
    name: str
    before: tuple[Setting, ...]


class Settings(Module[SettingsParams, SettingsIntent, SettingsResult]):
    """Example::

    - sql.settings: {on: "{{ scratch }}", name: "{{ attached.name }}"}
      register: settings
    """

    needs = Needs(cmdlets=WRITE_OUTPUT, rights="sysadmin of the SQL Server")

    def plan(self, ctx: Context, params: SettingsParams) -> Plan[SettingsIntent, SettingsResult]:
        server = Server(choose_context(ctx, params), params.instance)
        read = _read(server, params.name)
        if not params.set or not read.wrong:
            return Plan(result=read)
        if read.copy_of_ours:
            raise UsageError(f"{params.name} is a drill's copy: its settings are never changed", host=server.host)
        if _major(server) < SINCE_2012:
            raise UsageError(
                "settings can be set on SQL Server 2012 and later only",
                host=server.host,
                hint="Microsoft does not list the settings of a 2007 site: compare with a site that runs",
            )
        return Plan(
            result=read.model_copy(update={"changed": True}),
            changes=tuple(Change(f"{params.name}: {one.name}", one.found, str(one.wanted)) for one in read.wrong),
            intent=SettingsIntent(on=server.host, name=params.name, before=read.wrong),
        )

    def apply(self, ctx: Context, params: SettingsParams, plan: Plan[SettingsIntent, SettingsResult]) -> SettingsResult:
        server = Server(choose_context(ctx, plan.intent), params.instance)
        for one in plan.result.wrong:
            for sql in _statements(one.name, params.name, server):
                server.change(sql, text=one.name)
        after = _read(server, params.name)
        if after.wrong:
            left = ", ".join(f"{one.name} is {one.found}" for one in after.wrong)
            raise SqlError(f"settings of {params.name} were set, but did not change: {left}", host=server.host)
        return after.model_copy(update={"changed": True, "msg": f"{len(plan.changes)} settings corrected"})

    def made(self, ctx: Context, intent: SettingsIntent) -> SettingsResult | None:
        """Nothing to find: another attempt sets what is still wrong."""
        return None


def _read(server: Server, name: str) -> SettingsResult:
    rows = server.ask(queries.DATABASE, name)
    if not rows:
        raise UsageError(f"database {name} does not exist on {server.host}", host=server.host)
    row, copy = rows[0], mark.run_of(name) is not None
    new = _major(server) >= SINCE_2012
    instance = {str(one["name"]): int(str(one["value"])) for one in server.ask(queries.CONFIGURATION)}
    owner = row["owner_sid"]
    sid = owner.hex() if isinstance(owner, bytes) else str(owner)
    wanted = "off" if copy else "on" if new else None
    found = [
        Setting(name="trustworthy", found=_on(row["trustworthy"]), wanted=wanted),
        Setting(name="broker", found=_on(row["broker_enabled"]), wanted=wanted),
        Setting(
            name="owner",
            found="sa" if sid == SA else str(row["owner"] or sid),
            wanted="sa" if new and not copy else None,
        ),
        Setting(name=CLR, found=str(instance.get(CLR, 0)), wanted="1" if new and not copy else None),
        Setting(
            name=TEXT_SIZE, found=str(instance.get(TEXT_SIZE, 0)), wanted=str(LARGEST) if new and not copy else None
        ),
        Setting(name="collation", found=str(row["collation"])),
        Setting(name="compatibility", found=str(row["compatibility_level"])),
        Setting(name="recovery model", found=str(row["recovery_model"])),
    ]
    if _major(server) >= 10:
        priority = server.ask(queries.BROKER_PRIORITY, name)[0]["honor_broker_priority"]
        found.append(Setting(name="broker priority", found=_on(priority), wanted="on" if new and not copy else None))
    wrong = [one for one in found if not one.right]
    told = ", ".join(f"{one.name} is {one.found} instead of {one.wanted}" for one in wrong)
    checks = tuple(_check(one, copy=copy) for one in found if one.wanted is not None)
    return SettingsResult(
        on=server.host,
        name=name,
        copy_of_ours=copy,
        settings=tuple(found),
        checks=checks,
        msg=told or "all settings are as they must be",
    )


def _check(one: Setting, *, copy: bool) -> Check:
    if one.right:
        return Check(name=one.name, status="ok", said=f"is {one.found}")
    consequence = "A copy with TRUSTWORTHY or its own broker may act as the site would." if copy else ""
    return Check(
        name=one.name,
        status="failed",
        said=f"is {one.found} instead of {one.wanted}",
        consequence=consequence or "Microsoft's setup and the site's components need another value.",
        hint="drop the copy" if copy else "on SQL Server 2012 and later: sql.settings with set: true",
    )


def _major(server: Server) -> int:
    return int(str(server.ask(queries.SERVER)[0]["version"]).split(".", maxsplit=1)[0])


def _on(value: object) -> str:
    return "on" if value else "off"


def _statements(setting: str, name: str, server: Server) -> tuple[str, ...]:
    match setting:
        case "trustworthy":
            return (statements.set_option(name, "TRUSTWORTHY ON"),)
        case "broker":
            return (statements.set_option(name, "ENABLE_BROKER WITH ROLLBACK IMMEDIATE"),)
        case "broker priority":
            return (statements.set_option(name, "HONOR_BROKER_PRIORITY ON"),)
        case "owner":
            return (statements.change_owner(name, str(server.ask(queries.SA)[0]["name"])),)
        case _:
            return statements.configure(setting, 1 if setting == CLR else LARGEST)
