"""Checks of a set's files: its offline window, layout, registry, control file, identity and CD.Latest.

Each function yields its result with the consequence in plain words: the reader may never have seen a recovery.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.figures import show_size
from sitekeeper.engine.plan import Check
from sitekeeper.model.site import STOPPED_FOR_BACKUP
from sitekeeper.site.examination.examined_set import SKEW, ExaminedSet, find_in, version_of_cd_latest
from sitekeeper.site.learning.build import FIRST_WITH_CD_LATEST, build_of
from sitekeeper.store.format import reg_file
from sitekeeper.store.keeping.complete import FOLDERS
from sitekeeper.windows.vss.proof import prove_window

CONTROL_FILE = "inboxes/sitectrl.box/sitectrl.ct0"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_HIVE = b"regf"


def window(asked: ExaminedSet) -> Iterator[Check]:
    """The site was offline while it was copied: check the set's own records again."""
    got = asked.got
    if got.kind == "task":
        return
    try:
        prove_window(got.proof.before, got.proof.after, STOPPED_FOR_BACKUP)
    except IntegrityError as error:
        yield Check(
            name="window",
            status="failed",
            said=error.message,
            consequence="Files, registry and database are of different moments: a site recovered from them is inconsistent.",
        )
        return
    if got.database is not None and got.proof.consistency not in {"writer", "crash"}:
        yield Check(
            name="window",
            status="failed",
            said=f"the set's own consistency is: {got.proof.consistency}",
            consequence="The database is not of the same instant as the files: a recovery needs both of one instant.",
        )
        return
    how = "no writer took part" if got.proof.consistency == "crash" else "the SQL writer took part"
    yield Check(name="window", status="ok", said=f"services stopped before and after, one boot; {how}")


def layout(asked: ExaminedSet) -> Iterator[Check]:
    """Everything that a recovery reads exists."""
    missing = [name for name in FOLDERS if not _folder(asked, name)]
    got = asked.got
    have = {one.name.lower() for one in got.database_files}
    wanted = {one.path.rpartition("\\")[2].lower() for one in got.database.files} if got.database else set()
    missing += sorted(wanted - have)
    if missing:
        yield Check(
            name="layout",
            status="failed",
            said=f"missing: {', '.join(missing)}",
            consequence="What is missing cannot be recovered from this set.",
            hint="check what excludes it from the backup",
        )
    else:
        yield Check(name="layout", status="ok", said=f"{', '.join(FOLDERS)}; {len(have)} database files")


def _folder(asked: ExaminedSet, name: str) -> bool:
    """Find a folder, ignoring case as Windows does: 2007's task writes INBOXES, setup writes inboxes."""
    base = asked.folder / asked.files
    return base.is_dir() and any(one.is_dir() and one.name.lower() == name for one in base.iterdir())


def registry(asked: ExaminedSet) -> Iterator[Check]:
    """The exports are complete, of this site, and were written during the offline window."""
    codes: set[str] = set()
    told = []
    for file in asked.exports:
        try:
            data = (asked.folder / file).read_bytes()
            if data.startswith(_HIVE):
                told.append(f"{file.rpartition('/')[2]}: a hive of {show_size(len(data))}")
                continue
            found = reg_file.parse(data, file)
        except (OSError, IntegrityError) as error:
            yield Check(
                name="registry",
                status="failed",
                said=str(error),
                consequence="The site's registry keys are lost: the recovered server lacks its settings.",
            )
            return
        codes |= {found.site_code} - {""}
        told.append(f"{found.root.rpartition(chr(92))[2]}: {found.keys} keys")
    if not told or codes - {asked.got.site}:
        yield Check(
            name="registry",
            status="failed",
            said=f"exports of {', '.join(sorted(codes)) or 'nothing'}",
            consequence="The registry keys are not of this site.",
        )
        return
    strays = [f"{file} of {when:%Y-%m-%d %H:%M}" for file, when in _find_outside_window(asked)]
    if strays:
        yield Check(
            name="registry",
            status="failed",
            said=f"not written during the offline window: {', '.join(strays)}",
            consequence="The registry keys are of another backup than the database.",
        )
    else:
        yield Check(name="registry", status="ok", said="; ".join(told))


def _find_outside_window(asked: ExaminedSet) -> Iterator[tuple[str, datetime]]:
    proof = asked.got.proof
    if asked.got.kind == "task":
        return
    begin = datetime.fromisoformat(proof.offline_from) if proof.offline_from else asked.taken - timedelta(hours=2)
    skew = timedelta(seconds=asked.got.machine.clock_skew)
    for file, modified in proof.written.items():
        when = _EPOCH + timedelta(microseconds=modified // 10)
        if not begin - SKEW <= when - skew <= asked.taken + SKEW:
            yield file, when


def control_file(asked: ExaminedSet) -> Iterator[Check]:
    """2007 stores the site's configuration in the master site control file; later versions store it in the database."""
    if asked.got.product != "2007":
        return
    file = asked.folder / CONTROL_FILE
    found = find_in(asked.folder, f"{asked.files}/{CONTROL_FILE}")
    if found is None:
        yield Check(
            name="control file",
            status="failed",
            said=f"{file.name} is not in the set",
            consequence="The site's configuration (addresses, boundaries, components) is lost.",
        )
        return
    data = found.read_bytes()
    text = data.decode("utf-16" if data.startswith(b"\xff\xfe") else "latin-1", "replace")
    if f"<{asked.got.site}>" not in text.upper():
        yield Check(
            name="control file",
            status="failed",
            said=f"{file.name} does not contain the site code {asked.got.site}",
            consequence="It is the configuration of another site.",
        )
    else:
        yield Check(name="control file", status="ok", said=f"{show_size(len(data))}, of {asked.got.site}")


def identity(asked: ExaminedSet) -> Iterator[Check]:
    """A recovery must be able to recognise the machine."""
    machine = asked.got.machine
    if machine.guid and machine.name and machine.installed:
        yield Check(name="identity", status="ok", said=f"{machine.name}, {machine.guid}")
        return
    yield Check(
        name="identity",
        status="warning" if asked.got.product != "2007" else "failed",
        said="the set does not name its machine",
        consequence="A recovery cannot find out whether the keys of srvacct still match: you may have to set every stored password again.",
    )


def cd_latest(asked: ExaminedSet) -> Iterator[Check]:
    """Current branch is recovered with the setup of its own build, from a copy of CD.Latest."""
    if asked.got.product == "2007":
        return
    needed = build_of(asked.got.version) >= FIRST_WITH_CD_LATEST
    place = next(
        (
            found
            for root in (f"{asked.files}/CD.Latest", f"{asked.got.files_root}CD.Latest")
            if (found := find_in(asked.folder, root))
        ),
        None,
    )
    if place is None:
        if needed:
            yield Check(
                name="CD.Latest",
                status="failed",
                said="it is not in the set",
                consequence="Without the matching CD.Latest the site cannot be recovered, only installed again.",
            )
        return
    version = version_of_cd_latest(asked.got)
    if build_of(version) != build_of(asked.got.version):
        yield Check(
            name="CD.Latest",
            status="failed",
            said=f"its setup is {version or 'missing or without a version'}, the site is {asked.got.version}",
            consequence="Setup rejects a database of another build: the site cannot be recovered with it.",
        )
    else:
        yield Check(name="CD.Latest", status="ok", said=version)
