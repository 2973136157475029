"""Checks by named rules whether a SQL Server may be used for a test restore, and deletes what dead runs left there.

The operator must declare it twice: by the marker file in its work folder, and by ``scratch: true`` in the inventory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sitekeeper.engine import checks as checking
from sitekeeper.engine.errors import PreflightError, RemoteError, SitekeeperError
from sitekeeper.engine.figures import show_size
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Check, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteDatabase
from sitekeeper.model.sql import ScratchServer
from sitekeeper.sql.server import dropping, mark, queries
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.files.work_folder import list_files, work_dir_of

ROOM_FACTOR = 1.1
"""More than the files themselves: the log of an upgrade, CHECKDB's snapshot."""
ENTERPRISE, EXPRESS = 3, 4
ENTERPRISE_EDITIONS = frozenset({"Enterprise", "Developer", "Evaluation"})
SAME_IN_ALL_EDITIONS = (13, 0, 4001)
"""Since 2016 SP1 every edition opens what only Enterprise opened before (Microsoft: Editions and features of 2016 SP1)."""
EXPRESS_LIMIT = {9: 4, 10: 4}
"""GiB of data in one database by major version; later 10 (and 2008 R2, which is 10.50)."""
RULES = ("inventory", "work-folder", "no-site", "no-database", "version", "edition", "room")
_NUMBER = re.compile(r"\d+")


class ScratchParams(Params):
    """For which database."""

    database: SiteDatabase | None = None
    """The set's database: its version, edition and size are compared with the server."""
    bytes: int = 0
    """How many bytes will be copied; default: the database's own size."""
    on: str | None = None
    """The host; default: the play's own."""


class ScratchIntent(Record):
    """Where it is, for the lease."""

    version: Literal[1] = 1
    on: str
    run: str
    root: str


@dataclass(frozen=True, slots=True)
class ScratchFacts:
    """What was read from the server."""

    about: dict[str, object]
    databases: tuple[str, ...]
    runs: tuple[str, ...]
    services: tuple[str, ...]
    free: int


class Scratch(Module[ScratchParams, ScratchIntent, ScratchServer]):
    """Example::

    - sql.scratch: {on: "{{ scratch }}", database: "{{ got.database }}", bytes: "{{ got.bytes }}"}
      register: where
    """

    needs = Needs(
        cmdlets={**WRITE_OUTPUT, "Get-WmiObject": reading("Win32_Service", "Win32_Volume")},
        functions=("Get-SkWorkFile", "Remove-SkWorkFile"),
        rights="sysadmin of the SQL Server, and write in the folder sql_work_dir",
    )

    def machines(self, params: ScratchParams) -> tuple[str, ...]:
        """One restore at a time on a server: another play of this run would release our lease."""
        return (params.on,) if params.on is not None else ()

    def plan(self, ctx: Context, params: ScratchParams) -> Plan[ScratchIntent, ScratchServer]:
        there = choose_context(ctx, params)
        server = Server(there)
        if there.vars.get("scratch") is not True:
            raise build_refusal(
                there,
                [("inventory", f"the inventory does not declare {there.host} as a scratch server (scratch: true)")],
            )
        root = work_dir_of(there)
        found = _read(server, root)
        broken = [*_check_rules(found, there), *_check_fit(found, params)]
        if broken:
            raise build_refusal(there, broken)
        dead, runs = _find_left_behind(found, ctx.run_id)
        about = found.about
        told = f"{about['server']} {about['version']} can be used for a test restore"
        told += f"; deleted from earlier runs: {', '.join((*dead, *runs))}" if dead or runs else ""
        return Plan(
            result=ScratchServer(
                changed=bool(dead or runs),
                on=there.host,
                server=str(about["server"]),
                instance=server.instance,
                version=str(about["version"]),
                edition=str(about["edition"]),
                work_dir=root,
                free=found.free,
                dropped=(*dead, *(f"{root}\\{run}" for run in runs)),
                msg=told,
            ),
            changes=(
                *(
                    Change(f"database {name} on {there.host}", f"left by run {mark.run_of(name)}", "dropped")
                    for name in dead
                ),
                *(Change(f"{there.host} {root}\\{run}", f"left by run {run}", "deleted") for run in runs),
            ),
            intent=ScratchIntent(on=there.host, run=ctx.run_id, root=root),
        )

    def apply(self, ctx: Context, params: ScratchParams, plan: Plan[ScratchIntent, ScratchServer]) -> ScratchServer:
        """Runs under the host's lease: the run that left something here does not hold it any more, and is dead or has given up."""
        intent = plan.intended
        server = Server(choose_context(ctx, intent))
        dead, runs = _find_left_behind(_read(server, intent.root), ctx.run_id)
        for name in dead:
            dropping.drop(server, name, str(mark.run_of(name)))
        for run in runs:
            server.there.ps.change("Remove-SkWorkFile", Root=intent.root, Run=run)
        return plan.result

    def made(self, ctx: Context, intent: ScratchIntent) -> ScratchServer | None:
        """Nothing to find: what was not deleted still exists, and is deleted by the next attempt."""
        return None


def _find_left_behind(found: ScratchFacts, run_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find databases and folders of other runs."""
    dead = tuple(name for name in found.databases if mark.run_of(name) not in {None, run_id})
    return dead, tuple(run for run in found.runs if run != run_id)


def build_refusal(there: Context, broken: list[tuple[str, str]]) -> PreflightError:
    """Build one error with all broken rules."""
    checks = [
        Check(name=rule, status="failed", said=text, consequence="No restore was tried, so no set was proved.")
        for rule, text in broken
    ]
    error = checking.build_refusal(
        PreflightError,
        f"{there.host} cannot be used for a test restore",
        checks,
        hint="nothing was changed there; use another scratch server, or correct this one",
    )
    error.host = there.host
    return error


def _read(server: Server, root: str) -> ScratchFacts:
    there = server.there
    try:
        runs = list_files(there, root, "")
    except RemoteError:
        raise
    except SitekeeperError as error:
        raise build_refusal(there, [("work-folder", f"{error.message}: {error.hint}")]) from None
    services = [str(row["Name"]) for row in there.ps.call("Get-WmiObject", Class="Win32_Service", Property=["Name"])]
    volumes = there.ps.call("Get-WmiObject", Class="Win32_Volume", Property=["Name", "FreeSpace"])
    on = [row for row in volumes if f"{root}\\".lower().startswith(str(row["Name"] or "?").lower())]
    volume = max(on, key=lambda row: len(str(row["Name"])), default=None)
    return ScratchFacts(
        about=server.ask(queries.SERVER)[0],
        databases=tuple(str(row["name"]) for row in server.ask(queries.DATABASES)),
        runs=tuple(runs),
        services=tuple(name for name in services if name.upper().startswith("SMS_")),
        free=int(volume["FreeSpace"] or 0) if volume is not None else 0,
    )


def _check_rules(found: ScratchFacts, there: Context) -> Iterator[tuple[str, str]]:
    """Check the rules that hold for every restore."""
    if found.services or "site_code" in there.vars:
        yield "no-site", f"it is part of a ConfigMgr site ({', '.join(found.services) or 'says the inventory'})"
    others = [name for name in found.databases if mark.run_of(name) is None]
    if others:
        yield "no-database", f"it has other databases: {', '.join(others)}"


def _check_fit(found: ScratchFacts, params: ScratchParams) -> Iterator[tuple[str, str]]:
    """Check the rules that depend on the database."""
    wanted = params.database
    size = params.bytes or (sum(one.bytes for one in wanted.files) if wanted is not None else 0)
    if found.free < size * ROOM_FACTOR:
        yield "room", f"{show_size(found.free)} free, {show_size(size * ROOM_FACTOR)} needed"
    if wanted is None:
        return
    here, there = parts(str(found.about["version"])), parts(wanted.version)
    if here[:2] < there[:2]:
        yield (
            "version",
            f"it is {found.about['version']}, the database is from {wanted.version}: an older server cannot open it",
        )
    edition = int(str(found.about["engine_edition"]))
    rich = wanted.edition.split(maxsplit=1)[0] in ENTERPRISE_EDITIONS
    if rich and edition != ENTERPRISE and here < SAME_IN_ALL_EDITIONS:
        yield (
            "edition",
            f"it is {found.about['edition']}, the database is from {wanted.edition} and may use features that this edition does not have",
        )
    if edition == EXPRESS:
        limit = 10 if here[:2] >= (10, 50) else EXPRESS_LIMIT.get(here[0], 10)
        data = sum(one.bytes for one in wanted.files if one.kind == "data")
        if data > limit * 2**30:
            yield "edition", f"Express Edition opens databases up to {limit} GiB, this one has {show_size(data)}"


def parts(version: str) -> tuple[int, ...]:
    """Split ``13.0.6300.2`` into numbers."""
    return tuple(int(one) for one in _NUMBER.findall(version))
