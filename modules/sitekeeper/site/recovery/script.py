"""The unattended recovery script of ConfigMgr's setup (2012 and current branch).

Setup has no defaults here: every key that applies must exist. Sections, keys and values: Microsoft Learn, "Command-line options
for setup", the newest text. It requires CloudConnector, writes HierarchyExpansionOption without a space (the older page
"Unattended site recovery" has one), and wants the full name of the central administration site's server in CCARSiteServer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import ValidationError

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.plan import Record
from sitekeeper.engine.secrets import Secret

DEFAULT_SSB_PORT = 4022
_FQDN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_KEY = re.compile(r"Eval|[A-Za-z0-9]{5}(-[A-Za-z0-9]{5}){4}", re.IGNORECASE)


class RecoveryOptions(Record):
    """The operator's decisions about a recovery: the variable ``recovery`` of the site."""

    product_id: str = "Eval"
    """The product key, or ``Eval``."""
    provider: str
    """Full name of the server that had the SMS Provider."""
    sql_server: str
    """Full name of the database server."""
    ssb_port: int = DEFAULT_SSB_PORT
    """Service Broker's port, the same as before."""
    console: bool = True
    """Whether the console is installed too."""
    central_site_server: str = ""
    """Full name of the central administration site's server; a primary site below one needs it."""
    cloud_connector: str = ""
    """Full name of the server that gets the service connection point; empty: setup makes none, as below a parent."""
    reference_site: str = ""
    """Full name of a primary site; a central administration site takes its data if the set is older than change tracking."""
    account: str = ""
    """The account that the setup task must run as; empty: any account except SYSTEM."""


def read_recovery_options(given: object) -> RecoveryOptions:
    """Read the variable ``recovery``.

    Raises:
        UsageError: names what is missing or wrong.

    """
    if not isinstance(given, dict):
        raise UsageError(
            "the variable recovery is not set: setup needs it to recover this site",
            hint="set recovery: {provider: <full name>, sql_server: <full name>, product_id: <key or Eval>}",
        )
    unknown = sorted({str(name) for name in given} - set(RecoveryOptions.model_fields))
    if unknown:
        raise UsageError(
            f"recovery has unknown fields: {', '.join(unknown)}",
            hint=f"known fields: {', '.join(RecoveryOptions.model_fields)}",
        )
    missing = sorted({"provider", "sql_server"} - set(given))
    if missing:
        raise UsageError(
            f"recovery lacks {', '.join(missing)}", hint="give full names, as they were before the failure"
        )
    if isinstance(given.get("product_id"), Secret):
        raise UsageError(
            "recovery.product_id must not be a secret: setup reads it in clear text from its script on the site server",
            hint="write it in clear text, or write Eval and enter the key after the recovery",
        )
    try:
        wishes = RecoveryOptions(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("recovery", *first["loc"]))
        raise UsageError(f"{where}: {first['msg']}") from None
    for name in ("provider", "sql_server", "reference_site", "central_site_server", "cloud_connector"):
        value = getattr(wishes, name)
        if value and not _FQDN.fullmatch(value):
            raise UsageError(f"recovery.{name} is not a full name: {value!r}", hint="write it like server.corp.example")
    if not _KEY.fullmatch(wishes.product_id):
        raise UsageError("recovery.product_id must be Eval or a product key with its dashes")
    return wishes


class Recovery(Record):
    """What is recovered, from where."""

    site: str
    site_name: str
    site_type: str
    parent: str | None
    install_dir: str
    database: str
    instance: str
    option: Literal[10, 20]
    """10: setup restores the task's backup. 20: the database was brought up manually."""
    media: str
    """The copy of CD.Latest, outside of the install folder."""
    backup: str = ""
    """The ``<code>Backup`` folder of the task, for option 10."""


def recovery_script(recovery: Recovery, wishes: RecoveryOptions) -> str:
    """Build the text of the file, ASCII with Windows line ends.

    Raises:
        UsageError: a value cannot be written in such a file, or setup cannot recover this kind of site.

    """
    if recovery.site_type == "secondary":
        raise UsageError(
            f"{recovery.site} is a secondary site: setup would make a primary site of it",
            hint="use the console of its primary site: Administration, Sites, Recover Secondary Site",
        )
    lines: list[str] = []
    for section, keys in _sections(recovery, wishes):
        lines.append(f"[{section}]")
        for key, value in keys:
            if not value.isascii() or any(letter in value for letter in "\r\n") or value != value.strip():
                raise UsageError(
                    f"{key}={value!r} cannot be written in the recovery script: it must be ASCII, in one line, without spaces at its ends"
                )
            lines.append(f"{key}={value}")
    return "\r\n".join([*lines, ""])


def _sections(recovery: Recovery, wishes: RecoveryOptions) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    central = recovery.site_type == "cas"
    yield "Identification", [("Action", "RecoverCCAR" if central else "RecoverPrimarySite"), ("CDLatest", "1")]
    options = [("ServerRecoveryOptions", "1"), ("DatabaseRecoveryOptions", str(recovery.option))]
    if recovery.option == 10:
        options += [
            ("SiteServerBackupLocation", recovery.backup),
            ("BackupLocation", f"{recovery.backup}\\SiteDBServer"),
        ]
    if central and wishes.reference_site:
        options.append(("ReferenceSite", wishes.reference_site))
    yield "RecoveryOptions", options
    yield (
        "Options",
        [
            ("ProductID", wishes.product_id),
            ("SiteCode", recovery.site),
            ("SiteName", recovery.site_name or recovery.site),
            ("SMSInstallDir", recovery.install_dir),
            ("SDKServer", wishes.provider),
            ("PrerequisiteComp", "1"),
            ("PrerequisitePath", f"{recovery.media}\\redist"),
            ("AdminConsole", "1" if wishes.console else "0"),
            ("JoinCEIP", "0"),
        ],
    )
    named = recovery.instance.upper() != "MSSQLSERVER"
    name = f"{recovery.instance}\\{recovery.database}" if named else recovery.database
    yield (
        "SQLConfigOptions",
        [
            ("SQLServerName", wishes.sql_server),
            ("DatabaseName", name),
            ("SQLSSBPort", str(wishes.ssb_port)),
        ],
    )
    below = recovery.parent is not None and not central
    if below and wishes.cloud_connector:
        raise UsageError(
            f"{recovery.site} is below {recovery.parent}: only the top site of a hierarchy has a service connection point",
            hint="remove recovery.cloud_connector",
        )
    connector = [("CloudConnector", "1" if wishes.cloud_connector else "0")]
    if wishes.cloud_connector:
        connector += [("CloudConnectorServer", wishes.cloud_connector), ("UseProxy", "0")]
    yield "CloudConnectorOptions", connector
    if below:
        if not wishes.central_site_server:
            raise UsageError(
                f"{recovery.site} is below {recovery.parent}, and recovery.central_site_server is not set",
                hint="set it to the full name of the central administration site's server",
            )
        yield "HierarchyExpansionOption", [("CCARSiteServer", wishes.central_site_server)]
