"""What both publishing words do: find an earlier publication, and prove lease and shadow copies just before a set appears."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, LimitError
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context
from sitekeeper.model.store import StoredSet
from sitekeeper.model.windows import ShadowSet
from sitekeeper.store.format import catalogue, entry_log, head_file, manifest_file, store_folder
from sitekeeper.windows.vss.living_copies import find_living

ANSWER_SECONDS = 60
"""How old the proof may be that a set may appear: no guard acts after a silence of less than three minutes."""


class PublishIntent(Record):
    """Which set is to appear."""

    version: Literal[1] = 1
    store: str
    id: str
    run: str
    accept: tuple[str, ...] = ()
    """What the set may lack without being worth less."""


def _result(set_: catalogue.CatalogueEntry, accept: tuple[str, ...], msg: str) -> StoredSet:
    facts = set_.facts
    torn = set_.consistency == "separate" and "separate" not in accept
    partial = f"{set_.id} has no database of the same instant" if torn else ""
    return StoredSet(
        changed=True,
        id=set_.id,
        folder=str(set_.folder),
        files=facts["files"],
        bytes=facts["bytes"],
        consistency=set_.consistency,
        offline_seconds=facts["offline_seconds"],
        partial=partial,
        msg=msg,
    )


def left_out(made: manifest_file.Manifest | head_file.Head) -> str:
    """How many links were not followed, where the names are known."""
    if isinstance(made, head_file.Head):
        return ""
    links = [entry for entry in made.entries if entry.kind == "link"]
    return f"; {len(links)} links were not followed" if links else ""


def describe_pull(staging: Path) -> tuple[manifest_file.Entry, ...]:
    """What was pulled. The list goes last, when the manifest has it: a run may have been cut off between that and the rename."""
    if not (staging / entry_log.NAME).exists() and (staging / manifest_file.NAME).exists():
        return manifest_file.read(staging).entries
    return tuple(sorted(entry_log.read(staging), key=lambda entry: entry.file))


def find_published(store: store_folder.Folder, set_id: str, run: str, accept: tuple[str, ...] = ()) -> StoredSet | None:
    """The set, if this run had published it already before it was cut off."""
    folder = store.path(set_id)
    if not folder.is_dir():
        return None
    there = catalogue.read(folder)
    if there.run != run:
        raise IntegrityError(f"set {set_id} is published already, by run {there.run}")
    return _result(there, accept, f"{set_id} was published already")


def just_proven(ctx: Context, proof: Callable[[], None]) -> None:
    """Ask for a proof until its answers are fresh: this host may have been suspended while one was under way.

    Raises:
        LimitError: three times they took too long.

    """
    for _ in range(3):
        asked = ctx.clock.monotonic()
        proof()
        if ctx.clock.monotonic() - asked < ANSWER_SECONDS:
            return
    raise LimitError(
        f"asked three times whether the set may be published, and each answer took more than {ANSWER_SECONDS} s: "
        "such an answer is too old to trust",
        host=ctx.host,
        hint="is the network or the host overloaded, or was this control host suspended?",
    )


def lease_still_ours(ctx: Context) -> None:
    """The host itself is asked: what we remember is no proof that nobody else has changed it meanwhile.

    Raises:
        LimitError: another run has, or could have.

    """
    (system,) = ctx.ps.call("Get-WmiObject", Class="Win32_OperatingSystem", Property=["SystemDrive"])
    rows = ctx.ps.call("Read-SkLease", Drive=str(system["SystemDrive"])[0].upper())
    if len(rows) != 1 or rows[0]["Run"] != ctx.run_id or int(rows[0]["Generation"]) != ctx.lease.generation:
        held = f"run {rows[0]['Run']}, generation {rows[0]['Generation']}" if rows else "nobody"
        raise LimitError(
            f"the lease of this host is held by {held}: it may have been changed under the run", host=ctx.host
        )


def shadows_still_there(ctx: Context, snapshot: ShadowSet) -> None:
    """After the last byte every copy must still exist: one that vanished may have been read half.

    Raises:
        IntegrityError: one is gone.

    """
    for host, drive in dict.fromkeys((copy.host, copy.drive) for copy in snapshot.copies):
        where = ctx.of(host)
        alive = find_living(where, drive, ctx.run_id)
        gone = [copy.name for copy in snapshot.copies if copy.host == host and copy.id not in alive]
        if gone:
            raise IntegrityError(
                f"the shadow copy of {host} {', '.join(gone)} is gone: what was read may be incomplete",
                hint="Windows deletes shadow copies when their storage is full: see volsnap events 25 and 36",
            )
