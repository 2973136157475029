"""What the twins share: parameters, the errors of .NET and of the scripts, and objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from psrpcore.types import PSInt64

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.engines.binding import Parameter
from sitekeeper_lab.engines.call import Call, Function, thrown
from sitekeeper_lab.engines.objects import custom
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.files import REPARSE

__all__ = ["REPARSE", "Call", "Host", "PSInt64", "custom", "thrown"]
MAX_PATH = 260
"""The longest path, with its end mark, that .NET opens on the systems of the lab."""

_DOTS = re.compile(r"(^|\\)\.\.(\\|$)")
_CHARACTERS = re.compile(r'[:/*?"<>|]')


def twin(name: str, sha256: str, run: Callable[[Call], Iterator[Any]], **kinds: str) -> Function:
    """A twin with its parameters by name and kind; positions are theirs in order, as in a function's ``param`` block."""
    parameters = {parameter: Parameter(kind, position) for position, (parameter, kind) in enumerate(kinds.items())}
    return Function(name, sha256, parameters, run)


def text(call: Call, name: str) -> str:
    """A [string] parameter: empty when it was not given."""
    return call.bound.text(name) or ""


def number(call: Call, name: str) -> int:
    """An [int] or [long] parameter: 0 when it was not given."""
    return int(call.bound.values.get(name) or 0)


def check_path(path: str) -> None:
    """``throw 'SkInvalidPath'`` for a path that is not relative and plain."""
    if _DOTS.search(path) or _CHARACTERS.search(path) or path.startswith("\\"):
        raise thrown("SkInvalidPath")


def written_error(call: Call, message: str, error_id: str, category: int, target: str) -> None:
    """``Write-Error`` inside the function."""
    call.write_error(
        ErrorRecord(
            message,
            f"{error_id},{call.name}",
            category,
            "Microsoft.PowerShell.Commands.WriteErrorException",
            target,
            "Write-Error",
        )
    )


def method_failed(call: Call, method: str, count: int, kind: str, message: str) -> ErrorRecord:
    """A .NET method threw, and the function's trap ended it: the record that PowerShell makes of it (measured)."""
    return ErrorRecord(
        f'Exception calling "{method}" with "{count}" argument(s): "{message}"',
        f"{kind},{call.name}",
        0,
        "System.Management.Automation.MethodInvocationException",
    )


def file_failure(error: OSError, path: str) -> str:
    """The .NET exception's name for a failed open."""
    if len(path) >= MAX_PATH:
        return "PathTooLongException"
    if isinstance(error, IsADirectoryError | PermissionError):
        return "UnauthorizedAccessException"
    if isinstance(error, NotADirectoryError):
        return "DirectoryNotFoundException"
    return "FileNotFoundException" if isinstance(error, FileNotFoundError) else "IOException"


def run_tool(call: Call, name: str, *arguments: str) -> tuple[list[str], int | None]:
    """``& name arguments 2>&1`` and ``$LASTEXITCODE``.

    A tool that does not exist ends the function by its trap (measured).
    """
    # Imported here: the tools import the host's VSS, which imports nothing of the engine, but this file is imported early.
    from sitekeeper_lab.engines.call import command_not_found  # noqa: PLC0415  # as above
    from sitekeeper_lab.windows.native import find_tool  # noqa: PLC0415  # as above
    from sitekeeper_lab.windows.native.answer import NotEmulated  # noqa: PLC0415  # as above

    tool = find_tool(name, call.host)
    if tool is None:
        missing = command_not_found(name)
        missing.error_id = f"{missing.error_id},{call.name}"
        raise missing
    call.host.audit.write("native", call.host.name, command=name, arguments=list(arguments))
    try:
        answer = tool(arguments, call.host)
    except NotEmulated as error:
        message = f"emulator: {error} is not emulated"
        raise ErrorRecord(message, "EmulatorNotImplemented", 11, "System.NotImplementedException", name) from error
    call.session.last_exit_code = answer.code
    return answer.merged, answer.code


def round_trip(moment: datetime) -> str:
    """``DateTime.ToString('o')`` of a UTC time."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}0Z"


def parse_round_trip(value: str) -> datetime:
    """The reverse; 100 ns are cut off."""
    return datetime.fromisoformat(value[:26] + "+00:00")


def same(left: str, right: str) -> bool:
    """PowerShell's ``-eq`` on strings."""
    return left.casefold() == right.casefold()


def value_of(item: PsObject, name: str) -> Any:
    """A property of an object that another twin made."""
    return item.extended[name]
