"""Exports the site's registry keys into the work folder, while the site is offline, so that the shadow copy contains them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sitekeeper.engine.errors import IntegrityError, RemoteError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Covers, Plan, Record
from sitekeeper.engine.session import Answer, Call, Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import RegistryKey, SiteFacts
from sitekeeper.model.windows import RegistryExport, RegistryResult


class RegistryParams(Params):
    """Which keys."""

    export: Many[RegistryKey]
    """Keys and views, as ``site.registry_keys`` names them."""
    site: SiteFacts
    """The site: its drive holds the work folder."""


class RegistryIntent(Record):
    """Where the exports will be."""

    version: Literal[1] = 1
    run: str
    host: str
    drive: str
    keys: tuple[RegistryKey, ...]


class Registry(Module[RegistryParams, RegistryIntent, RegistryResult]):
    """Example::

    - windows.registry: {export: "{{ site.registry_keys }}", site: "{{ site }}"}
      undo: play
    """

    needs = Needs(
        cmdlets={"Write-Output": {"InputObject": ".*"}},
        functions=("Test-SkRegistry", "Export-SkRegistry", "Remove-SkFolder"),
        rights="read the keys (Administrators)",
    )
    reversible = True

    def plan(self, ctx: Context, params: RegistryParams) -> Plan[RegistryIntent, RegistryResult]:
        answers = _ask_keys(ctx, params.site.drive, ctx.run_id, params.export)
        for key, answer in zip(params.export, answers, strict=True):
            if answer.errors or not answer.output:  # looks like a key that does not exist, which would not be exported
                said = answer.errors[0] if answer.errors else None
                raise RemoteError(
                    f"{key} cannot be read: {said.message if said else 'the host returned nothing'}", record=said
                )
        found = [bool(answer.output[0]["Key"]) for answer in answers]
        if not any(there for key, there in zip(params.export, found, strict=True) if key.name == "SMS"):
            raise IntegrityError(
                f"{ctx.host} is not a site server: the registry key SMS does not exist in any view", host=ctx.host
            )
        keys = tuple(key for key, there in zip(params.export, found, strict=True) if there)
        changes = tuple(
            Change(f"registry {key}", "not exported", f"{params.site.drive}:\\sitekeeper\\{ctx.run_id}\\registry")
            for key in keys
        )
        predicted = tuple(RegistryExport(name=key.name, view=key.view, found=True, bytes=0) for key in keys)
        return Plan(
            result=RegistryResult(changed=True, exports=predicted, msg=f"{len(keys)} keys would be exported"),
            changes=changes,
            intent=RegistryIntent(run=ctx.run_id, host=ctx.host, drive=params.site.drive, keys=keys),
        )

    def covers(self, intent: RegistryIntent) -> Covers:
        return Covers(hosts=(intent.host,)) if isinstance(intent, RegistryIntent) else Covers()

    def apply(self, ctx: Context, params: RegistryParams, plan: Plan[RegistryIntent, RegistryResult]) -> RegistryResult:
        intent = plan.intended
        exports: list[RegistryExport] = []
        for key in intent.keys:
            (row,) = ctx.ps.change(
                "Export-SkRegistry", Drive=intent.drive, Run=intent.run, Name=key.name, View=key.view
            )
            if not row["Found"] or not row["Bytes"]:
                raise IntegrityError(f"the export of {key} on {ctx.host} is empty", host=ctx.host)
            exports.append(RegistryExport(name=key.name, view=key.view, found=True, bytes=int(row["Bytes"])))
        return RegistryResult(changed=True, exports=tuple(exports), msg=f"{len(exports)} keys exported")

    def in_place(self, ctx: Context, intent: RegistryIntent, outcome: RegistryResult, generation: int) -> bool:
        answers = _ask_keys(ctx, intent.drive, intent.run, outcome.exports)
        return all(bool(answer.output and answer.output[0]["Export"]) for answer in answers)

    def undo(self, ctx: Context, intent: RegistryIntent, outcome: RegistryResult | None) -> str:
        ctx.ps.change("Remove-SkFolder", Drive=intent.drive, Run=intent.run, Name="registry")
        return "exports deleted"


def _ask_keys(ctx: Context, drive: str, run: str, keys: Sequence[RegistryKey | RegistryExport]) -> list[Answer]:
    """Ask of each key whether it exists and whether the run has exported it."""
    return ctx.ps.read(
        [Call("Test-SkRegistry", {"Drive": drive, "Run": run, "Name": one.name, "View": one.view}) for one in keys]
    )
