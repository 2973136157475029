"""The SMS Provider of a site server, as far as somebody asks it for the backup task's settings.

The class is Microsoft's SMS_SCI_SQLTask (2007: learn.microsoft.com/previous-versions/system-center/developer/cc143433(v=msdn.10)).
Its flag is called ``On`` there, and ``Enabled`` since 2012, as that of SMS_SCI_MaintenanceTask is on Microsoft's newer page; the
item is called ``Backup SMS Site Server`` in every version. Which of its rows has which FileType is believed.
"""

from __future__ import annotations

from typing import Any

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.wmi import InvalidClass
from sitekeeper_lab.windows.wql import Test, parse_filter

CLASS = "SMS_SCI_SQLTask"
ITEM = "Backup SMS Site Server"
_ACTUAL, _BACKUP_TASK, _EVERY_DAY = 1, 1, 127


class SmsProvider:
    r"""The namespace ``root\sms\site_<code>`` of one host; one without a site has none."""

    def __init__(self, host: Host) -> None:
        self.host = host

    @property
    def namespace(self) -> str:
        """The namespace, lower case; empty where there is no site."""
        site = self.host.machine.site
        return rf"root\sms\site_{site.code}".lower() if site is not None else ""

    def get(self, name: str, where: str | None) -> list[PsObject]:
        """The instances of a class that pass a WQL filter.

        Raises:
            InvalidClass: the lab has only that of the backup task.

        """
        if name.lower() != CLASS.lower():
            raise InvalidClass(name)
        test: Test = parse_filter(where) if where else lambda _: True
        row = self._task()
        return [self._object(row)] if row is not None and test(row) else []

    def _task(self) -> dict[str, Any] | None:
        site = self.host.machine.site
        if site is None:
            return None
        on = "On" if site.generation == 2007 else "Enabled"
        return {
            "BeginTime": "20000101020000.000000+***",
            "DaysOfWeek": _EVERY_DAY,
            "DeleteOlderThan": 0,
            "DeviceName": site.backup_to or "",
            on: site.backup_to is not None,
            "FileType": _ACTUAL,
            "ItemName": ITEM,
            "ItemType": "SQL Task",
            "LatestBeginTime": "20000101050000.000000+***",
            "NumRefreshDays": 0,
            "SiteCode": site.code,
            "TaskName": "",
            "TaskType": _BACKUP_TASK,
        }

    def _object(self, row: dict[str, Any]) -> PsObject:
        space = self.namespace
        adapted = {"__CLASS": CLASS, "__NAMESPACE": space, "__SERVER": self.host.name} | row
        types = (
            f"System.Management.ManagementObject#{space}\\{CLASS}",
            f"System.Management.ManagementObject#{CLASS}",
            "System.Management.ManagementObject",
            "System.Management.ManagementBaseObject",
            "System.ComponentModel.Component",
            "System.MarshalByRefObject",
            "System.Object",
        )
        return PsObject(types, adapted, {}, f"\\\\{self.host.name}\\{space}:{CLASS}")
