"""Shows a text or a value in the report."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plain import plain
from sitekeeper.engine.plan import Plan, Result, Unknown
from sitekeeper.engine.session import Context


class DebugParams(Params):
    """Give one of the two."""

    msg: Any = None
    """Text to show."""
    var: Any = None
    """Value to show, as ``{{ name }}``."""


class Debug(Module[DebugParams, None, Result]):
    """Example::

    - core.debug: {msg: "{{ site.code }} has {{ site.volumes|length }} volumes"}
    """

    def plan(self, ctx: Context, params: DebugParams) -> Plan[None, Result]:
        value = params.msg if params.msg is not None else params.var
        return Plan(result=Result(msg=str(value) if isinstance(value, str | Unknown) else repr(plain(value))))
