"""The tables of a site's database, as far as the lab needs them.

``Sites``, ``v_Site``, ``v_Package`` and ``v_StatusMessage`` carry ConfigMgr's names; the columns of the views are the
ones that public reports select, those of ``Sites`` are believed and not checked against a site. ``LabCounter``,
``LabTraffic`` and ``LabBulk`` are the lab's own: signs of life, and filling.
"""

from __future__ import annotations

import random
import sqlite3
import zlib
from datetime import UTC, datetime

from sitekeeper_lab.sql.schema import create_table

SITE_TABLES: dict[str, dict[str, str]] = {
    "Sites": {
        "SiteKey": "int",
        "SiteCode": "nvarchar(3)",
        "SiteName": "nvarchar(200)",
        "ReportToSite": "nvarchar(3)",
        "SiteServer": "nvarchar(256)",
        "InstallDir": "nvarchar(260)",
        "SiteType": "int",
        "BuildNumber": "int",
        "Version": "nvarchar(32)",
        "Status": "int",
    },
    "Packages": {
        "PkgID": "nvarchar(8)",
        "Name": "nvarchar(256)",
        "Source": "nvarchar(260)",
        "SourceSite": "nvarchar(3)",
    },
    "StatusMessages": {
        "RecordID": "bigint",
        "Time": "datetime",
        "MessageID": "int",
        "SiteCode": "nvarchar(3)",
        "MachineName": "nvarchar(128)",
        "ModuleName": "nvarchar(128)",
    },
    "LabSerials": {"SiteCode": "nvarchar(3)", "value": "bigint"},
    "LabCounter": {"id": "int", "value": "bigint", "at": "datetime"},
    "LabTraffic": {"id": "int identity", "source": "nvarchar(64)", "at": "datetime"},
    "LabBulk": {"id": "int", "crc": "bigint", "data": "varbinary(max)"},
}
"""Table, column, T-SQL type."""

UPDATE_PACKAGES = {"PackageGuid": "nvarchar(38)", "State": "int"}
"""``CM_UpdatePackages`` of a current-branch site: a row for each in-console update (Microsoft, KB 4490424)."""
INSTALLED = 196612
FIRST_CURRENT_BRANCH = 8325

SITE_VIEWS = {
    "v_Site": (
        "SELECT SiteCode, SiteName, ReportToSite AS ReportingSiteCode, SiteServer AS ServerName, InstallDir, "
        "SiteType AS Type, Status, BuildNumber, Version FROM Sites"
    ),
    "v_Package": "SELECT PkgID AS PackageID, Name, Source AS PkgSourcePath, SourceSite AS SourceSite FROM Packages",
    "v_StatusMessage": "SELECT RecordID, Time, MessageID, SiteCode, MachineName, ModuleName FROM StatusMessages",
}

VERSIONS = {"2007": "4.00.6487.2000", "2012": "5.00.7958.1000", "cb": "5.00.9128.1000"}
"""By generation: 2007 R2 SP2, 2012 R2, and one current branch; the third number is the build."""

_CHUNK = 65536


def site_schema(*, secondary: bool, build: int = 0) -> str:
    """The DDL, for sqlite; ``LabBulk`` goes to the secondary file when there is one."""
    updates = {"CM_UpdatePackages": UPDATE_PACKAGES} if build >= FIRST_CURRENT_BRANCH else {}
    tables = [
        create_table(name, columns, "ndf" if secondary and name == "LabBulk" else "main")
        for name, columns in (SITE_TABLES | updates).items()
    ]
    return ";".join([*tables, *(f"CREATE VIEW {name} AS {query}" for name, query in SITE_VIEWS.items())])


def site_rows(
    data: sqlite3.Connection,
    site_code: str,
    server: str,
    parent: str,
    generation: str,
    now: datetime,
    version: str | None = None,
) -> None:
    """Fill a new site database with the rows that a site has after set-up."""
    version = version or VERSIONS[generation]
    build = int(version.split(".")[2])
    at = now.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
    folder = r"C:\Program Files\Microsoft Configuration Manager"
    data.execute(
        "INSERT INTO Sites VALUES (1, ?, ?, ?, ?, ?, 2, ?, ?, 1)",
        (site_code, f"Site {site_code}", parent, server, folder, build, version),
    )
    data.execute(
        "INSERT INTO Packages VALUES (?, 'Configuration Manager Client', ?, ?)",
        (f"{site_code}00001", rf"\\{server}\SMS_{site_code}\Client", site_code),
    )
    if build >= FIRST_CURRENT_BRANCH:
        data.execute("INSERT INTO CM_UpdatePackages VALUES ('00000000-0000-0000-0000-000000000001', ?)", (INSTALLED,))
    status_message(data, at, 500, site_code, server)
    data.execute("INSERT INTO LabCounter VALUES (1, 0, ?)", (at,))


def status_message(
    data: sqlite3.Connection, at: str, number: int, site_code: str, machine: str, module: str = "SMS Server"
) -> None:
    """One more status message, as the status manager writes it down: with its sender's name and clock."""
    data.execute(
        "INSERT INTO StatusMessages SELECT coalesce(max(RecordID), 0) + 1, ?, ?, ?, ?, ? FROM StatusMessages",
        (at, number, site_code, machine, module),
    )


def bulk_rows(data: sqlite3.Connection, size: int) -> None:
    """At least ``size`` bytes in ``LabBulk``, each row with its CRC-32 so that damage inside shows."""
    source = random.Random(size)  # noqa: S311  # filling that is the same in every run, not a secret
    for number in range(-(-size // _CHUNK)):
        content = source.randbytes(_CHUNK)
        data.execute("INSERT INTO LabBulk VALUES (?, ?, ?)", (number, zlib.crc32(content), content))
