"""Drops a database that carries our mark, whatever its state, and verifies that it does not exist any more."""

from __future__ import annotations

from sitekeeper.engine.errors import SqlError, UndoError, UnreachableError
from sitekeeper.sql.server import mark, queries, statements
from sitekeeper.sql.server.server import Server

ATTEMPTS = 3
SETTLE_SECONDS = 60.0
"""How long to wait for a statement whose client was lost: it may still create the database that must be dropped."""
_LOOK = 1.0
_IN_USE, _GONE = 3702, 3701


def exists(server: Server, name: str) -> str | None:
    """The state of a database; None if it does not exist."""
    rows = server.ask(queries.DATABASES)
    return next((str(row["state"]) for row in rows if str(row["name"]).lower() == name.lower()), None)


def settle(server: Server) -> None:
    """Wait until no other session creates a database any more, or the time for that is over."""
    clock = server.there.clock
    until = clock.monotonic() + SETTLE_SECONDS
    while server.ask(queries.UNDER_WAY) and clock.monotonic() < until:
        clock.sleep(_LOOK)


def drop(server: Server, name: str, run: str, folder: str = "") -> bool:
    """Drop it; False if it did not exist. Safe to call twice.

    With ``folder`` (the run's own) the database has its own name, and is ours if all its files are in that folder. Without,
    its name carries our mark.

    Raises:
        UndoError: it still exists, or its files are elsewhere. UsageError: it does not carry this run's mark.

    """
    if not folder:
        mark.refuse_foreign(name, run)
    found = False
    for _ in range(ATTEMPTS):
        state = exists(server, name)
        if state is None:
            return found
        found = True
        if folder:
            _refuse_elsewhere(server, name, folder)
        try:
            if state == "ONLINE":
                server.change(statements.single_user(name), text="dropping the database")
            server.change(statements.drop(name), text="dropping the database")
        except UnreachableError:
            continue  # look again: the list of databases shows whether it was done
        except SqlError as error:
            if error.number not in {_IN_USE, _GONE}:
                raise
            server.there.clock.sleep(_LOOK)
    if exists(server, name) is None:
        return True
    raise UndoError(
        f"database {name} still exists on {server.host}", hint="find what still uses it, then drop it manually"
    )


def _refuse_elsewhere(server: Server, name: str, folder: str) -> None:
    paths = [str(row["path"]).lower() for row in server.ask(queries.FILES, name)]
    if not paths or not all(path.startswith(f"{folder}\\".lower()) for path in paths):
        raise UndoError(
            f"database {name} on {server.host} has files outside of {folder}: this run did not attach it, so it was not dropped",
            hint="find out who created it; delete the files of this run in that folder manually",
        )
