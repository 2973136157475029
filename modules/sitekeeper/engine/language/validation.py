"""Parameters against their types: pydantic's finding, told at the line of the playbook that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from sitekeeper.engine.errors import SecretError, SitekeeperError, UsageError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.origin import Origins
from sitekeeper.engine.secrets import Secret, find


def validate_params(module: type[Module[Any, Any, Any]], values: dict[str, Any], origins: Origins) -> Params:
    """A module's parameters from rendered values.

    Raises:
        UsageError: a name or type is wrong. SecretError: a secret stands where none belongs. Both point at the line.

    """
    refuse_secrets(module, values, origins)
    try:
        return module.params_type.model_validate(values)
    except ValidationError as error:
        raise parameter_error(module, error.errors(), origins) from None


def refuse_secrets(module: type[Module[Any, Any, Any]], values: dict[str, Any], origins: Origins) -> None:
    """A parameter that is not declared Secret refuses one."""
    for key, value in values.items():
        field = module.params_type.model_fields.get(key)
        if find(value) and not (field is not None and field.annotation is Secret):
            raise SecretError(
                f"`{key}` of {module.name()} would show a secret",
                origin=origins.of(key),
                hint="secrets belong in connection variables; no module prints or stores them",
            )


def parameter_error(
    module: type[Module[Any, Any, Any]], findings: Sequence[Mapping[str, Any]], origins: Origins
) -> SitekeeperError:
    """The first of pydantic's findings as an error at its line; a name that is none explains others that are missing."""
    found = next((one for one in findings if one["type"] == "extra_forbidden"), findings[0])
    loc = tuple(part for part in found["loc"] if isinstance(part, str | int))
    name = str(loc[0]) if loc else ""
    if found["type"] == "extra_forbidden" and len(loc) == 1:
        near = get_close_matches(name, module.params_type.model_fields, 1)
        known = ", ".join(module.params_type.model_fields)
        return UsageError(
            f"`{name}` is not a parameter of {module.name()}",
            origin=origins.of_key(name),
            hint=f"did you mean `{near[0]}`?" if near else f"it takes {known}" if known else "it takes none",
        )
    if isinstance(found.get("input"), Secret):
        return SecretError(f"`{name}` of {module.name()} would show a secret", origin=origins.of(*loc))
    if found["type"] == "missing":
        return UsageError(f"{module.name()} needs `{'.'.join(map(str, loc))}`", origin=origins.of())
    text = str(found["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in loc) or module.name()
    return UsageError(f"`{where}` of {module.name()}: {text}", origin=origins.of(*loc))
