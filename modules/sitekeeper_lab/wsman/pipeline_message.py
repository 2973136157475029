"""CREATE_PIPELINE (MS-PSRP 2.2.2.10) as the engine's :class:`~sitekeeper_lab.engines.api.Pipeline`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sitekeeper_lab.engines.api import Command, PsObject

from .clixml_reader import ClixmlError, loads

_ERROR: Final = 2  # PipelineResultTypes.Error
_OUTPUT: Final = 1  # PipelineResultTypes.Output


@dataclass(frozen=True, slots=True)
class PipelineMessage:
    """The statements of a pipeline, and whether input follows."""

    statements: tuple[tuple[Command, ...], ...]
    takes_input: bool


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, PsObject):
        raise ClixmlError(f"CREATE_PIPELINE: no object where {name} should be")
    return value.extended.get(name)


def _merges_errors(command: PsObject) -> bool:
    """Errors go to the output: MergeError (protocol 2.2), or MergeMyResult Error with MergeToResult Output (2.1)."""
    members = command.extended
    if members.get("MergeError") == _OUTPUT:
        return True
    return members.get("MergeMyResult") == _ERROR and members.get("MergeToResult") == _OUTPUT


def _command(value: Any) -> Command:
    name = _member(value, "Cmd")
    return Command(
        text=name or "",
        is_script=bool(_member(value, "IsScript")),
        parameters=tuple((_member(each, "N") or None, _member(each, "V")) for each in _member(value, "Args") or ()),
        merge_errors=_merges_errors(value),
    )


def parse(data: bytes) -> PipelineMessage:
    """Read the message.

    Raises:
        ClixmlError: it is not a pipeline.

    """
    message = loads(data)
    shell = _member(message, "PowerShell")
    first, all_statements = _member(shell, "Cmds"), _member(shell, "ExtraCmds")
    # ExtraCmds, when there is one, holds every statement and Cmds repeats the first
    statements = [_member(each, "Cmds") for each in all_statements] if all_statements else [first]
    return PipelineMessage(
        statements=tuple(tuple(_command(each) for each in statement or ()) for statement in statements),
        takes_input=not _member(message, "NoInput"),
    )
