"""``BACKUP DATABASE ... TO DISK``: copies the database's files as they are at one instant, damaged pages included.

The pages of the lab's files carry no checksum of their own, so CHECKSUM guards only what is written here: as on a real
server a page that was damaged with a good checksum, or has none, goes into the backup and out of it again.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from sitekeeper_lab.sql import storage_errors as errors
from sitekeeper_lab.sql.attaching import path_of
from sitekeeper_lab.sql.bakfile import BLOCK, BackedFile, Head, new_guid, write_block, write_head
from sitekeeper_lab.sql.boot import read_boot
from sitekeeper_lab.sql.database import BackupRecord, Instance
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.files import Database
from sitekeeper_lab.sql.lexer import Token, join, words
from sitekeeper_lab.sql.progress import Progress
from sitekeeper_lab.sql.releases import engine_edition
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.withoptions import Evaluate, Options, device_of, read_options, split_with

_KNOWN = words(
    "COPY_ONLY CHECKSUM NO_CHECKSUM INIT NOINIT FORMAT NOFORMAT STATS COMPRESSION NO_COMPRESSION NAME SKIP NOSKIP"
)
STATEMENT = "BACKUP DATABASE"


def backup(tokens: Sequence[Token], state: SessionState, out: Reply, value: Evaluate) -> None:
    """Run one BACKUP statement."""
    before, behind = split_with(tokens)
    if [token.upper for token in before[1:2]] != ["DATABASE"] or [token.upper for token in before[3:4]] != ["TO"]:
        raise not_emulated(join(tokens[:4]))
    options = read_options(behind, _KNOWN, value)
    device = device_of(before, 4, value)
    name = state.exact_name(before[2].value)
    database = state.user_database(name)
    if state.transaction or state.implicit:
        raise errors.in_transaction(STATEMENT)
    if "sysadmin" not in state.login.roles:
        raise errors.together(errors.no_permission(STATEMENT, name), errors.terminated(STATEMENT))
    if database is None:
        raise not_emulated("the backup of a system database")
    if "COMPRESSION" in options.words:
        _refuse_compression(state.instance)
    with state.instance.activity.running(state.spid, STATEMENT, name) as request:
        sizes = sum(file.size for file in database.files)
        progress = Progress(
            out,
            request,
            state.faults.of_statement("backup"),
            sizes,
            stats=options.stats,
            device=device,
            statement=STATEMENT,
        )
        _write(database, device, options, state, progress, out)


def _refuse_compression(instance: Instance) -> None:
    """1844: 2008 compresses in Enterprise Edition alone, 2008 R2 and later in Standard, too; Express never."""
    edition, release = engine_edition(instance.edition), instance.release.major
    if release < 10.0:
        raise SqlFailure(155, "'COMPRESSION' is not a recognized BACKUP option.", 15)
    if edition == 4 or (edition == 2 and release < 10.5):
        failure = SqlFailure(1844, f"BACKUP DATABASE WITH COMPRESSION is not supported on {instance.edition}.")
        raise errors.together(failure, errors.terminated(STATEMENT))


def _write(
    database: Database, device: str, options: Options, state: SessionState, progress: Progress, out: Reply
) -> None:
    instance, began, started = state.instance, monotonic(), state.instance.clock()
    target = _target(instance, device)
    copies: list[tuple[Path, BackedFile]] = []
    part = target.with_name(f"{target.name}.lab~")
    try:
        copies = _copied(database, target)
        head = _head(database, tuple(each for _, each in copies), options, state, started.isoformat())
        with part.open("wb") as file:
            write_head(file, head)
            for path, _ in copies:
                with path.open("rb") as source:
                    while content := source.read(BLOCK):
                        write_block(file, content, head)
                        progress.advance(len(content))
        part.replace(target)
    finally:  # a backup that ends half-way, also by its client's going away, leaves no file
        part.unlink(missing_ok=True)
        for path, _ in copies:
            path.unlink(missing_ok=True)
    stored = target.stat().st_size
    instance.backups.append(
        BackupRecord(
            database=database.name,
            started=started,
            finished=instance.clock(),
            name=head.name or None,
            copy_only=head.copy_only,
            checksums=head.checksums,
            size=head.size,
            device=device,
            guid=uuid.UUID(head.guid),
            compressed_size=stored,
        )
    )
    tell_end(out, STATEMENT, database.name, head.files, monotonic() - began)


def _target(instance: Instance, device: str) -> Path:
    try:
        target = path_of(instance, device)
    except FileNotFoundError:
        raise errors.cannot_open_device(device, 3, STATEMENT) from None
    if not target.parent.is_dir():
        raise errors.cannot_open_device(device, 3, STATEMENT)
    if target.is_dir():
        raise errors.cannot_open_device(device, 5, STATEMENT)
    return target


def _copied(database: Database, target: Path) -> list[tuple[Path, BackedFile]]:
    """The files at one instant, copied so that nobody waits while they are packed."""
    copies: list[tuple[Path, BackedFile]] = []
    with database.io_lock, database.reading:
        for number, file in enumerate(database.files):
            copy = target.with_name(f"{target.name}.{number}.lab~")
            with contextlib.suppress(FileNotFoundError):
                copy.write_bytes(file.path.read_bytes())
            kind = "L" if file.kind == "LOG" else "D"
            copies.append((copy, BackedFile(file.logical, file.physical, kind, copy.stat().st_size)))
    return copies


def _head(
    database: Database, files: tuple[BackedFile, ...], options: Options, state: SessionState, started: str
) -> Head:
    instance, stored = state.instance, database.options()
    return Head(
        guid=new_guid(),
        database=database.name,
        family=str(database.family),
        boot_name=read_boot(database.mdf.path).name,
        server=instance.server_name,
        machine=instance.host,
        user=state.login.name,
        version=instance.version,
        internal=int(stored.get("version", instance.release.internal)),
        compatibility=int(stored["compatibility"]),
        collation=stored["collation"],
        recovery=stored["recovery"],
        started=started,
        finished=instance.clock().isoformat(),
        copy_only="COPY_ONLY" in options.words,
        checksums="CHECKSUM" in options.words,
        compressed="COMPRESSION" in options.words,
        name=str(options.values.get("NAME") or ""),
        files=files,
        compressed_table=stored.get("compressed_table", ""),
    )


def tell_end(out: Reply, statement: str, database: str, files: tuple[BackedFile, ...], seconds: float) -> None:
    """4035 of each file, and 3014."""
    pages = 0
    for file in files:
        own = -(-file.size // 8192)
        pages += own
        out.info(4035, f"Processed {own} pages for database '{database}', file '{file.logical}' on file 1.", 10)
        out.done(None)
    rate = pages * 8192 / 2**20 / max(seconds, 0.001)
    text = f"{statement} successfully processed {pages} pages in {seconds:.3f} seconds ({rate:.3f} MB/sec)."
    out.info(3014, text, 10)
    out.done(None)
