"""Seals a staging set before it is published: packs every file, then the manifest, then writes the head, then drops what is plain.

Killed at any moment it is done again: without a head everything packed is thrown away and packed anew; with one only
what is still plain is dropped. So a set that appears has no plain byte in it, and until there is a head none is lost.
It needs room for both at once.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event

from sitekeeper.engine.errors import IntegrityError, RunInterruptedError
from sitekeeper.engine.session import Context
from sitekeeper.store.format import entry_log, head_file, manifest_file
from sitekeeper.store.format.packed_files import SUFFIXES, Packing, Sums, choose_packing, pack
from sitekeeper.store.format.store_folder import store_error, sync_file_system, sync_folder

Told = Callable[[int, int], None]
"""Bytes done, and bytes in all."""


def finish_set(
    ctx: Context, staging: Path, make: Callable[[], manifest_file.Manifest]
) -> manifest_file.Manifest | head_file.Head:
    """Write a staging set's manifest, and seal it where the host's variables say so: then it may be published.

    ``make`` checks the set and makes its manifest; of a set that was sealed before its run was cut off nothing is made again.

    Raises:
        IntegrityError, SpaceError, RunInterruptedError: as ``make`` and ``seal``.

    """
    head = read_header(staging)
    if head is not None:
        drop_plain(staging, head)
        return head
    packing = choose_packing(ctx.vars)
    clear(staging)
    manifest = make()
    try:
        manifest_file.write(staging, manifest)
        for name in (entry_log.NAME, entry_log.SHADOW_NAME):
            (staging / name).unlink(missing_ok=True)
    except OSError as error:
        raise store_error(error, staging.parent.parent) from None
    if packing is not None:
        return seal(staging, manifest, packing, ctx.stop, lambda done, total: ctx.progress(done, total, "bytes"))
    return manifest


def how(made: manifest_file.Manifest | head_file.Head) -> str:
    """How it is stored, for a sentence."""
    if isinstance(made, manifest_file.Manifest):
        return ""
    size = made.body.size + sum(one.size for one in made.stored)
    return f", sealed with {' and '.join(made.packing)} into {size} bytes"


def read_header(staging: Path) -> head_file.Head | None:
    """The head, if this staging set was sealed to the end before its run was cut off."""
    return head_file.read(staging) if (staging / head_file.NAME).exists() else None


def seal(
    staging: Path, manifest: manifest_file.Manifest, packing: Packing, stop: Event, told: Told = lambda *_: None
) -> head_file.Head:
    """Pack a staging set that is complete and has its plain manifest; what is sealed already is only cleaned up.

    Raises:
        IntegrityError: a file is not what its manifest says. SpaceError: no room. RunInterruptedError: the operator.

    """
    try:
        head = read_header(staging)
        if head is None:
            clear(staging)
            head = _pack(staging, manifest, packing, stop, told)
            sync_file_system(staging)
            head_file.write(staging, head)
            sync_folder(staging)
        drop_plain(staging, head)
    except OSError as error:
        raise store_error(error, staging.parent.parent) from None
    return head


def clear(staging: Path) -> None:
    """Throw away what was packed by a run that was cut off before it had a head."""
    if (staging / head_file.NAME).exists():
        return
    if (staging / head_file.FOLDER).is_dir():
        shutil.rmtree(staging / head_file.FOLDER)
    for name in (head_file.SUM_NAME, f".{head_file.NAME}.new"):
        (staging / name).unlink(missing_ok=True)
    for body in staging.glob(f"{head_file.BODY}*"):
        body.unlink()


def drop_plain(staging: Path, head: head_file.Head) -> None:
    """Delete everything that is not of the sealed set."""
    own = {head_file.NAME, head_file.SUM_NAME, head_file.FOLDER, head.body.name}
    for entry in sorted(staging.iterdir()):
        if entry.name in own:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _pack(staging: Path, manifest: manifest_file.Manifest, packing: Packing, stop: Event, told: Told) -> head_file.Head:
    suffix = "".join(SUFFIXES[step] for step in packing.steps)
    reserved = {head_file.FOLDER, head_file.NAME, head_file.SUM_NAME, f"{head_file.BODY}{suffix}"}
    taken = sorted(entry.file for entry in manifest.entries if entry.file.split("/")[0] in reserved)
    if taken:
        raise IntegrityError(f"{manifest.id}: {taken[0]} has a name that is reserved in sealed sets")
    stored: dict[str, head_file.StoredFile] = {}
    done = 0

    def passed(count: int) -> None:
        if stop.is_set():
            raise RunInterruptedError("stopped by the operator while the set was being sealed")
        told(done + count, manifest.bytes)

    for entry in manifest.entries:
        if entry.kind != "file":
            continue
        token = secrets.token_hex(16)
        name = f"{head_file.FOLDER}/{token[:2]}/{token}{suffix}"
        sums = _one(staging / entry.file, staging / name, packing, passed)
        if (sums.plain_size, sums.plain_sha256) != (entry.size, entry.sha256):
            raise IntegrityError(f"{entry.file} is not in the staging set as it was pulled (SHA-256)")
        stored[entry.file] = head_file.StoredFile(name=name, size=sums.size, sha256=sums.sha256)
        done += entry.size
    plain = staging / head_file.BODY
    told_of = head_file.Body(manifest=manifest, stored=stored).model_dump(mode="json")
    plain.write_text(json.dumps(told_of, ensure_ascii=True), encoding="ascii")  # names may hold half a surrogate pair
    body = staging / f"{head_file.BODY}{suffix}"
    sums = _one(plain, body, packing, lambda _: None)
    plain.unlink()
    return head_file.Head(
        id=manifest.id,
        kind=manifest.kind,
        site=manifest.site,
        generation=manifest.generation,
        run=manifest.run,
        tool=manifest.tool,
        taken_at=manifest.taken_at,
        published_at=manifest.published_at,
        offline_seconds=manifest.offline.seconds if manifest.offline else None,
        consistency=manifest.consistency,
        feeds=manifest.feeds,
        files=manifest.files,
        bytes=manifest.bytes,
        packing=packing.steps,
        recipients=packing.recipients,
        body=head_file.StoredFile(name=body.name, size=sums.size, sha256=sums.sha256),
        stored=tuple(sorted(stored.values(), key=lambda one: one.name)),
    )


def _one(plain: Path, target: Path, packing: Packing, passed: Callable[[int], None]) -> Sums:
    """One file; without its times: they would tell what it is."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = os.open(plain, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(source, "rb") as reader:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as writer:
            return pack(reader, writer, packing, passed)
