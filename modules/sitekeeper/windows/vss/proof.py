"""What proves a shadow copy set: the services were stopped around it, and the SQL writer took part for this database."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.errors import (
    IntegrityError,
)
from sitekeeper.model.site import Database
from sitekeeper.model.windows import Watched
from sitekeeper.windows.vss import tool_texts


def prove_window(before: tuple[Watched, ...], after: tuple[Watched, ...], services: tuple[str, ...]) -> None:
    """The services were down all the time: Stopped directly before and after, in the same boot.

    Raises:
        IntegrityError: they were not; the shadow copy is torn.

    """
    for when, seen in (("before", before), ("after", after)):
        up = [f"{one.name} {one.state}" for one in seen if one.state != "Stopped" or one.pid]
        if up:
            raise IntegrityError(f"the window was broken: directly {when} the shadow copy was {', '.join(up)}")
    if {one.name for one in before} != {one.name for one in after}:
        raise IntegrityError("the window was broken: other services before than after the shadow copy")
    missing = {name.lower() for name in services} - {one.name.lower() for one in before}
    if missing:
        raise IntegrityError(f"nothing is known of {', '.join(sorted(missing))} around the shadow copy")
    boots = {one.boot for one in (*before, *after)}
    if boots & {"", "None"}:
        raise IntegrityError("nothing is known of the host's last start around the shadow copy")
    if len(boots) > 1:
        raise IntegrityError("the window was broken: the host was restarted around the shadow copy")


def prove_database(answer: dict[str, Any], database: Database) -> None:
    """The writer's own document lists this database as a copy backup.

    Raises:
        IntegrityError: it does not; the copy holds no consistent database.

    """
    try:
        document = tool_texts.backup_document(str(answer["Document"]))
    except ValueError as error:
        raise IntegrityError(f"no proof that the database is in the shadow copy: {error}") from None
    mine = [
        one
        for one in document.components
        if one.writer == tool_texts.SQL_WRITER
        and one.name.lower() == database.name.lower()
        and one.logical_path.lower() == database.component.lower()
    ]
    if not mine:
        raise IntegrityError(
            f"the SQL writer did not take part for {database}: its files are not all in the set",
            hint="read the Application log of the database host (sources VSS and SQLWRITER)",
        )
    if not all(one.succeeded for one in mine):
        raise IntegrityError(f"the SQL writer says that its backup of {database} failed")
    if document.backup_type != "copy":
        raise IntegrityError(f"the shadow copy was made as a {document.backup_type} backup and not as a copy")
