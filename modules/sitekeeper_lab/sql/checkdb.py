"""``DBCC CHECKDB ... WITH TABLERESULTS``: reads every page of a database's files and tells what is damaged.

Columns are those of transcripts of TABLERESULTS: 2012 put DbFragId, RidDbId, RidPruId, RefDbId and RefPruId between the
old ones. With NO_INFOMSGS a sound database answers nothing.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sitekeeper_lab.sql import reply
from sitekeeper_lab.sql.convert import Value
from sitekeeper_lab.sql.datatypes import parse_type
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.files import Database
from sitekeeper_lab.sql.lexer import Token, join, words
from sitekeeper_lab.sql.progress import Progress
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.withoptions import Evaluate, read_options


def _named(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_OLD = _named(
    "Error Level State MessageText RepairLevel Status DbId ObjectId IndexId PartitionId AllocUnitId File Page Slot RefFile "
    "RefPage RefSlot Allocation"
)
_NEW = _named(
    "Error Level State MessageText RepairLevel Status DbId DbFragId ObjectId IndexId PartitionId AllocUnitId RidDbId "
    "RidPruId File Page Slot RefDbId RefPruId RefFile RefPage RefSlot Allocation"
)
_KINDS = {
    "MessageText": "nvarchar(2048)",
    "RepairLevel": "nvarchar(22)",
    "PartitionId": "bigint",
    "AllocUnitId": "bigint",
}
_PAGE = re.compile(r"\bpage (\d+)", re.IGNORECASE)
_REPAIR = "repair_allow_data_loss"


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged page."""

    file_id: int
    page: int
    test: str
    """What was tried: names the check inside 8939."""


def dbcc(tokens: Sequence[Token], state: SessionState, out: Reply, value: Evaluate) -> None:
    """Run one DBCC statement."""
    text = [token.upper for token in tokens]
    if text[1:3] != ["CHECKDB", "("] or text[4:6] != [")", "WITH"]:
        raise not_emulated(join(tokens[:6]))
    options = read_options(tokens[6:], words("TABLERESULTS NO_INFOMSGS ALL_ERRORMSGS"), value)
    if "TABLERESULTS" not in options.words:
        raise not_emulated("DBCC CHECKDB without TABLERESULTS")
    name = state.exact_name(tokens[3].value)
    database = state.user_database(name)
    if "sysadmin" not in state.login.roles:
        raise SqlFailure(
            7983, f"User '{state.login.name}' does not have permission to run DBCC checkdb for database '{name}'.", 14
        )
    if database is None:
        raise not_emulated("DBCC CHECKDB of a system database")
    with state.instance.activity.running(state.spid, "DBCC TABLE CHECK", name) as request:
        progress = Progress(out, request, state.faults.of_statement("checkdb"), 100)
        progress.advance(50)
        found = list(damages(database))
        progress.advance(50)
    number = state.database_id(name) or 0
    rows = [_row(told, number) for damage in found for told in _told(damage)]
    if found or "NO_INFOMSGS" not in options.words:
        rows.append(
            _row(
                (
                    8989,
                    10,
                    f"CHECKDB found 0 allocation errors and {len(found)} consistency errors in database '{name}'.",
                ),
                number,
            )
        )
    if found:
        rows.append(
            _row(
                (8958, 10, f"{_REPAIR} is the minimum repair level for the errors found by DBCC CHECKDB ({name})."),
                number,
            )
        )
    if not rows:
        out.done(None)
        return
    names = _NEW if state.instance.release.major >= 11 else _OLD
    out.columns([reply.Column(each, parse_type(_KINDS.get(each, "int"))) for each in names])
    for row in rows:
        out.row([row.get(each) for each in names])
    out.done(len(rows), reply.SELECT)


def damages(database: Database) -> Iterator[Damage]:
    """Every damage that reading all pages shows."""
    with database.reading:
        for file_id, file in ((1, database.mdf), (3, database.ndf)):
            if file is not None:
                with closing(sqlite3.connect(f"{file.path.resolve().as_uri()}?mode=ro", uri=True)) as data:
                    yield from _of_structure(data, file_id)
                    yield from _of_contents(data, file_id)


def _of_structure(data: sqlite3.Connection, file_id: int) -> Iterator[Damage]:
    try:
        rows = [str(row[0]) for row in data.execute("PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        rows = [str(error)]
    for line in "\n".join(rows).splitlines():
        if line != "ok" and not line.startswith("***"):
            page = _PAGE.search(line)
            yield Damage(file_id, int(page[1]) if page else 0, "IS_OFF (BUF_IOERR, pBUF->bstat)")


def _of_contents(data: sqlite3.Connection, file_id: int) -> Iterator[Damage]:
    """Rows of the big table know the checksum of what was written."""
    try:
        if data.execute("SELECT 1 FROM sqlite_master WHERE name = 'LabBulk'").fetchone():
            for number, crc, content in data.execute("SELECT id, crc, data FROM LabBulk"):
                if zlib.crc32(content) != crc:
                    yield Damage(file_id, 100 + number, "(m_freeData >= PageHeaderSize)")
    except sqlite3.DatabaseError:
        return  # the structure's check has told


def _told(damage: Damage) -> list[tuple[int, int, str, int, int]]:
    page = f"({damage.file_id}:{damage.page})"
    where = "index ID 0, partition ID 0, alloc unit ID 0 (type Unknown)"
    return [
        (
            8928,
            16,
            f"Object ID 0, {where}: Page {page} could not be processed. See other errors for details.",
            damage.file_id,
            damage.page,
        ),
        (
            8939,
            16,
            f"Table error: Object ID 0, {where}, page {page}. Test ({damage.test}) failed. Values are 0 and 0.",
            damage.file_id,
            damage.page,
        ),
    ]


def _row(told: tuple[int, int, str] | tuple[int, int, str, int, int], database_id: int) -> dict[str, Value]:
    number, level, text, *place = told
    row: dict[str, Value] = {
        "Error": number,
        "Level": level,
        "State": 1,
        "MessageText": text,
        "Status": 0,
        "DbId": database_id,
        "RepairLevel": _REPAIR if level > 10 else None,
        "Allocation": 0,
    }
    return row | dict(zip(("File", "Page"), place, strict=False))
