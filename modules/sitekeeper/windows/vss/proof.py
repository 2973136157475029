"""Proves a shadow copy set: the services were stopped around it, and the SQL writer took part for this database."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.errors import (
    IntegrityError,
)
from sitekeeper.model.site import SiteDatabase
from sitekeeper.model.windows import WatchedService
from sitekeeper.windows.vss import tool_texts


def prove_window(
    before: tuple[WatchedService, ...], after: tuple[WatchedService, ...], services: tuple[str, ...]
) -> None:
    """Prove that the services were down all the time: Stopped directly before and after, in the same boot.

    Raises:
        IntegrityError: they were not; files and database are not of one instant.

    """
    for when, seen in (("before", before), ("after", after)):
        up = [f"{one.name} {one.state}" for one in seen if one.state != "Stopped" or one.pid]
        if up:
            raise IntegrityError(f"the site was not offline: directly {when} the shadow copy was {', '.join(up)}")
    if {one.name for one in before} != {one.name for one in after}:
        raise IntegrityError(
            "the services changed while the shadow copy was made: not the same ones before and after it"
        )
    missing = {name.lower() for name in services} - {one.name.lower() for one in before}
    if missing:
        raise IntegrityError(f"the state of {', '.join(sorted(missing))} around the shadow copy is not known")
    boots = {one.boot for one in (*before, *after)}
    if boots & {"", "None"}:
        raise IntegrityError("the boot time of the host around the shadow copy is not known")
    if len(boots) > 1:
        raise IntegrityError("the host was restarted while the shadow copy was made")


def _instance_of(path: str) -> str:
    r"""``SERVER\INSTANCE`` without the server: a listener, a cluster and its node are called differently."""
    return path.lower().partition("\\")[2]


def prove_database(answer: dict[str, Any], database: SiteDatabase) -> None:
    """Prove that the writer's own document lists this database as a copy backup.

    ``backupSucceeded`` is not read: it is undefined before a BackupComplete event, which nothing sends here (Microsoft Learn,
    "IVssComponent::GetBackupSucceeded").

    Raises:
        IntegrityError: it does not; the shadow copy holds no consistent database.

    """
    try:
        document = tool_texts.read_backup_document(str(answer["Document"]))
    except ValueError as error:
        raise IntegrityError(f"the shadow copy has no proof that it contains {database}: {error}") from None
    mine = [
        one
        for one in document.components
        if one.writer == tool_texts.SQL_WRITER
        and one.name.lower() == database.name.lower()
        and _instance_of(one.logical_path) == _instance_of(database.component)
    ]
    if not mine:
        raise IntegrityError(
            f"the SQL writer did not back up {database}: not all of its files are in the shadow copy set",
            hint="read the Application log of the database host (sources VSS and SQLWRITER)",
        )
    if document.backup_type != "copy":
        raise IntegrityError(f"the shadow copy was made as a {document.backup_type} backup, not as a copy backup")
