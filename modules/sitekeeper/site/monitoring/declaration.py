"""How a host gets into maintenance mode, as the inventory declares it, and under which name Operations Manager knows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError, model_validator

from sitekeeper.engine.errors import InventoryError, RemoteError, UsageError
from sitekeeper.engine.plan import Record
from sitekeeper.engine.session import Context

VARIABLE = "maintenance"
"""The inventory variable that says how."""
NAME = "monitored_as"
"""The inventory variable for a host that Operations Manager knows under another name than its own."""
MethodKind = Literal["scom", "opsmgr2007", "agent", "none"]
WAYS = (
    "{management_server: <host of the inventory>, kind: scom} (2012 and later) or kind: opsmgr2007, {kind: agent} (the host's "
    "own agent, 2016 and later), or none (nothing monitors it)"
)


class MaintenanceMethod(Record):
    """One way into maintenance mode."""

    kind: MethodKind
    management_server: str = ""
    """Inventory name of the management server (2007: the root management server)."""

    @model_validator(mode="after")
    def _check_server(self) -> MaintenanceMethod:
        if (self.kind in {"scom", "opsmgr2007"}) != bool(self.management_server):
            needed = "takes no" if self.management_server else "needs a"
            raise ValueError(f"kind {self.kind} {needed} management_server")
        return self


class MonitoredComputer(Record):
    """One computer, and how it gets there."""

    host: str
    """Inventory name."""
    computer: str
    """Fully qualified: what Operations Manager calls it."""
    how: MaintenanceMethod


def find_method(where: Context, given: Any = None) -> MaintenanceMethod | None:
    """The way of a host: what the task says, or its variable; None where neither is there.

    Raises:
        UsageError: the task's is wrong. InventoryError: the variable's is.

    """
    value = given if given is not None else where.vars.get(VARIABLE)
    if value is None or isinstance(value, MaintenanceMethod):
        return value
    try:
        return MaintenanceMethod.model_validate({"kind": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise _build_error(where, given, f"{value!r}: {error.errors()[0]['msg']}") from None


def explain_undeclared(host: str) -> UsageError:
    """Nobody said how."""
    return UsageError(
        f"nothing says how {host} gets into maintenance mode",
        host=host,
        hint=f"set {VARIABLE} in the inventory: {WAYS}",
    )


def _build_error(where: Context, given: Any, text: str) -> InventoryError | UsageError:
    kind, what = (InventoryError, VARIABLE) if given is None else (UsageError, "how")
    return kind(f"{what} cannot be read: {text}", host=where.host, hint=f"it is {WAYS}")


def computer_of(where: Context) -> str:
    """What Operations Manager calls a host: its fully qualified name, unless the inventory says otherwise.

    Raises:
        RemoteError: its name cannot be read.

    """
    given = where.vars.get(NAME)
    if given is not None:
        return str(given)
    rows = where.ps.call("Get-WmiObject", Class="Win32_ComputerSystem", Property=["Name", "Domain", "PartOfDomain"])
    if len(rows) != 1:
        raise RemoteError("cannot read Win32_ComputerSystem: nothing came back", host=where.host)
    name, domain = str(rows[0]["Name"]), str(rows[0]["Domain"] or "")
    return f"{name}.{domain}" if rows[0]["PartOfDomain"] and domain else name
