"""Drops a database that carries our mark, whatever state it is in, and knows that it is gone."""

from __future__ import annotations

from sitekeeper.engine.errors import SqlError, UndoError, UnreachableError
from sitekeeper.sql.server import mark, queries, statements
from sitekeeper.sql.server.server import Server

ATTEMPTS = 3
SETTLE_SECONDS = 60.0
"""How long a statement is waited for whose client was lost: it may still make what is to be dropped."""
_LOOK = 1.0
_IN_USE, _GONE = 3702, 3701


def exists(server: Server, name: str) -> str | None:
    """The state of a database; None when there is none of that name."""
    rows = server.ask(queries.DATABASES)
    return next((str(row["state"]) for row in rows if str(row["name"]).lower() == name.lower()), None)


def settle(server: Server) -> None:
    """Wait until no other session makes a database any more, or the time for that is over."""
    clock = server.there.clock
    until = clock.monotonic() + SETTLE_SECONDS
    while server.ask(queries.UNDER_WAY) and clock.monotonic() < until:
        clock.sleep(_LOOK)


def drop(server: Server, name: str, run: str, folder: str = "") -> bool:
    """Drop it; False when there was none. Twice does no harm.

    A database under its own name is ours while all its files lie in ``folder``, the run's own; any other carries our mark.

    Raises:
        UndoError: it is still there, or its files lie elsewhere. UsageError: it does not carry this run's mark.

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
                server.change(statements.single_user(name), text="dropping")
            server.change(statements.drop(name), text="dropping")
        except UnreachableError:
            continue  # looked at again: whether it was done shows in what is there
        except SqlError as error:
            if error.number not in {_IN_USE, _GONE}:
                raise
            server.there.clock.sleep(_LOOK)
    if exists(server, name) is None:
        return True
    raise UndoError(
        f"database {name} on {server.host} is still there", hint="DROP DATABASE by hand, and look who uses it"
    )


def _refuse_elsewhere(server: Server, name: str, folder: str) -> None:
    paths = [str(row["path"]).lower() for row in server.ask(queries.FILES, name)]
    if not paths or not all(path.startswith(f"{folder}\\".lower()) for path in paths):
        raise UndoError(
            f"database {name} on {server.host} has files outside of {folder}: it is not the one that this run attached",
            hint="look whose it is; what is left of ours are files in that folder",
        )
