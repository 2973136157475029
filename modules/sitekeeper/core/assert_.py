"""Fails the host unless all conditions are true."""

from __future__ import annotations

from sitekeeper.engine.errors import Failed
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many


class AssertParams(Params):
    """Conditions, as templates that yield true or false."""

    that: Many[bool]
    """Conditions, each written as ``"{{ ... }}"``."""
    msg: str = "an assertion is false"
    """The message if one is false."""


class Assert(Module[AssertParams, None, Result]):
    """Example::

    - core.assert:
        that: ["{{ site.type == 'primary' }}", "{{ site.volumes|length < 9 }}"]
        msg: "this kind of site cannot be backed up"
    """

    def plan(self, ctx: Context, params: AssertParams) -> Plan[None, Result]:
        for number, true in enumerate(params.that):
            if not true:
                raise Failed(f"{params.msg} (condition {number + 1} of {len(params.that)})")
        return Plan(result=Result(msg=f"{len(params.that)} conditions are true"))
