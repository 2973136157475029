"""Serial numbers: how the sites of a hierarchy notice that one of them has gone back in time.

A site numbers what it sends; its parent and its children remember the highest number that they saw and reject what does
not go on from there (KB Q201603). Setup's recovery and the Site Repair Wizard set a site's numbers forward, a database
that was merely put back does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sitekeeper_lab.sql.files import Database


@dataclass(frozen=True, slots=True)
class Member:
    """A site that takes part: its code, its parent's, its database, and whether it may send."""

    code: str
    parent: str | None
    database: Database
    silent: str = ""
    """Why it sends nothing: it is down, or its site reset was left out."""


def exchange(members: Iterable[Member]) -> list[str]:
    """Every site sends to its parent and its children once; answers what was rejected, ``PR1 -> CEN``."""
    by_code = {one.code: one for one in members}
    rejected: list[str] = []
    for child in by_code.values():
        parent = by_code.get(child.parent or "")
        if parent is not None:
            rejected += _send(child, parent)
            rejected += _send(parent, child)
    return rejected


def _send(sender: Member, receiver: Member) -> list[str]:
    if sender.silent or receiver.silent:
        return [f"{sender.code} -> {receiver.code}: {sender.silent or receiver.silent}"]
    number = serial(sender.database, sender.code) + 1
    _write(sender.database, sender.code, number)
    seen = serial(receiver.database, sender.code)
    if number <= seen:
        return [f"{sender.code} -> {receiver.code}: serial number {number}, {seen} was seen already"]
    _write(receiver.database, sender.code, number)
    return []


def forward(site: Member, others: Iterable[Member]) -> None:
    """What recovery does: go on behind what the others have seen, and take theirs as they are."""
    known = list(others)
    _write(site.database, site.code, max([serial(one.database, site.code) for one in known], default=0) + 1000)
    for one in known:
        _write(site.database, one.code, serial(one.database, one.code))


def serial(database: Database, code: str) -> int:
    """The highest number of a site that a database knows: of its own what was sent, of others what was seen."""
    with database.read() as data:
        row = data.execute("SELECT value FROM LabSerials WHERE SiteCode = ?", (code,)).fetchone()
    return int(row[0]) if row is not None else 0


def _write(database: Database, code: str, number: int) -> None:
    with database.change("UPDATE LabSerials") as data:
        data.execute("DELETE FROM LabSerials WHERE SiteCode = ?", (code,))
        data.execute("INSERT INTO LabSerials VALUES (?, ?)", (code, number))
