"""Reads a site: the registry in both views, WMI, its database, and every volume with a file of it. Changes nothing."""

from __future__ import annotations

from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Plan
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteFacts
from sitekeeper.site.learning.site_facts import site_facts
from sitekeeper.transport.wmi import reading


class FactsParams(Params):
    """None."""


class Facts(Module[FactsParams, None, SiteFacts]):
    """Example::

    - site.facts:
      register: site
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading(
                "Win32_OperatingSystem", "Win32_ComputerSystem", "Win32_Service", "Win32_Volume", "CIM_DataFile"
            ),
            "Write-Output": {"InputObject": ".*"},
        },
        functions=("Read-SkKey",),
        rights="read the registry and WMI; VIEW SERVER STATE and access to the site database",
    )

    def plan(self, ctx: Context, params: FactsParams) -> Plan[None, SiteFacts]:
        return Plan(result=site_facts(ctx))
