"""What ConfigMgr's setup makes of an unattended recovery script: it has no defaults, so every key must be there.

Keys and values: Microsoft Learn, "Command-line options for setup" (the newest text: CloudConnector is required, SiteName and
SQLSSBPort are not). What setup says of a mistake is not known
here: the lab names it in its own words.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass

ACTIONS = {"recoverprimarysite", "recoverccar"}
_ALWAYS = {
    "Identification": ("Action", "CDLatest"),
    "RecoveryOptions": ("ServerRecoveryOptions", "DatabaseRecoveryOptions"),
    "Options": (
        "ProductID",
        "SiteCode",
        "SMSInstallDir",
        "SDKServer",
        "PrerequisiteComp",
        "PrerequisitePath",
        "AdminConsole",
        "JoinCEIP",
    ),
    "SQLConfigOptions": ("SQLServerName", "DatabaseName"),
    "CloudConnectorOptions": ("CloudConnector",),
}


class Refused(Exception):  # noqa: N818 - setup's answer, not a fault of the lab
    """Setup does not do it; the message says why."""


@dataclass(frozen=True, slots=True)
class Script:
    """A recovery, as a script asks for it."""

    action: str
    database_option: int
    site_server_backup: str
    backup: str
    site_code: str
    site_name: str
    install: str
    prerequisites: str
    database: str
    """Without an instance before it."""
    instance: str


def read_script(text: str) -> Script:
    """Read a script.

    Raises:
        Refused: a section or key is missing, or a value is none that setup knows.

    """
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Refused(f"the script cannot be read: {error}") from None
    for section, keys in _ALWAYS.items():
        missing = [key for key in keys if not parser.has_option(section, key) or not parser.get(section, key).strip()]
        if missing:
            raise Refused(f"the script lacks [{section}] {', '.join(missing)}")

    def value(section: str, key: str) -> str:
        return parser.get(section, key, fallback="").strip()

    if value("Identification", "Action").lower() not in ACTIONS or value("Identification", "CDLatest") != "1":
        raise Refused("the script's action is no recovery from CD.Latest")
    if value("RecoveryOptions", "ServerRecoveryOptions") != "1":
        raise Refused("the lab's setup recovers site server and database together (ServerRecoveryOptions=1)")
    parent = value("HierarchyExpansionOption", "CCARSiteServer")
    if parent and "." not in parent:
        raise Refused(f"CCARSiteServer={parent} is not the full name of a server")
    option = value("RecoveryOptions", "DatabaseRecoveryOptions")
    if option not in {"10", "20"}:
        raise Refused(f"DatabaseRecoveryOptions={option} is not in the lab")
    if option == "10" and not value("RecoveryOptions", "BackupLocation"):
        raise Refused("the script lacks [RecoveryOptions] BackupLocation, which option 10 needs")
    instance, _, database = value("SQLConfigOptions", "DatabaseName").rpartition("\\")
    return Script(
        action=value("Identification", "Action"),
        database_option=int(option),
        site_server_backup=value("RecoveryOptions", "SiteServerBackupLocation"),
        backup=value("RecoveryOptions", "BackupLocation"),
        site_code=value("Options", "SiteCode").upper(),
        site_name=value("Options", "SiteName"),
        install=value("Options", "SMSInstallDir").rstrip("\\"),
        prerequisites=value("Options", "PrerequisitePath"),
        database=database,
        instance=instance or "MSSQLSERVER",
    )
