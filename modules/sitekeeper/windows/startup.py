"""Sets the start mode of services (Automatic, Manual, Disabled); undo sets the former mode of each."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import RemoteError, UndoError, UsageError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.windows import ServicesResult, ServiceState
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.services.control import check_service_name, states

Mode = Literal["Automatic", "Manual", "Disabled"]
READ_AS = {"Automatic": "Auto", "Manual": "Manual", "Disabled": "Disabled"}
"""Win32_Service.StartMode after ChangeStartMode: what is written as Automatic is read as Auto."""
WRITTEN: dict[str, Mode] = {"Auto": "Automatic", "Manual": "Manual", "Disabled": "Disabled"}
REFUSED = {
    2: "access denied",
    8: "unknown failure",
    11: "the service database is locked",
    16: "it is marked for deletion",
    21: "invalid parameter",
    22: "its account is invalid",
}
"""ReturnValue other than 0 (Microsoft Learn, "ChangeStartMode method of the Win32_Service class")."""


class StartupParams(Params):
    """Which services, and their start mode."""

    names: Many[str]
    """Service names (not display names)."""
    mode: Mode
    """Their start mode from now on. Running services keep running."""


class StartupIntent(Record):
    """Their start modes before."""

    version: Literal[1] = 1
    mode: Mode
    found: tuple[ServiceState, ...]


class Startup(Module[StartupParams, StartupIntent, ServicesResult]):
    """Example::

    - windows.startup: {names: [SMS_EXECUTIVE], mode: Disabled}
      undo: block
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading("Win32_Service"),
            "Invoke-WmiMethod": {
                "Path": r"Win32_Service\.Name='[^']+'",
                "Name": ("ChangeStartMode",),
                "ArgumentList": ("Automatic", "Manual", "Disabled"),
            },
        },
        rights="change how the services start",
    )
    reversible = True

    def plan(self, ctx: Context, params: StartupParams) -> Plan[StartupIntent, ServicesResult]:
        found = states(ctx, params.names) if params.names else ()
        drivers = [one.name for one in found if one.start_mode not in WRITTEN]
        if drivers:  # Boot and System are of drivers only
            raise UsageError(
                f"{', '.join(drivers)}: this start mode could not be restored",
                hint="name services only, no drivers",
            )
        wanted = READ_AS[params.mode]
        changes = tuple(
            Change(f"start of service {one.name}", one.start_mode, wanted) for one in found if one.start_mode != wanted
        )
        if not changes:
            return Plan(result=ServicesResult(services=found, msg=f"start mode is {wanted} already"))
        predicted = tuple(one.model_copy(update={"start_mode": wanted}) for one in found)
        return Plan(
            result=ServicesResult(
                changed=True, services=predicted, msg=f"{wanted}: {', '.join(one.name for one in found)}"
            ),
            changes=changes,
            intent=StartupIntent(mode=params.mode, found=found),
        )

    def apply(self, ctx: Context, params: StartupParams, plan: Plan[StartupIntent, ServicesResult]) -> ServicesResult:
        intent = plan.intended
        for one in intent.found:
            _set(ctx, one.name, intent.mode)
        now = states(ctx, [one.name for one in intent.found])
        wrong = [one.name for one in now if one.start_mode != READ_AS[intent.mode]]
        if wrong:
            raise RemoteError(
                f"{', '.join(wrong)}: the start mode was set to {intent.mode}, but reads otherwise",
                hint="does a group policy set it?",
            )
        return ServicesResult(changed=True, services=now, msg=plan.result.msg)

    def in_place(self, ctx: Context, intent: StartupIntent, outcome: ServicesResult, generation: int) -> bool:
        now = states(ctx, [one.name for one in intent.found])
        return all(one.start_mode == READ_AS[intent.mode] for one in now)

    def undo(self, ctx: Context, intent: StartupIntent, outcome: ServicesResult | None) -> str:
        """Restore each service on its own: if one was deleted meanwhile, the others are restored all the same."""
        errors = []
        for one in intent.found:
            try:
                _set(ctx, one.name, WRITTEN[one.start_mode])
            except RemoteError as error:
                errors.append(error.message)
        if errors:
            raise UndoError("; ".join(errors), hint="set the start mode of these services in services.msc")
        return "start modes restored: " + ", ".join(f"{one.name} ({one.start_mode})" for one in intent.found)


def _set(ctx: Context, name: str, mode: Mode) -> None:
    answer = ctx.ps.change(
        "Invoke-WmiMethod",
        Path=f"Win32_Service.Name='{check_service_name(name)}'",
        Name="ChangeStartMode",
        ArgumentList=[mode],
    )
    code = int(answer[0]["ReturnValue"]) if answer else 0
    if code != 0:
        raise RemoteError(f"the start mode of {name} cannot be set to {mode}: {REFUSED.get(code, f'code {code}')}")
