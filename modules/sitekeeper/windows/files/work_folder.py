"""The work folder of SQL Server on a host: made by the operator, opened to SQL Server's service, marked by a file."""

from __future__ import annotations

from sitekeeper.engine.errors import InventoryError, RemoteError, UsageError
from sitekeeper.engine.session import Context

MARKER = "sitekeeper-work.txt"
VARIABLE = "sql_work_dir"
_HINTS = {
    "SkNoMarker": f"an operator says by a file {MARKER} in it that we may write and delete there",
    "SkInvalidRoot": "a plain path like D:\\Drill",
}


def work_dir_of(there: Context) -> str:
    """The folder by the host's variable ``sql_work_dir``, without a backslash at its end.

    Raises:
        InventoryError: there is none.

    """
    given = there.vars.get(VARIABLE)
    if not isinstance(given, str) or not given:
        raise InventoryError(
            f"{there.host} has no {VARIABLE}",
            host=there.host,
            hint=f"make a folder that SQL Server's service may write, put a file {MARKER} into it, name it in the inventory",
        )
    return given.rstrip("\\")


def listed(there: Context, root: str, run: str) -> dict[str, int]:
    """Files in a run's folder with their lengths; with an empty run the runs that have a folder.

    Raises:
        UsageError: the folder is not marked, or its path is none that we take.

    """
    try:
        rows = there.ps.call("Get-SkWorkFile", Root=root, Run=run)
    except RemoteError as error:
        raise explained(error, root) from None
    return {str(row["Name"]): int(row["Length"]) for row in rows}


def explained(error: RemoteError, root: str) -> Exception:
    """Why the host takes no files there."""
    word = error.record.message if error.record else ""
    if word in _HINTS:
        return UsageError(f"{root} is not a folder that we may write ({word})", host=error.host, hint=_HINTS[word])
    return error
