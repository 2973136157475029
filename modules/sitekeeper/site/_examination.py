"""The questions of ``site.examine``: is what came out of a set the site that it says, of one instant, and of what use is it?

Each is a function that yields what it found, with its consequence in plain words: who reads it may never have seen a recovery.
What a recovery does with old data: Microsoft Learn, "Recover a site" (current branch), and KB Q201603 for the products before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.plan import Check
from sitekeeper.site._build import FIRST_WITH_CD_LATEST, build_of, file_version
from sitekeeper.sql import queries
from sitekeeper.store import _regfile
from sitekeeper.store._complete import FOLDERS
from sitekeeper.store._results import Gotten
from sitekeeper.transport.sql import SqlSession
from sitekeeper.windows.snapshot import prove_window

STOPPED = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
SILENCE = timedelta(days=1)
"""How long before the backup a site may have written its last status message: components report several times an hour."""
SKEW = timedelta(minutes=5)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_HIVE = b"regf"
CONTROL_FILE = "inboxes/sitectrl.box/sitectrl.ct0"
SETUP_OF_CD_LATEST = "SMSSETUP/BIN/X64/setup.exe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is examined."""

    got: Gotten
    session: SqlSession | None
    """To the server that the database was brought up on."""
    database: str | None
    """Its name there; None for a set without one."""
    now: datetime
    oldest: timedelta | None
    later: bool = False
    """Whether the database was restored from a backup that SQL Server wrote after the window, when the site was running again."""

    @property
    def folder(self) -> Path:
        """The plain files of the set."""
        return folder_of(self.got)

    @property
    def files(self) -> str:
        """Where the site server's files are in it."""
        return f"{self.got.files_root}SiteServer/SMSServer"

    @property
    def exports(self) -> tuple[str, ...]:
        """The registry's keys: exports of ours, or what the backup task wrote."""
        if self.got.kind == "snapshot":
            return self.got.registry
        return tuple(f"{self.got.files_root}SiteServer/SMSbkSiteReg{key}.dat" for key in ("SMS", "NAL"))

    @property
    def taken(self) -> datetime:
        """When the set was made."""
        return datetime.fromisoformat(self.got.taken_at)


def window(asked: Asked) -> Iterator[Check]:
    """The site stood still while it was copied: what the set itself noted down is judged again."""
    got = asked.got
    if got.kind == "task":
        return
    try:
        prove_window(got.proof.before, got.proof.after, STOPPED)
    except IntegrityError as error:
        yield Check(
            name="window", status="failed", said=error.message,
            consequence="Files, registry and database are of different moments: a site recovered from them is out of step with itself.",
        )  # fmt: skip
        return
    if got.database is not None and got.proof.consistency not in {"writer", "crash"}:
        yield Check(
            name="window", status="failed", said=f"the set says of itself: {got.proof.consistency}",
            consequence="The database is not of the same instant as the files: recovery needs both of one.",
        )  # fmt: skip
        return
    how = "no writer took part" if got.proof.consistency == "crash" else "the SQL writer took part"
    yield Check(name="window", status="ok", said=f"services stopped before and after, one boot; {how}")


def layout(asked: Asked) -> Iterator[Check]:
    """Everything that a recovery reads is there."""
    missing = [name for name in FOLDERS if not _folder(asked, name)]
    got = asked.got
    have = {one.name.lower() for one in got.database_files}
    wanted = {one.path.rpartition("\\")[2].lower() for one in got.database.files} if got.database else set()
    missing += sorted(wanted - have)
    if missing:
        yield Check(
            name="layout", status="failed", said=f"missing: {', '.join(missing)}",
            consequence="What is missing cannot be recovered from this set.", hint="look at what excludes it from the backup",
        )  # fmt: skip
    else:
        yield Check(name="layout", status="ok", said=f"{', '.join(FOLDERS)}; {len(have)} database files")


def _folder(asked: Asked, name: str) -> bool:
    """Windows does not tell case apart: 2007's task writes INBOXES, setup inboxes."""
    base = asked.folder / asked.files
    return base.is_dir() and any(one.is_dir() and one.name.lower() == name for one in base.iterdir())


def questions(asked: Asked) -> Iterator[Check]:
    """What ConfigMgr's own views answer in the restored database."""
    if asked.session is None or asked.database is None:
        if asked.got.database is not None:
            yield Check(
                name="site code", status="failed", said="the database was not brought up, so it could not be asked",
                consequence="Nothing is known of what is in it.",
            )  # fmt: skip
        return
    rows = asked.session.query(queries.site_rows(asked.database))
    codes = {str(row["SiteCode"]).upper(): row for row in rows}
    mine = codes.get(asked.got.site)
    if mine is None:
        yield Check(
            name="site code", status="failed", said=f"the database knows {', '.join(sorted(codes)) or 'no site'}, not {asked.got.site}",
            consequence="It is the database of another site: recovered, it would bring up a site that nobody expects here.",
        )  # fmt: skip
        return
    parent = str(mine["ReportingSiteCode"] or "").upper() or None
    if parent != asked.got.parent:
        yield Check(
            name="site code", status="failed", said=f"its parent is {parent or 'none'}, the set says {asked.got.parent or 'none'}",
            consequence="The database is of another time or another site: the hierarchy would not take it back.",
        )  # fmt: skip
    else:
        yield Check(name="site code", status="ok", said=f"{asked.got.site}, parent {parent or 'none'}")
    yield _version(asked, str(mine["Version"]))


def _version(asked: Asked, version: str) -> Check:
    if build_of(version) != build_of(asked.got.version):
        return Check(
            name="version", status="failed", said=f"the database is of {version}, the files are of {asked.got.version}",
            consequence="Setup recovers a database only with the build that it belongs to.",
        )  # fmt: skip
    return Check(name="version", status="ok", said=version)


def counts(asked: Asked) -> Iterator[Check]:
    """Rows of the tables that were counted inside the window."""
    if asked.session is None or asked.database is None:
        return
    known = asked.got.row_counts
    if not known:
        yield Check(
            name="row counts", status="warning", said="none were counted when the set was made",
            consequence="That the database is complete is known from CHECKDB alone.", hint="count_tables in the inventory",
        )  # fmt: skip
        return
    rows = asked.session.query(queries.row_counts(sorted(known), database=asked.database))
    now = {str(row["table_name"]): int(str(row["row_count"])) for row in rows}
    other = [f"{name}: {now[name]}, was {known[name]}" for name in sorted(known) if now[name] != known[name]]
    if other and asked.later:
        yield Check(
            name="row counts", status="warning", said="; ".join(other),
            consequence="The backup was written after the window, in which rows were counted: the running site may have written these.",
        )  # fmt: skip
    elif other:
        yield Check(
            name="row counts", status="failed", said="; ".join(other),
            consequence="It is not the database that was counted: of another night, or not whole.",
        )  # fmt: skip
    else:
        yield Check(
            name="row counts", status="ok", said=", ".join(f"{name} {number}" for name, number in sorted(known.items()))
        )


def instant(asked: Asked) -> Iterator[Check]:
    """A living site writes status messages all the time: the newest must be of shortly before the backup."""
    if asked.session is None or asked.database is None:
        return
    (row,) = asked.session.query(queries.last_message(asked.database))
    last = row["last"]
    if not isinstance(last, datetime):
        yield Check(
            name="instant", status="warning", said="the database has no status messages",
            consequence="That it is of the night that the set names is not proved.",
        )  # fmt: skip
        return
    last = last.replace(tzinfo=UTC)
    skew = timedelta(seconds=asked.got.machine.clock_skew)
    late, early = not asked.later and last - skew > asked.taken + SKEW, last - skew < asked.taken - SILENCE
    said = f"the newest status message is of {last:%Y-%m-%d %H:%M} UTC, the set of {asked.taken:%Y-%m-%d %H:%M}"
    if late or early:
        yield Check(
            name="instant", status="failed", said=said,
            consequence=f"The database is {'newer' if late else 'older'} than the set says: not of one instant with its files.",
        )  # fmt: skip
    else:
        yield Check(name="instant", status="ok", said=said)


def collation(asked: Asked) -> Iterator[Check]:
    """The database sorts as it did: it is part of its files, so another one means other files."""
    if asked.session is None or asked.database is None or asked.got.database is None:
        return
    (row,) = asked.session.query(queries.DATABASE, asked.database)
    known = asked.got.database.collation
    if str(row["collation"]) != known:
        yield Check(
            name="collation", status="failed", said=f"{row['collation']}, the set says {known}",
            consequence="ConfigMgr's queries fail on a database of another collation.",
        )  # fmt: skip
    else:
        yield Check(name="collation", status="ok", said=known)


def registry(asked: Asked) -> Iterator[Check]:
    """The exports are whole, of this site, and were written inside the window."""
    codes: set[str] = set()
    told = []
    for file in asked.exports:
        try:
            data = (asked.folder / file).read_bytes()
            if data.startswith(_HIVE):
                told.append(f"{file.rpartition('/')[2]}: a hive of {len(data)} bytes")
                continue
            found = _regfile.parse(data, file)
        except (OSError, IntegrityError) as error:
            yield Check(
                name="registry", status="failed", said=str(error),
                consequence="The site's registry keys are lost with it: the recovered server lacks its settings.",
            )  # fmt: skip
            return
        codes |= {found.site_code} - {""}
        told.append(f"{found.root.rpartition(chr(92))[2]}: {found.keys} keys")
    if not told or codes - {asked.got.site}:
        yield Check(
            name="registry", status="failed", said=f"exports of {', '.join(sorted(codes)) or 'nothing'}",
            consequence="The registry keys are not this site's.",
        )  # fmt: skip
        return
    strays = [f"{file} of {when:%Y-%m-%d %H:%M}" for file, when in _outside_window(asked)]
    if strays:
        yield Check(
            name="registry", status="failed", said=f"written outside of the window: {', '.join(strays)}",
            consequence="The registry keys are of another backup than the database.",
        )  # fmt: skip
    else:
        yield Check(name="registry", status="ok", said="; ".join(told))


def _outside_window(asked: Asked) -> Iterator[tuple[str, datetime]]:
    proof = asked.got.proof
    if asked.got.kind == "task":
        return
    begin = datetime.fromisoformat(proof.offline_from) if proof.offline_from else asked.taken - timedelta(hours=2)
    skew = timedelta(seconds=asked.got.machine.clock_skew)
    for file, modified in proof.written.items():
        when = _EPOCH + timedelta(microseconds=modified // 10)
        if not begin - SKEW <= when - skew <= asked.taken + SKEW:
            yield file, when


def control_file(asked: Asked) -> Iterator[Check]:
    """2007 keeps the site's own description in the master site control file; later it is in the database."""
    if asked.got.product != "2007":
        return
    file = asked.folder / CONTROL_FILE
    found = _insensitive(asked.folder, f"{asked.files}/{CONTROL_FILE}")
    if found is None:
        yield Check(
            name="control file", status="failed", said=f"{file.name} is not in the set",
            consequence="The site's description (addresses, boundaries, components) is lost.",
        )  # fmt: skip
        return
    data = found.read_bytes()
    text = data.decode("utf-16" if data.startswith(b"\xff\xfe") else "latin-1", "replace")
    if f"<{asked.got.site}>" not in text.upper():
        yield Check(
            name="control file", status="failed", said=f"{file.name} does not name {asked.got.site}",
            consequence="It describes another site.",
        )  # fmt: skip
    else:
        yield Check(name="control file", status="ok", said=f"{len(data)} bytes, of {asked.got.site}")


def _insensitive(folder: Path, name: str) -> Path | None:
    at = folder
    for part in name.split("/"):
        inner = [one for one in at.iterdir() if one.name.lower() == part.lower()] if at.is_dir() else []
        if not inner:
            return None
        at = inner[0]
    return at


def identity(asked: Asked) -> Iterator[Check]:
    """Whether it can be told one day that the machine is still the same."""
    machine = asked.got.machine
    if machine.guid and machine.name and machine.installed:
        yield Check(name="identity", status="ok", said=f"{machine.name}, {machine.guid}")
        return
    yield Check(
        name="identity", status="warning" if asked.got.product != "2007" else "failed", said="the set does not name the machine it is of",
        consequence="A recovery cannot tell whether the keys of srvacct still fit: every stored password may have to be set anew.",
    )  # fmt: skip


def cd_latest(asked: Asked) -> Iterator[Check]:
    """Current branch is recovered by the setup of its own build, from a copy of CD.Latest."""
    if asked.got.product == "2007":
        return
    needed = build_of(asked.got.version) >= FIRST_WITH_CD_LATEST
    place = next(
        (
            found
            for root in (f"{asked.files}/CD.Latest", f"{asked.got.files_root}CD.Latest")
            if (found := _insensitive(asked.folder, root))
        ),
        None,
    )
    if place is None:
        if needed:
            yield Check(
                name="CD.Latest", status="failed", said="it is not in the set",
                consequence="Without the matching CD.Latest the site cannot be recovered, only installed anew.",
            )  # fmt: skip
        return
    version = version_of_cd_latest(asked.got)
    if build_of(version) != build_of(asked.got.version):
        yield Check(
            name="CD.Latest", status="failed", said=f"its setup is {version or 'missing or of no version'}, the site {asked.got.version}",
            consequence="Setup refuses a database of another build: the site cannot be recovered with it.",
        )  # fmt: skip
    else:
        yield Check(name="CD.Latest", status="ok", said=version)


def folder_of(got: Gotten) -> Path:
    """The plain files of a set."""
    return Path(str(got.folder))


def version_of_cd_latest(got: Gotten) -> str:
    """The version of the setup in a set's CD.Latest; empty where there is none."""
    for root in (f"{got.files_root}SiteServer/SMSServer/CD.Latest", f"{got.files_root}CD.Latest"):
        program = _insensitive(folder_of(got), f"{root}/{SETUP_OF_CD_LATEST}")
        if program is not None:
            return file_version(program.read_bytes())
    return ""


def age(asked: Asked) -> Iterator[Check]:
    """How old the set is, and what that means for this kind of site."""
    passed = asked.now - asked.taken
    said = f"{passed.total_seconds() / 3600:.1f} h old"
    kept = retention(asked.got.database.change_tracking if asked.got.database else "")
    meaning, beyond = _meaning(asked.got, passed, kept)
    if asked.oldest is not None and passed > asked.oldest:
        most = f"{asked.oldest.total_seconds() / 3600:.0f} h"
        yield Check(name="age", status="failed", said=f"{said}, at most {most} are asked for", consequence=meaning)
    else:
        yield Check(name="age", status="warning" if beyond else "ok", said=f"{said}: {meaning}", consequence=meaning)


def retention(text: str) -> timedelta:
    """How long change tracking keeps what was changed, as the server says it: ``5 DAYS``."""
    number, _, unit = text.partition(" ")
    units = {"MINUTES": "minutes", "HOURS": "hours", "DAYS": "days"}
    if not number.isdigit() or unit not in units:
        return timedelta(0)
    return timedelta(**{units[unit]: int(number)})


def _meaning(got: Gotten, passed: timedelta, kept: timedelta) -> tuple[str, bool]:
    since = f"the last {passed.total_seconds() / 3600:.0f} h"
    if got.product == "2007":
        return (
            f"what was changed in {since} comes from parent or child sites by the Site Repair Wizard, or is entered again",
            False,
        )
    if got.site_type != "cas" and got.parent is None:
        return f"what was changed in {since} is lost: there is no other site to take it from", False
    beyond = bool(kept) and passed > kept
    days = kept.days
    if got.site_type == "cas":
        if beyond:
            return (
                f"older than the {days} days of change tracking: without a reference site all primaries fall back to this old data",
                True,
            )
        return f"inside the {days} days of change tracking: what was changed in {since} comes from the primaries", False
    if beyond:
        return (
            f"older than the {days} days of change tracking: global data is copied anew from the central administration site",
            True,
        )
    return (
        f"inside the {days} days of change tracking: global data of {since} comes from the central administration site",
        False,
    )


ALL: tuple[Callable[[Asked], Iterator[Check]], ...] = (
    window, layout, questions, counts, instant, collation, registry, control_file, identity, cd_latest, age,
)  # fmt: skip
