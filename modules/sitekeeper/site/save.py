"""Saves the srvacct folder and the site's registry keys of a machine before a site is recovered there."""

from __future__ import annotations

from sitekeeper.engine.errors import RemoteError
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import SavedFiles, TargetFacts
from sitekeeper.site.learning.machine_facts import VIEWS

KEYS = ("SMS", "NAL")


class SaveParams(Params):
    """Which machine."""

    target: TargetFacts
    """The machine, as ``site.target`` found it."""


class Save(Module[SaveParams, None, SavedFiles]):
    """Example::

    - site.save: {target: "{{ target }}"}
      register: saved
    """

    needs = Needs(
        cmdlets={"Write-Output": {"InputObject": ".*"}},
        functions=("Save-SkAccount", "Test-SkRegistry", "Export-SkRegistry"),
        rights="read the install folder and the registry keys",
    )

    def plan(self, ctx: Context, params: SaveParams) -> Plan[None, SavedFiles]:
        drive = params.target.drive
        folder = f"{drive}:\\sitekeeper\\{ctx.run_id}"
        return Plan(
            result=SavedFiles(changed=True, folder=folder, msg=f"srvacct and registry keys would be saved in {folder}"),
            changes=(
                Change(f"saved copies in {folder}", "do not exist", "srvacct, and the registry keys SMS and NAL"),
            ),
        )

    def apply(self, ctx: Context, params: SaveParams, plan: Plan[None, SavedFiles]) -> SavedFiles:
        drive, folder = params.target.drive, plan.result.folder
        accounts = tuple(str(name) for name in ctx.ps.change("Save-SkAccount", Drive=drive, Run=ctx.run_id))
        asked = [(name, view) for view in VIEWS for name in KEYS]
        calls = [
            Call("Test-SkRegistry", {"Drive": drive, "Run": ctx.run_id, "Name": name, "View": view})
            for name, view in asked
        ]
        answers = ctx.ps.read(calls)
        keys = []
        for (name, view), answer in zip(asked, answers, strict=True):
            if answer.errors or not answer.output:  # looks like a key that does not exist, which would not be saved
                said = answer.errors[0] if answer.errors else None
                raise RemoteError(
                    f"registry key {name} ({view}) cannot be read: {said.message if said else 'the host returned nothing'}",
                    record=said,
                )
            if answer.output[0]["Key"]:
                ctx.ps.change("Export-SkRegistry", Drive=drive, Run=ctx.run_id, Name=name, View=view)
                keys.append(f"{name} ({view})")
        told = f"saved: {len(accounts)} files of srvacct, registry keys {', '.join(keys) or 'none'}"
        return SavedFiles(changed=True, folder=folder, accounts=accounts, keys=tuple(keys), msg=f"{told}, in {folder}")
