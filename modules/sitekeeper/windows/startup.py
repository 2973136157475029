"""Sets how services start, automatically, by hand or not at all, and puts back how each did before."""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.errors import RemoteError, UndoError, UsageError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.windows import ServicesResult, ServiceState
from sitekeeper.transport.wmi import reading
from sitekeeper.windows.services.control import quoted, states

Mode = Literal["Automatic", "Manual", "Disabled"]
READ_AS = {"Automatic": "Auto", "Manual": "Manual", "Disabled": "Disabled"}
"""Win32_Service.StartMode of a service that ChangeStartMode has set so: what is written Automatic is read Auto."""
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
    """Which services, and how they shall start."""

    names: Many[str]
    """Service names (not display names)."""
    mode: Mode
    """How they shall start from now on; whether they run now is not touched."""


class StartupIntent(Record):
    """How they started before."""

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
                f"{', '.join(drivers)}: how it starts could not be put back", hint="only services, no drivers"
            )
        wanted = READ_AS[params.mode]
        changes = tuple(
            Change(f"start of service {one.name}", one.start_mode, wanted) for one in found if one.start_mode != wanted
        )
        if not changes:
            return Plan(result=ServicesResult(services=found, msg=f"all are {wanted} already"))
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
            raise RemoteError(f"{', '.join(wrong)} was set to {intent.mode}, and is not", hint="does a policy set it?")
        return ServicesResult(changed=True, services=now, msg=plan.result.msg)

    def in_place(self, ctx: Context, intent: StartupIntent, outcome: ServicesResult, generation: int) -> bool:
        now = states(ctx, [one.name for one in intent.found])
        return all(one.start_mode == READ_AS[intent.mode] for one in now)

    def undo(self, ctx: Context, intent: StartupIntent, outcome: ServicesResult | None) -> str:
        """Each is put back by itself: one that somebody has deleted meanwhile keeps none of the others disabled."""
        errors = []
        for one in intent.found:
            try:
                _set(ctx, one.name, WRITTEN[one.start_mode])
            except RemoteError as error:
                errors.append(error.message)
        if errors:
            raise UndoError("; ".join(errors), hint="set how they start in the console of services")
        return "start again as before: " + ", ".join(f"{one.name} ({one.start_mode})" for one in intent.found)


def _set(ctx: Context, name: str, mode: Mode) -> None:
    answer = ctx.ps.change(
        "Invoke-WmiMethod", Path=f"Win32_Service.Name='{quoted(name)}'", Name="ChangeStartMode", ArgumentList=[mode]
    )
    code = int(answer[0]["ReturnValue"]) if answer else 0
    if code != 0:
        raise RemoteError(f"{name} cannot be set to {mode}: {REFUSED.get(code, f'code {code}')}")
