"""What the WSMan half of the lab and a PowerShell engine say to each other.

The wire decodes a PSRP pipeline into :class:`Pipeline`, asks a :class:`Runspace` to run it, and encodes what the
engine writes to the :class:`Sink`. The engine knows nothing of HTTP, WSMan or CLIXML; the wire knows nothing of
Windows.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a statement: ``Get-Service -Name x``, or a script text."""

    text: str
    """The command's name, or the whole script when ``is_script``."""
    is_script: bool = False
    parameters: tuple[tuple[str | None, Any], ...] = ()
    """(name, value) in order; the name is None for a positional argument. Values are plain Python: str, int, bool,
    bytes, list, dict, None (a switch arrives as True or None, as the client sent it)."""
    merge_errors: bool = False
    """Error records go to the output, as with ``2>&1``."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Statements run one after the other; the commands of one statement are piped."""

    statements: tuple[tuple[Command, ...], ...]
    input: Iterable[Any] = ()


class PsArray(list[Any]):
    """An array of one .NET type; a plain list is an Object[]."""

    def __init__(self, element: str, values: Iterable[Any]) -> None:
        super().__init__(values)
        self.type_names = (f"{element}[]", "System.Array", "System.Object")


@dataclass(slots=True)
class PsObject:
    """An object as PowerShell would serialise it.

    A value may be str, bool, int (I32), float, bytes, None, datetime, list, dict, another PsObject, or a primitive of
    ``psrpcore.types`` where the exact CLR type matters (U32, U64, I16 ...).
    """

    type_names: tuple[str, ...]
    adapted: dict[str, Any] = field(default_factory=dict)
    """Props: what the .NET type itself has."""
    extended: dict[str, Any] = field(default_factory=dict)
    """MS: what PowerShell added."""
    to_string: str | None = None


@dataclass(slots=True)
class ErrorRecord(Exception):  # noqa: N818 - named as PowerShell names it
    """A PowerShell error record. Raised, it ends the statement (or the pipeline, see ``Runspace.run``)."""

    message: str
    error_id: str
    """FullyQualifiedErrorId, for example ``ServiceNotFound,...GetServiceCommand``."""
    category: int = 0
    """System.Management.Automation.ErrorCategory: 0 NotSpecified, 5 InvalidArgument, 13 ObjectNotFound,
    14 OperationStopped, 18 PermissionDenied ..."""
    exception_type: str = "System.Exception"
    target: str | None = None
    activity: str = ""
    terminates_pipeline: bool = False


class Sink(Protocol):
    """Where a running pipeline writes. Every method is callable from the engine's thread only."""

    def output(self, value: Any) -> None:  # a PsObject or any value that one may hold
        """Write one object; blocks while the client is far behind (bounded memory).

        An ErrorRecord is one that the engine merged into the output, because the command has ``merge_errors``.
        """

    def error(self, record: ErrorRecord) -> None:
        """Write a non-terminating error."""

    def warning(self, message: str) -> None:
        """Write to the warning stream."""

    @property
    def stopped(self) -> threading.Event:
        """Set when the client stops the pipeline or is gone; a long command looks at it."""


class Runspace(Protocol):
    """One session: functions and variables defined in it live until it is closed."""

    def run(self, pipeline: Pipeline, sink: Sink) -> None:
        """Run a pipeline to its end.

        Raises:
            ErrorRecord: the pipeline failed (state Failed) with this record.

        """

    def close(self) -> None:
        """The shell was deleted."""


@runtime_checkable
class PsrpProcess(Protocol):
    """A PowerShell that speaks PSRP itself: fragments go to it and come from it as they are.

    A pipeline is named by the id that its client gave it; None is the pool.
    """

    def listen(self, heard: Callable[[uuid.UUID | None, bytes], None]) -> None:
        """Hand on what it says, until it ends."""

    def send(self, pipeline: uuid.UUID | None, fragments: bytes) -> None:
        """Whole fragments for the pool or a pipeline."""

    def begin(self, pipeline: uuid.UUID) -> None:
        """A pipeline is about to be sent."""

    def stop(self, pipeline: uuid.UUID) -> None:
        """The client's Ctrl+C."""

    def end(self, pipeline: uuid.UUID) -> None:
        """Nobody asks for this pipeline any more."""

    def note(self, pipeline: Pipeline) -> None:
        """A pipeline was sent: for the lab's audit log."""

    def close(self) -> None:
        """The shell was deleted: end the process. ``listen`` returns soon."""


class Engine(Protocol):
    """The PowerShell of one host."""

    def open(self, user: str, configuration: str) -> Runspace | PsrpProcess:
        """Start a session for an authenticated user; ``configuration`` is the endpoint's name, such as Microsoft.PowerShell.

        Raises:
            PermissionError: this user may not; the client hears "Access is denied.", code 5.

        """

    @property
    def versions(self) -> Mapping[str, str]:
        """PSVersionTable entries for ApplicationPrivateData, e.g. PSVersion, BuildVersion, CLRVersion, WSManStackVersion."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command line left behind: the bytes of both streams, and its exit code."""

    output: bytes
    errors: bytes
    code: int


class Prompt(Protocol):
    """The command interpreter of a host."""

    def check(self, user: str) -> None:
        """Let a user open a shell.

        Raises:
            PermissionError: this user may not.

        """

    def run(self, line: str, environment: Mapping[str, str]) -> Printed:
        """Run a command line to its end.

        Raises:
            NotImplementedError: the lab does not emulate it; the client hears so.

        """
