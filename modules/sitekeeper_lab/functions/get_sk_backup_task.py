"""The twin of Get-SkBackupTask.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.configmgr.provider import SmsProvider
from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.engines.call import not_emulated
from sitekeeper_lab.functions.shared.task import DESTINATION, SITE, is_folder
from sitekeeper_lab.functions.shared.twin import Call, custom, text, thrown, twin

SHA256 = "65ab50d2bc93fb582c031494022552d1cfa4b65d3a670fde9d1338ecfa463f3e"


def run(call: Call) -> Iterator[PsObject]:
    """Where the site's backup task writes to, and whether it is scheduled."""
    site = text(call, "Site")
    if not SITE.fullmatch(site):
        raise thrown("SkInvalidSite")
    provider = SmsProvider(call.host)
    if provider.namespace != rf"root\sms\site_{site}".lower():
        raise not_emulated(rf"WMI namespace root\sms\site_{site}".lower())
    for row in provider.get("SMS_SCI_SQLTask", f"ItemName='Backup SMS Site Server' AND SiteCode='{site}'"):
        on = bool(row.adapted.get("Enabled")) or bool(row.adapted.get("On"))
        where = str(row.adapted["DeviceName"]).rstrip("\\")
        yield custom(
            Destination=where, Enabled=on, Exists=DESTINATION.fullmatch(where) is not None and _is_there(call, where)
        )


def _is_there(call: Call, where: str) -> bool:
    try:
        return is_folder(call, call.one("Get-SkNative", Path=where))
    except ErrorRecord:  # no such drive
        return False


TWIN = twin("Get-SkBackupTask", SHA256, run, Site="string")
