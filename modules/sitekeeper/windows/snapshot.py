"""Makes one shadow copy set of all volumes of the site, files and database, and proves that it is consistent."""

from __future__ import annotations

from typing import Any, Literal

from sitekeeper.engine.errors import (
    BusyError,
    IntegrityError,
    RemoteError,
    SitekeeperError,
    SpaceError,
    UndoError,
    UnreachableError,
)
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Covers, Plan, Record, Unknown
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import STOPPED_FOR_BACKUP, SiteFacts
from sitekeeper.model.windows import ShadowCopy, ShadowSet, WatchedService
from sitekeeper.windows.vss import tool_texts
from sitekeeper.windows.vss.living_copies import find_living
from sitekeeper.windows.vss.proof import prove_database, prove_window
from sitekeeper.windows.vss.shadow_hosts import HostIntent, allows_sql_writer, choose_vshadow, refuse_old

MAX_GAP_SECONDS = 60.0
"""Between the shadow copies of site server and database host; if it takes longer, they are not of one moment."""
SNAPSHOT_SECONDS = 900.0
"""Deadline of one shadow copy set."""
NO_ROOM = frozenset({"0x8004231f", "0x80042317"})


class SnapshotParams(Params):
    """Of which site."""

    site: SiteFacts
    """The site: its volumes, its database and the services that must be stopped."""
    services: Many[str] = STOPPED_FOR_BACKUP
    """Services whose state is read directly before and after; all must be Stopped both times."""


class SnapshotIntent(Record):
    """What is needed to find our shadow copies by what the host itself noted."""

    version: Literal[1] = 1
    run: str
    hosts: tuple[HostIntent, ...]


class Snapshot(Module[SnapshotParams, SnapshotIntent, ShadowSet]):
    """Example::

    - windows.snapshot: {site: "{{ site }}"}
      undo: play
      register: snapshot
    """

    needs = Needs(
        functions=(
            "New-SkShadowSet",
            "New-SkShadowCopy",
            "New-SkVshadow",
            "Remove-SkShadowSet",
            "Test-SkShadowSet",
            "Test-SkVshadow",
            "Get-SkVssWriter",
        ),
        rights="make and delete shadow copies (Administrators)",
    )
    reversible = True

    def plan(self, ctx: Context, params: SnapshotParams) -> Plan[SnapshotIntent, ShadowSet]:
        site = params.site
        hosts = [HostIntent(host=ctx.host, drive=site.drive, volumes=site.volumes, old=site.machine.old)]
        if site.database is not None and site.database.host != ctx.host:
            machine = site.database_machine
            hosts.append(
                HostIntent(
                    host=site.database.host,
                    drive=site.database.files[0].path[0].upper(),
                    volumes=site.database_volumes,
                    old=machine.old if machine else False,
                )
            )
        hosts = [choose_vshadow(ctx, one) if one.old else one for one in hosts]
        for one in hosts:
            refuse_old(one)
        copies = tuple(
            ShadowCopy(host=one.host, drive=one.drive, index=number, volume=volume.id, name=volume.name)
            for one in hosts
            for number, volume in enumerate(one.volumes)
        )
        unknown = Unknown("windows.snapshot")
        result = ShadowSet(
            changed=True,
            msg=f"one shadow copy set of {len(copies)} volumes",
            copies=copies,
            set_id=unknown,
            taken_at=unknown,
            consistency=_consistency(site, hosts),
            before=(),
            after=(),
            gap=0.0,
            generation=0,
            database_set_id="",
            partial="",
        )
        return Plan(
            result=result,
            changes=tuple(
                Change(f"volume {copy.host}:{copy.name}", "no shadow copy", "in one shadow copy set") for copy in copies
            ),
            intent=SnapshotIntent(run=ctx.run_id, hosts=tuple(hosts)),
        )

    def apply(self, ctx: Context, params: SnapshotParams, plan: Plan[SnapshotIntent, ShadowSet]) -> ShadowSet:
        intent = plan.intended
        site: SiteFacts = params.site
        made: list[tuple[float, dict[str, Any], tool_texts.ShadowMark]] = []
        taken_at = ctx.clock.now()
        for one in intent.hosts:
            where = ctx.of(one.host)
            if where is not ctx:
                where.lease.take()
            holds_database = site.database is not None and site.database.host == one.host
            answer = self._make(where, one, params)
            made.append((ctx.clock.monotonic(), answer, _prove_made(answer, one, intent.run)))
            if holds_database and not one.old and site.database is not None:
                prove_database(answer, site.database)
        gap = made[-1][0] - made[0][0]
        if gap > MAX_GAP_SECONDS:
            raise IntegrityError(
                f"the shadow copies of site server and database host are {gap:.0f} s apart, at most {MAX_GAP_SECONDS:.0f} s are allowed"
            )
        before, after = _read_services(made[0][1]["Before"]), _read_services(made[0][1]["After"])
        prove_window(before, after, (*params.services, *site.services_to_stop))
        copies = tuple(
            ShadowCopy(host=one.host, drive=one.drive, index=number, volume=volume, name=_name_of(one, volume), id=copy)
            for one, (_, _, mark) in zip(intent.hosts, made, strict=True)
            for number, volume, copy in mark.copies
        )
        return ShadowSet(
            changed=True,
            msg=f"shadow copy set {made[0][2].set_id} of {len(copies)} volumes",
            set_id=made[0][2].set_id,
            copies=copies,
            before=before,
            after=after,
            taken_at=taken_at.isoformat(),
            gap=round(gap, 3),
            consistency=_consistency(site, list(intent.hosts)),
            generation=ctx.lease.generation,
            database_set_id=made[1][2].set_id if len(made) > 1 else "",
        )

    @staticmethod
    def _make(ctx: Context, one: HostIntent, params: SnapshotParams) -> dict[str, Any]:
        ids = [volume.id for volume in one.volumes]
        services = list(dict.fromkeys((*params.services, *params.site.services_to_stop)))
        try:
            if one.vshadow:
                rows = ctx.ps.change(
                    "New-SkVshadow",
                    deadline=SNAPSHOT_SECONDS,
                    Drive=one.drive,
                    Run=ctx.run_id,
                    Volume=ids,
                    Service=services,
                    SqlWriter=allows_sql_writer(ctx),
                )
            elif one.old:
                rows = ctx.ps.change(
                    "New-SkShadowCopy",
                    deadline=SNAPSHOT_SECONDS,
                    Drive=one.drive,
                    Run=ctx.run_id,
                    Volume=ids[0],
                    Service=services,
                )
            else:
                excluded = _find_excluded(ctx)
                rows = ctx.ps.change(
                    "New-SkShadowSet",
                    deadline=SNAPSHOT_SECONDS,
                    Drive=one.drive,
                    Run=ctx.run_id,
                    Volume=ids,
                    Service=services,
                    Exclude=excluded,
                )
        except RemoteError as error:
            code = error.record.short_id.removeprefix("SkShadowCopy") if error.record else ""
            if code in {"6", "8"}:
                raise SpaceError(
                    f"{one.host} has no room for a shadow copy (Win32_ShadowCopy.Create: {code})",
                    hint="enlarge the shadow storage: vssadmin resize shadowstorage",
                ) from None
            raise
        if len(rows) != 1:
            raise IntegrityError(f"{one.host} reported nothing about its shadow copies")
        return dict(rows[0])

    def covers(self, intent: SnapshotIntent) -> Covers:
        hosts = intent.hosts if isinstance(intent, SnapshotIntent) else ()
        return Covers(hosts=tuple(one.host for one in hosts))

    def in_place(self, ctx: Context, intent: SnapshotIntent, outcome: ShadowSet, generation: int) -> bool:
        if outcome.generation != generation:
            return False
        for one in intent.hosts:
            where = ctx.of(one.host)
            alive = find_living(where, one.drive, intent.run)
            if not all(copy.id in alive for copy in outcome.copies if copy.host == one.host):
                return False
        return True

    def undo(self, ctx: Context, intent: SnapshotIntent, outcome: ShadowSet | None) -> str:
        errors: list[SitekeeperError] = []
        for one in reversed(intent.hosts):
            where = ctx.of(one.host)
            try:
                where.lease.take()
                where.ps.change("Remove-SkShadowSet", deadline=SNAPSHOT_SECONDS, Drive=one.drive, Run=intent.run)
                if where is not ctx:
                    where.lease.give_back()
            except SitekeeperError as error:
                errors.append(error)
        for failed in errors:
            # The engine tries again: an undo may be done twice. A busy site server keeps its services waiting anyway; another
            # host that is busy with its shadow copies is no reason to keep the site offline.
            if isinstance(failed, UnreachableError) or (isinstance(failed, BusyError) and failed.host == ctx.host):
                raise failed
        if errors:
            raise UndoError(
                f"shadow copies may still exist: {errors[0].message}", hint=_what_to_do(errors[0], intent.run)
            )
        return "shadow copies and their links deleted"


def _what_to_do(error: SitekeeperError, run: str) -> str:
    folder = f"sitekeeper\\{run}\\shadow"
    if isinstance(error, RemoteError) and error.record is not None and error.record.short_id == "SkShadowCopyUnmarked":
        return (
            "if no other program made them, delete them on the host (vssadmin delete shadows /shadow={ID}), otherwise delete "
            f"{folder}\\before.txt; then run `sitekeeper rollback {run}`"
        )
    return f"delete them on the host: their ids are in {folder}\\mark.txt"


def _prove_made(answer: dict[str, Any], one: HostIntent, run: str) -> tool_texts.ShadowMark:
    """Read the mark of the script. If anything is missing in it, the set failed, whatever diskshadow's exit code is."""
    mark = tool_texts.read_mark(str(answer["Mark"]))
    transcript = str(answer["Transcript"])
    codes = tool_texts.find_hresults(transcript)
    wanted = {volume.id for volume in one.volumes}
    have = {volume for _, volume, _ in mark.copies}
    if (
        mark.run == run
        and mark.set_id
        and wanted == have
        and answer["ExitCode"] == 0
        and not tool_texts.has_error(transcript)
    ):
        return mark
    said = f" ({codes[0]}: {tool_texts.MEANINGS.get(codes[0], 'read the event logs of the host')})" if codes else ""
    tail = " / ".join(line.strip() for line in transcript.splitlines()[-3:] if line.strip())
    text = f"the shadow copy set on {one.host} failed{said}"
    tool = "vshadow" if one.vshadow else "diskshadow"
    hint = f"{tool} finished with exit code {answer['ExitCode']}; its last lines: {tail or 'none'}"
    if NO_ROOM.intersection(codes):
        raise SpaceError(text, hint=hint)
    raise RemoteError(text, hint=hint)


def _find_excluded(ctx: Context) -> list[str]:
    """Ids of the registered writers that take no part; excluding a writer that is not there may be an error."""
    (row,) = ctx.ps.call("Get-SkVssWriter")
    text = str(row["Text"])
    try:
        found = {one.id for one in tool_texts.read_writers(text)}
    except ValueError:  # the services are down: a list that cannot be read must not keep the set from being made
        found = {tool_texts.SMS_WRITER} if tool_texts.SMS_WRITER in text.lower() else set()
    return sorted(found - tool_texts.TAKES_PART)


def _read_services(rows: Any) -> tuple[WatchedService, ...]:
    return tuple(
        WatchedService(name=str(row["Name"]), state=str(row["State"]), pid=int(row["Pid"] or 0), boot=str(row["Boot"]))
        for row in (rows if isinstance(rows, list) else [rows])
        if row
    )


def _consistency(site: SiteFacts, hosts: list[HostIntent]) -> Literal["writer", "crash", "files"]:
    if site.database is None:
        return "files"
    holder = next(one for one in hosts if one.host == site.database.host)
    # vshadow with the SQL writer may have frozen the database, but leaves no proof of it.
    return "crash" if holder.old else "writer"


def _name_of(one: HostIntent, volume: str) -> str:
    return next(found.name for found in one.volumes if found.id == volume)
