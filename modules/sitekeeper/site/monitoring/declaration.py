"""How to put a host into maintenance mode, as the inventory declares it, and its name in Operations Manager."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError, model_validator

from sitekeeper.engine.errors import InventoryError, RemoteError, UsageError
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context

VARIABLE = "maintenance"
"""The inventory variable with the method."""
NAME = "monitored_as"
"""The inventory variable for a host that has another name in Operations Manager."""
MethodKind = Literal["scom", "opsmgr2007", "agent", "none"]
WAYS = (
    "{management_server: <host of the inventory>, kind: scom} (2012 and later) or kind: opsmgr2007, {kind: agent} (the host's "
    "own agent, 2016 and later), or none (the host is not monitored)"
)


class MaintenanceMethod(Record):
    """One method to start maintenance mode."""

    kind: MethodKind
    management_server: str = ""
    """Inventory name of the management server (2007: the root management server)."""

    @model_validator(mode="after")
    def _check_server(self) -> MaintenanceMethod:
        if (self.kind in {"scom", "opsmgr2007"}) != bool(self.management_server):
            needed = "does not accept" if self.management_server else "needs"
            raise ValueError(f"kind {self.kind} {needed} management_server")
        return self


class MonitoredComputer(Record):
    """One computer, and the method for it."""

    host: str
    """Inventory name."""
    computer: str
    """Its fully qualified name in Operations Manager."""
    how: MaintenanceMethod


def find_method(where: Context, given: Any = None) -> MaintenanceMethod | None:
    """The method of a host, from the task or from its variable; None if neither is set.

    Raises:
        UsageError: the value of the task is invalid. InventoryError: the value of the variable is.

    """
    value = given if given is not None else where.vars.get(VARIABLE)
    if value is None or isinstance(value, MaintenanceMethod):
        return value
    try:
        return MaintenanceMethod.model_validate({"kind": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise _build_error(where, given, f"{value!r}: {error.errors()[0]['msg']}") from None


def explain_undeclared(host: str) -> UsageError:
    """Build the error for a host without a method."""
    return UsageError(
        f"variable {VARIABLE} is not set for {host}: sitekeeper cannot put it into maintenance mode",
        host=host,
        hint=f"set {VARIABLE} in the inventory to {WAYS}",
    )


def _build_error(where: Context, given: Any, text: str) -> InventoryError | UsageError:
    kind, what = (InventoryError, VARIABLE) if given is None else (UsageError, "how")
    return kind(f"{what} is invalid: {text}", host=where.host, hint=f"write {WAYS}")


def computer_of(where: Context) -> str:
    """The name of a host in Operations Manager: its fully qualified name, unless the inventory sets another.

    Raises:
        RemoteError: its name cannot be read.

    """
    given = where.vars.get(NAME)
    if given is not None:
        return str(given)
    rows = where.ps.call("Get-WmiObject", Class="Win32_ComputerSystem", Property=["Name", "Domain", "PartOfDomain"])
    if len(rows) != 1:
        raise RemoteError("Win32_ComputerSystem cannot be read: the host returned nothing", host=where.host)
    name, domain = str(rows[0]["Name"]), str(rows[0]["Domain"] or "")
    return f"{name}.{domain}" if rows[0]["PartOfDomain"] and domain else name
