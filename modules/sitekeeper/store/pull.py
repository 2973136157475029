"""Pulls files out of the shadow copy set into a staging set: streamed, resumed by file and offset, hashed on both ends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sitekeeper.engine.errors import IntegrityError, RemoteError, SitekeeperError, SpaceError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many, Size
from sitekeeper.model.site import Part
from sitekeeper.model.store import PulledFiles, Staging
from sitekeeper.model.windows import ShadowCopy, ShadowSet
from sitekeeper.store.format import entry_log
from sitekeeper.store.format.entry_log import EntryLog
from sitekeeper.store.format.store_folder import store_error
from sitekeeper.store.keeping.verify import inside
from sitekeeper.store.pulling.puller import Puller
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.vss.living_copies import find_living

FULL_SHARE = 0.9
"""Stop when the shadow storage is fuller than this: Windows drops the oldest copies when it is full."""


class PullParams(Params):
    """What, out of which shadow copy set, into which set."""

    set: Staging
    """The staging set."""
    snapshot: ShadowSet
    """The shadow copy set; everything comes out of this one."""
    what: Many[Part]
    """Folders and files, as ``site.what`` names them."""
    rate: Annotated[Size, Field(gt=0)] | None = None
    """At most this many bytes a second."""


class Pull(Module[PullParams, None, PulledFiles]):
    """Example::

    - store.pull: {set: "{{ set }}", snapshot: "{{ snapshot }}", what: "{{ site.what }}"}
    """

    needs = Needs(
        cmdlets={"Get-WmiObject": reading("Win32_ShadowStorage")},
        functions=("Get-SkTree", "Read-SkFile", "Test-SkShadowSet", "Measure-SkTree"),
        rights="read the shadow copies (Administrators)",
    )
    on_host = False

    def plan(self, ctx: Context, params: PullParams) -> Plan[None, PulledFiles]:
        lost = [part for part in params.what if _copy(params.snapshot, part) is None and part.kind != "database"]
        if lost:
            raise IntegrityError(
                f"{lost[0].host}: {lost[0].path or lost[0].to} is not on a volume of the shadow copy set: it would be missing from the set"
            )
        wanted = [part for part in params.what if _copy(params.snapshot, part) is not None]
        if not wanted:
            raise IntegrityError("nothing to pull: no part of the site is on a volume of the shadow copy set")
        outside = [part.to for part in wanted if not inside(part.to)]
        if outside:
            raise IntegrityError(f"a part of the site would be stored outside the set: {outside[0]!r}")
        changes = tuple(
            Change(f"set {params.set.id} {part.to}", "empty", f"{part.host}: {part.path or 'the whole volume'}")
            for part in wanted
        )
        files, size = _measure(ctx, params, wanted) if ctx.check else (0, 0)
        return Plan(
            result=PulledFiles(
                changed=True, files=files, bytes=size, msg=f"{files} files, {size} bytes would be pulled"
            ),
            changes=(*changes, *((Change("bytes to copy", "0", f"{files} files, {size} bytes"),) if ctx.check else ())),
        )

    def apply(self, ctx: Context, params: PullParams, plan: Plan[None, PulledFiles]) -> PulledFiles:
        wanted = [part for part in params.what if _copy(params.snapshot, part) is not None]
        started = ctx.clock.monotonic()
        try:
            entry_log.one_shadow_set(
                Path(params.set.folder), f"{params.snapshot.set_id} {params.snapshot.database_set_id}".strip()
            )
            with closing(EntryLog(Path(params.set.folder))) as log:
                places = frozenset(part.to.casefold() for part in wanted)
                source = _Shadows(ctx, params.snapshot)
                puller = Puller(ctx, Path(params.set.folder), log, source, rate=params.rate, places=places)
                listed = [(part, *puller.listing(part)) for part in wanted]
                puller.total = sum(one.size for _, _, found in listed for one in found if one.kind == "file")
                for part, copy, found in listed:
                    puller.part(part, copy, found)
        except OSError as error:
            raise store_error(error, Path(params.set.store)) from None
        except RemoteError as error:
            if not _is_gone(ctx, params.snapshot, error):
                raise
            raise IntegrityError(
                f"a shadow copy of {error.host} is gone: the set would be incomplete",
                hint="Windows deletes shadow copies when their storage is full (volsnap events 25 and 36), or somebody deleted it",
            ) from None
        return puller.describe(ctx.clock.monotonic() - started)


def _copy(snapshot: ShadowSet, part: Part) -> ShadowCopy | None:
    try:
        return snapshot.copy_of(part.host, part.volume)
    except KeyError:
        return None


def _measure(ctx: Context, params: PullParams, wanted: Sequence[Part]) -> tuple[int, int]:
    """Files and bytes as the live site has them: what check mode can tell."""
    files = size = 0
    for part in wanted:
        copy = _copy(params.snapshot, part)
        if copy is None or part.kind == "registry" or copy.name[1:] != ":\\" or part.host != ctx.host:
            continue
        (row,) = ctx.ps.call("Measure-SkTree", Drive=copy.name[0].upper(), Path=part.path)
        files += int(row["Files"])
        size += int(row["Bytes"])
    return files, size


def _is_gone(ctx: Context, snapshot: ShadowSet, error: RemoteError) -> bool:
    """Whether what failed was reading from a shadow copy that does not exist any more."""
    if error.record is not None and error.record.short_id == "SkNoShadowSet":
        return True
    try:
        return not all(copy.id in find_living(ctx.of(copy.host), copy.drive, ctx.run_id) for copy in snapshot.copies)
    except SitekeeperError:
        return False  # then the failure itself is what is told


@dataclass(frozen=True, slots=True)
class _Shadows:
    """The shadow copy set as what is read."""

    ctx: Context
    snapshot: ShadowSet

    def copy_of(self, part: Part) -> ShadowCopy:
        return self.snapshot.copy_of(part.host, part.volume)

    def still_there(self, host: str, copy: ShadowCopy) -> None:
        if copy.id not in find_living(self.ctx.of(host), copy.drive, self.ctx.run_id):
            raise IntegrityError(
                "the shadow copy is gone; a set is never mixed from two", hint="give shadow copies more storage"
            )

    def ready(self, host: str) -> None:
        """Stop cleanly before Windows drops our copies for want of room."""
        ours = [copy.volume for copy in self.snapshot.copies if copy.host == host]
        for row in self.ctx.of(host).ps.call("Get-WmiObject", Class="Win32_ShadowStorage"):
            if not any(volume in str(row.get("Volume") or "").lower() for volume in ours):
                continue
            most, used = int(row.get("MaxSpace") or 0), int(row.get("UsedSpace") or 0)
            if 0 < most < 2**63 and used > most * FULL_SHARE:
                raise SpaceError(
                    f"the shadow storage of {host} is {used * 100 // most} % full: stopped before Windows deletes the copies",
                    hint="vssadmin resize shadowstorage, or back up when less is written",
                )
