"""Parameter binding: which argument is which parameter, and PowerShell's own refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sitekeeper_lab.engines.api import Command, ErrorRecord

_BINDING = "System.Management.Automation.ParameterBindingException"
COMMON = frozenset(
    {"verbose", "debug", "erroraction", "warningaction", "errorvariable", "warningvariable", "outvariable", "outbuffer"}
)
_ACTIONS = {"silentlycontinue": 0, "stop": 1, "continue": 2, "inquire": 3, "ignore": 4}
SILENTLY, STOP, CONTINUE, IGNORE = 0, 1, 2, 4


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a command."""

    kind: str
    """string, string[], int, long, bool, switch, object, object[]; or unsupported: the real one has it, the lab not."""
    position: int | None = None
    mandatory: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class Bound:
    """The arguments of one command."""

    values: dict[str, Any] = field(default_factory=dict)
    error_action: int = CONTINUE

    def text(self, name: str) -> str | None:
        """A string parameter, or None when it was not given."""
        value = self.values.get(name)
        return None if value is None else str(value)

    def texts(self, name: str) -> list[str] | None:
        """A string[] parameter, or None when it was not given."""
        value = self.values.get(name)
        return None if value is None else [str(item) for item in value]

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        return bool(self.values.get(name))


def bind(command: Command, owner: str, parameters: Mapping[str, Parameter], *, function: bool) -> Bound:
    """Bind a command's arguments. ``owner`` is what stands behind the comma in error ids: the cmdlet's class or the function's name.

    Raises:
        ErrorRecord: as the real binder refuses it (NamedParameterNotFound, PositionalParameterNotFound,
            ParameterAlreadyBound, MissingMandatoryParameter, a failed conversion), or EmulatorNotImplemented.

    """
    names = {name.lower(): name for name in parameters}
    for name, parameter in parameters.items():
        names |= {alias.lower(): name for alias in parameter.aliases}
    bound = Bound()
    positional: list[Any] = []
    for given, value in command.parameters:
        if given is None:
            positional.append(value)
            continue
        key = given.lstrip("-").rstrip(":").lower()
        if key in COMMON and key not in names:
            _bind_common(command.text, key, value, bound)
            continue
        if key not in names:
            raise _refused_name(command.text, owner, given, names)
        name = names[key]
        if name in bound.values:
            message = (
                f"Cannot bind parameter because parameter '{name}' is specified more than once. To provide multiple "
                "values to parameters that can accept multiple values, use the array syntax. For example, "
                '"-parameter value1,value2,value3".'
            )
            raise ErrorRecord(message, f"ParameterAlreadyBound,{owner}", 5, _BINDING, name, command.text)
        bound.values[name] = _converted(command.text, owner, name, parameters[name], value, function=function)
    free = _positions(parameters, bound)
    for value in positional:
        taken = next(free, None)
        if taken is None:
            message = f"A positional parameter cannot be found that accepts argument '{value}'."
            raise ErrorRecord(message, f"PositionalParameterNotFound,{owner}", 5, _BINDING, None, command.text)
        bound.values[taken] = _converted(command.text, owner, taken, parameters[taken], value, function=function)
    return bound


def require(command: Command, owner: str, parameters: Mapping[str, Parameter], bound: Bound) -> None:
    """Refuse a command whose mandatory parameters are missing; a remote session has nobody to prompt."""
    missing = [name for name, parameter in parameters.items() if parameter.mandatory and name not in bound.values]
    if missing:
        message = f"Cannot process command because of one or more missing mandatory parameters: {' '.join(missing)}."
        raise ErrorRecord(message, f"MissingMandatoryParameter,{owner}", 5, _BINDING, None, command.text)


def _positions(parameters: Mapping[str, Parameter], bound: Bound) -> Iterator[str]:
    placed = [(p.position, name) for name, p in parameters.items() if p.position is not None]
    for _, name in sorted(placed):
        if name not in bound.values:
            yield name


def _bind_common(command: str, key: str, value: Any, bound: Bound) -> None:
    if key != "erroraction":
        raise not_emulated(f"the common parameter {key} of {command}")
    action = _ACTIONS.get(str(value).lower()) if isinstance(value, str) else int(value)
    if action not in {SILENTLY, STOP, CONTINUE, IGNORE}:
        raise not_emulated(f"ErrorAction {value!r}")
    bound.error_action = action


def _refused_name(command: str, owner: str, given: str, names: Mapping[str, str]) -> ErrorRecord:
    key = given.lstrip("-").rstrip(":").lower()
    if any(name.startswith(key) for name in names):
        return not_emulated(f"the abbreviated parameter -{given} of {command}")
    message = f"A parameter cannot be found that matches parameter name '{given}'."
    return ErrorRecord(message, f"NamedParameterNotFound,{owner}", 5, _BINDING, None, command)


def not_emulated(what: str) -> ErrorRecord:
    """The lab's own, loud refusal."""
    return ErrorRecord(
        f"emulator: {what} is not emulated", "EmulatorNotImplemented", 11, "System.NotImplementedException", what
    )


def _converted(command: str, owner: str, name: str, parameter: Parameter, value: Any, *, function: bool) -> Any:
    kind = parameter.kind
    if kind == "unsupported":
        raise not_emulated(f"parameter -{name} of {command}")
    if kind == "object":
        return value
    if kind == "object[]":
        return value if isinstance(value, list) else [value]
    if kind == "switch":
        return True if value is None else bool(value)
    if kind == "string[]":
        return [_text(item) for item in value] if isinstance(value, list | tuple) else [_text(value)]
    if kind == "string":
        if isinstance(value, list | dict):
            raise _unconvertible(command, owner, name, "System.String", value, function=function)
        return _text(value)
    if kind == "bool":
        if isinstance(value, bool | int):
            return bool(value)
        raise _unconvertible(command, owner, name, "System.Boolean", value, function=function)
    if kind == "byte[]":
        if value is None or isinstance(value, bytes):
            return value
        raise _unconvertible(command, owner, name, "System.Byte[]", value, function=function)
    if kind in {"int", "long"}:
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            clr = "System.Int32" if kind == "int" else "System.Int64"
            raise _unconvertible(command, owner, name, clr, value, function=function) from error
        return number
    raise not_emulated(f"a parameter of type {kind}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _unconvertible(command: str, owner: str, name: str, clr: str, value: Any, *, function: bool) -> ErrorRecord:
    word = "process argument transformation on" if function else "bind"
    error_id = "ParameterArgumentTransformationError" if function else "CannotConvertArgumentNoMessage"
    message = (
        f'Cannot {word} parameter \'{name}\'. Cannot convert value "{value}" to type "{clr}". '
        'Error: "Input string was not in a correct format."'
    )
    return ErrorRecord(message, f"{error_id},{owner}", 26 if function else 5, _BINDING, None, command)


def parameters(**kinds: str | Parameter) -> Mapping[str, Parameter]:
    """Parameters by name; a bare text is the kind."""
    return {name: Parameter(kind) if isinstance(kind, str) else kind for name, kind in kinds.items()}
