"""Sets variables for the later tasks of the host."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan, Result
from sitekeeper.engine.session import Context


class SetFactParams(Params):
    """Any names."""

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)


class SetFactResult(Result):
    """The values."""

    values: dict[str, Any] = Field(default_factory=dict)
    """By name."""

    def facts(self) -> dict[str, Any]:
        return self.values


class SetFact(Module[SetFactParams, None, SetFactResult]):
    """Example::

    - core.set_fact: {target: "{{ store }}/{{ site.code }}"}
    """

    def plan(self, ctx: Context, params: SetFactParams) -> Plan[None, SetFactResult]:
        values = dict(params.model_extra or {})
        return Plan(result=SetFactResult(values=values, msg=f"set {', '.join(values)}"))
