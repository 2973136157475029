"""Drops a database that this run created, earlier than its undo would.

For your own playbooks that bring up several copies on a server with room for only one. The playbooks of sitekeeper do not
need it: what they attach or restore is dropped by its undo.
"""

from __future__ import annotations

from typing import Literal

from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Result
from sitekeeper.engine.session import Context
from sitekeeper.sql.server import dropping, mark
from sitekeeper.sql.server.server import WRITE_OUTPUT, Server


class DropParams(Params):
    """Which one."""

    name: str
    """It must carry this run's mark."""
    on: str | None = None
    """The host; default: the play's own."""


class DropIntent(Record):
    """Where it is, for the lease."""

    version: Literal[1] = 1
    on: str
    name: str


class Drop(Module[DropParams, DropIntent, Result]):
    """Example::

    - sql.drop: {on: "{{ scratch }}", name: "{{ attached.name }}"}
    """

    needs = Needs(cmdlets=WRITE_OUTPUT, rights="sysadmin of the SQL Server")

    def plan(self, ctx: Context, params: DropParams) -> Plan[DropIntent, Result]:
        there = choose_context(ctx, params)
        mark.refuse_foreign(params.name, ctx.run_id)
        state = dropping.exists(Server(there), params.name)
        if state is None:
            return Plan(result=Result(msg=f"database {params.name} does not exist on {there.host}"))
        return Plan(
            result=Result(changed=True, msg=f"{params.name} dropped"),
            changes=(Change(f"database {params.name} on {there.host}", state, "dropped with its files"),),
            intent=DropIntent(on=there.host, name=params.name),
        )

    def apply(self, ctx: Context, params: DropParams, plan: Plan[DropIntent, Result]) -> Result:
        intent = plan.intended
        dropping.drop(Server(choose_context(ctx, intent)), intent.name, ctx.run_id)
        return plan.result

    def made(self, ctx: Context, intent: DropIntent) -> Result | None:
        """Done if the database does not exist any more."""
        gone = dropping.exists(Server(choose_context(ctx, intent)), intent.name) is None
        return Result(changed=True, msg=f"database {intent.name} does not exist any more") if gone else None
