"""What a running command of the Python engine sees: its arguments, its host, and where its output and errors go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sitekeeper_lab.engines.api import ErrorRecord, Sink
from sitekeeper_lab.engines.binding import CONTINUE, IGNORE, SILENTLY, STOP, Bound, Parameter, not_emulated
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.wmi import Wmi


@dataclass(slots=True)
class Session:
    """What lives as long as a runspace."""

    functions: dict[str, Function]
    last_exit_code: int | None = None
    """``$LASTEXITCODE``: of the last native tool; one that could not be started leaves it as it was."""
    lock: str | None = None
    """``$global:SkLock``: the file that this session alone has open. Closed with it, as a process' files are."""


@dataclass(slots=True)
class Call:
    """One running command."""

    name: str
    host: Host
    wmi: Wmi
    sink: Sink
    bound: Bound
    input: Iterable[Any]
    session: Session
    error_action: int = CONTINUE
    merge: Callable[[ErrorRecord], None] | None = None

    def write_error(self, record: ErrorRecord) -> None:
        """A non-terminating error, unless ErrorAction makes it one that ends the pipeline.

        Raises:
            ErrorRecord: ErrorAction is Stop.

        """
        if self.error_action in {SILENTLY, IGNORE}:
            return
        if not record.activity:
            record.activity = self.name
        if self.error_action == STOP:
            record.terminates_pipeline = True
            raise record
        if self.merge is not None:
            self.merge(record)
        else:
            self.sink.error(record)

    def function(self, name: str, **arguments: Any) -> list[Any]:
        """Call another function of ours, as the scripts do: it must have been loaded, too."""
        return list(self.stream(name, **arguments))

    def one(self, name: str, **arguments: Any) -> Any:
        """What a function answers with one value.

        Raises:
            ErrorRecord: it answered nothing; the script would go on with null, which the lab does not follow.

        """
        values = self.function(name, **arguments)
        if not values:
            raise not_emulated(f"going on with nothing from {name}")
        return values[0]

    def stream(self, name: str, **arguments: Any) -> Iterator[Any]:
        """As :meth:`function`, object by object."""
        found = self.session.functions.get(name.lower())
        if found is None:
            raise command_not_found(name)
        inner = replace(self, name=name, bound=Bound(dict(arguments), self.error_action), input=())
        return found.run(inner)


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """A built-in command."""

    name: str
    type_name: str
    """The class that implements it; stands in its error ids."""
    parameters: Mapping[str, Parameter]
    run: Callable[[Call], Iterator[Any]]
    since: tuple[int, int] = (2, 0)
    """The first PowerShell that has it."""
    until: tuple[int, int] = (5, 1)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the client's, carried out by its twin."""

    name: str
    sha256: str
    parameters: Mapping[str, Parameter]
    run: Callable[[Call], Iterator[Any]]


def command_not_found(name: str) -> ErrorRecord:
    """The error of an unknown command, in Windows PowerShell's words (recorded)."""
    message = (
        f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. "
        "Check the spelling of the name, or if a path was included, verify that the path is correct and try again."
    )
    return ErrorRecord(
        message,
        "CommandNotFoundException",
        13,
        "System.Management.Automation.CommandNotFoundException",
        name,
    )


def thrown(text: str) -> ErrorRecord:
    """``throw 'text'``: the error id is the text itself (recorded); ends its statement only."""
    return ErrorRecord(text, text, 14, "System.Management.Automation.RuntimeException", text)


__all__ = ["Call", "Cmdlet", "Function", "Session", "command_not_found", "not_emulated", "thrown"]
