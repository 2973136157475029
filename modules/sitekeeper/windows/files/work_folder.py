"""The work folder of SQL Server on a host: the operator creates it, opens it to SQL Server's service, marks it by a file."""

from __future__ import annotations

from sitekeeper.engine.errors import InventoryError, RemoteError, UsageError
from sitekeeper.engine.session import Context

MARKER = "sitekeeper-work.txt"
VARIABLE = "sql_work_dir"
_HINTS = {
    "SkNoMarker": f"create an empty file {MARKER} in it: with it you allow sitekeeper to write and delete there",
    "SkInvalidRoot": "write a plain local path like D:\\Drill",
}


def work_dir_of(there: Context) -> str:
    """The folder by the host's variable ``sql_work_dir``, without a backslash at its end.

    Raises:
        InventoryError: the variable is not set.

    """
    given = there.vars.get(VARIABLE)
    if not isinstance(given, str) or not given:
        raise InventoryError(
            f"variable {VARIABLE} is not set for {there.host}",
            host=there.host,
            hint=f"create a folder on {there.host} that SQL Server's service may write to, create an empty file {MARKER} in it, and set "
            f"{VARIABLE} in the inventory",
        )
    return given.rstrip("\\")


def list_files(there: Context, root: str, run: str) -> dict[str, int]:
    """List the files in a run's folder with their lengths; with an empty run, the runs that have a folder.

    Raises:
        UsageError: the folder is not marked, or its path is invalid.

    """
    try:
        rows = there.ps.call("Get-SkWorkFile", Root=root, Run=run)
    except RemoteError as error:
        raise explain_refusal(error, root) from None
    return {str(row["Name"]): int(row["Length"]) for row in rows}


def explain_refusal(error: RemoteError, root: str) -> Exception:
    """Explain why the host accepts no files there."""
    word = error.record.message if error.record else ""
    if word in _HINTS:
        return UsageError(f"{root} cannot be used as work folder ({word})", host=error.host, hint=_HINTS[word])
    return error
