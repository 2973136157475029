"""Fails the host, with your message."""

from __future__ import annotations

from sitekeeper.engine.errors import Failed
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan, Result
from sitekeeper.engine.session import Context


class FailParams(Params):
    """The message."""

    msg: str = "the playbook failed this host (core.fail)"
    """Why it fails."""


class Fail(Module[FailParams, None, Result]):
    """Example::

    - core.fail: {msg: "{{ site.code }} is a secondary site"}
      when: site.type == "secondary"
    """

    def plan(self, ctx: Context, params: FailParams) -> Plan[None, Result]:
        raise Failed(params.msg)
