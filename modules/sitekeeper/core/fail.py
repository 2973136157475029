"""Fails the host, with your words."""

from __future__ import annotations

from sitekeeper.engine.errors import Failed
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan, Result
from sitekeeper.engine.session import Context


class FailParams(Params):
    """What is said."""

    msg: str = "failed as the playbook asked"
    """Why."""


class Fail(Module[FailParams, None, Result]):
    """Example::

    - core.fail: {msg: "{{ site.code }} is a secondary site"}
      when: site.type == "secondary"
    """

    def plan(self, ctx: Context, params: FailParams) -> Plan[None, Result]:
        raise Failed(params.msg)
