"""Installs a ConfigMgr site on a machine of the lab: services, writer, registry keys.

Service and key names: the project's domain notes, sections 1.2 and 2.1 (Microsoft's pages and what public scripts
read). The value names "Parent Site Code" and "Site Name" are what an inventory script documents, not a recording.
"""

from __future__ import annotations

import random

from sitekeeper_lab.hierarchy import SiteSpec, SqlSpec
from sitekeeper_lab.windows.machine import SMS_WRITER, SQL_WRITER, add_service, add_writer
from sitekeeper_lab.windows.model import DatabaseFacts, DatabaseFile, Machine, Service, Site
from sitekeeper_lab.windows.registry import Registry

COUNTER_KEY, COUNTER_VALUE = "LabCounter", "Value"
_SQL = {"2005": 90, "2008": 100, "2008 R2": 105, "2012": 110, "2014": 120, "2016": 130}


def database_name(site: SiteSpec) -> str:
    """``SMS_ABC`` up to 2007, ``CM_ABC`` since 2012."""
    return ("SMS_" if site.generation == 2007 else "CM_") + site.code


def database_files(site: SiteSpec) -> list[DatabaseFile]:
    """Data and log file of the site database."""
    name = database_name(site)
    return [
        DatabaseFile(name, "ROWS", f"{site.data}\\{name}.mdf"),
        DatabaseFile(name + "_log", "LOG", f"{site.log}\\{name}_log.ldf"),
    ]


def branch(generation: int) -> str:
    """Where the site's keys are on a 64-bit Windows: 2007 is a 32-bit product."""
    return r"HKLM\SOFTWARE\Wow6432Node\Microsoft" if generation == 2007 else r"HKLM\SOFTWARE\Microsoft"


def other_branch(generation: int) -> str:
    """The view in which the site is not: its client and console parts of the other width leave their keys there."""
    return branch(2012 if generation == 2007 else 2007)


def sender(machine: Machine, generation: int) -> str:
    """The site server as its own status messages name it: since 2012 in full, as SYS= in published logs has it."""
    return machine.name if generation == 2007 else f"{machine.name}.{machine.domain}"


def install_site(machine: Machine, spec: SiteSpec, sql_host: str, dice: random.Random) -> None:
    """Add the site's services and its writer."""
    machine.site = Site(
        code=spec.code,
        kind=spec.kind,
        generation=spec.generation,
        install=spec.install,
        version=spec.full_version,
        parent=spec.parent,
        database=database_name(spec) if sql_host == machine.name else None,
        database_server=sql_host,
        backup_to=spec.backup_to,
    )
    folder = spec.install + ("\\bin\\i386\\" if spec.generation == 2007 else "\\bin\\x64\\")
    off, manual = "Stopped", "Manual"
    for service in (
        Service("SMS_EXECUTIVE", "SMS_EXECUTIVE", "Running", path=folder + "smsexec.exe"),
        Service("SMS_SITE_COMPONENT_MANAGER", "SMS_SITE_COMPONENT_MANAGER", "Running", path=folder + "sitecomp.exe"),
        Service("SMS_SITE_BACKUP", "SMS_SITE_BACKUP", off, manual, path=folder + "smsbkup.exe", exit_code=1077),
        Service("SMS_SITE_VSS_WRITER", "SMS_SITE_VSS_WRITER", "Running", path=folder + "smswriter.exe"),
    ):
        add_service(machine, service)
    for service in _later_services(spec, folder):
        add_service(machine, service)
    add_writer(machine, dice, "SMS Writer", SMS_WRITER, "SMS_SITE_VSS_WRITER")
    inbox = spec.install.lower() + "\\inboxes\\"
    machine.mutable += [inbox, spec.install.lower() + "\\logs\\"]


def _later_services(spec: SiteSpec, folder: str) -> list[Service]:
    """What newer versions have besides.

    SMS_NOTIFICATION_SERVER on a management point (Microsoft, "What's new in version 1805 of the technical
    preview": "restart the services smsexec and sms_notification_server on the management point").
    CONFIGURATION_MANAGER_UPDATE on a current-branch site server: "Either once in 10 minutes or on receiving an inbox trigger to
    CMUpdate.box, CMUpdate.exe runs spCMUGetPendingUpdatePackage" (Microsoft, "Understand and troubleshoot Updates and
    Servicing", KB 4490424): it runs, update or not.
    """
    found = []
    if spec.generation == 2012:
        name = "SMS_NOTIFICATION_SERVER"
        found.append(Service(name, name, "Running"))  # its program is in no public text
    if spec.current_branch:
        name = "CONFIGURATION_MANAGER_UPDATE"
        found.append(Service(name, name, "Running", path=folder + "cmupdate.exe"))
    return found


def install_sql(machine: Machine, sql: SqlSpec, sites: list[tuple[str, SiteSpec]], dice: random.Random) -> None:
    """Add SQL Server's services, its writer and the databases of the given (site server, site) pairs."""
    default = sql.instance == "MSSQLSERVER"
    service = "MSSQLSERVER" if default else f"MSSQL${sql.instance}"
    number = _SQL[sql.version]
    program = rf"C:\Program Files\Microsoft SQL Server\MSSQL{number // 10}.{sql.instance}\MSSQL\Binn\sqlservr.exe"
    add_service(
        machine, Service(service, f"SQL Server ({sql.instance})", "Running", path=f'"{program}" -s{sql.instance}')
    )
    agent = "SQLSERVERAGENT" if default else f"SQLAgent${sql.instance}"
    add_service(
        machine, Service(agent, f"SQL Server Agent ({sql.instance})", "Stopped", "Manual", depends_on=[service])
    )
    writer = r'"C:\Program Files\Microsoft SQL Server\90\Shared\sqlwriter.exe"'
    add_service(machine, Service("SQLWriter", "SQL Server VSS Writer", "Running", path=writer))
    add_writer(
        machine, dice, "SqlServerWriter", SQL_WRITER, "SQLWriter", f"Microsoft SQL Server {sql.version}:SQLWriter"
    )
    instance = machine.name if default else f"{machine.name}\\{sql.instance}"
    for server, site in sites:
        add_sql_backup(machine, server, site)
        files = database_files(site)
        machine.databases.append(DatabaseFacts(instance, database_name(site), files))
        machine.mutable += [file.physical.lower() for file in files]


def add_sql_backup(machine: Machine, server: str, site: SiteSpec) -> None:
    """The service that copies a site's database, on the database's machine; one that is there stays.

    Every version has it (Microsoft, "Recover sites", "Log files"). On another machine its program lies in a folder
    ``SMS_<full name of the SQL Server>``, and since 2012 its name ends with the full name of the site server (published logs).
    """
    folder = "i386" if site.generation == 2007 else "x64"
    if server == machine.name:
        name, where = "SMS_SITE_SQL_BACKUP", site.install
    else:
        full = server if site.generation == 2007 else f"{server}.{machine.domain}"
        name, where = f"SMS_SITE_SQL_BACKUP_{full}", f"C:\\SMS_{machine.name}.{machine.domain}"
    if name not in machine.services:
        add_service(machine, Service(name, name, "Running", path=rf"{where}\bin\{folder}\smssqlbkup.exe"))


def site_registry(registry: Registry, machine: Machine, spec: SiteSpec, instance: str, dns: str) -> None:
    """The keys SMS and NAL of a site, in the view where its program puts them."""
    sms = branch(spec.generation) + "\\SMS"
    server = f"{machine.name}.{dns}"
    database = database_name(spec)
    sql_server = machine.site.database_server if machine.site else machine.name
    values: dict[str, dict[str, str | int]] = {
        "Setup": {
            "Installation Directory": spec.install,
            "Full Version": spec.full_version,
            "Version": spec.full_version.rpartition(".")[0],
            # 1 primary, 2 secondary, 8 central administration site (Microsoft support's data collector)
            "Type": 8 if spec.kind == "central" and spec.generation == 2012 else 1,
            "Provider Location": server,
            "UI Installation Directory": spec.install + "\\AdminConsole",
        },
        "Identification": {
            "Site Code": spec.code,
            "Site Name": f"{spec.kind} site {spec.code}",
            "Site Server": server if spec.generation == 2012 else machine.name,
            "Parent Site Code": spec.parent or "",
        },
        "SQL Server": {
            "Server": f"{sql_server}.{dns}" if spec.generation == 2012 else sql_server,
            "Database Name": database if instance == "MSSQLSERVER" else f"{instance}\\{database}",
            "Service Name": "MSSQLSERVER" if instance == "MSSQLSERVER" else f"MSSQL${instance}",
        },
        "Components\\SMS_SITE_BACKUP": {"Version": spec.full_version, "Startup Type": "Service"},
        "Components\\SMS_EXECUTIVE\\Threads\\SMS_INBOX_MANAGER": {"Startup Type": "Automatic"},
        "Tracing\\SMS_EXECUTIVE": {
            "Enabled": 1,
            "MaxFileSize": 2_621_440,
            "TraceFilename": f"{spec.install}\\Logs\\smsexec.log",
        },
        "Inbox Source\\Inbox Instances\\0": {
            "Inbox Name": "SMS_SITE_CONTROL_MANAGER",
            "Directory": "inboxes\\sitectrl.box",
        },
        COUNTER_KEY: {COUNTER_VALUE: 0},
    }
    for name, content in values.items():
        for value, data in content.items():
            registry.set(f"{sms}\\{name}", value, "REG_DWORD" if isinstance(data, int) else "REG_SZ", data)
    registry.set(f"{sms}\\Operations Management", "Server Roles", "REG_MULTI_SZ", ["SMS Site Server", "SMS SQL Server"])
    _other_view(registry, spec)
    nal = branch(spec.generation) + "\\NAL"
    path = f'["Display=\\\\{machine.name}\\"]MSWNET:["SMS_SITE={spec.code}"]\\\\{machine.name}\\'
    registry.set(nal + "\\Client\\Providers", "MSWNET", "REG_SZ", "mswnet.dll")
    registry.set(nal + "\\Server\\Site", "Path", "REG_SZ", path)
    registry.set(nal + "\\Server\\Site", "Key", "REG_BINARY", bytes(range(0, 240, 7)))
    registry.set(nal + "\\Server\\Site", "Expand", "REG_EXPAND_SZ", "%SystemRoot%\\system32")
    registry.set(nal + "\\Logging", "Log To", "REG_DWORD", 2)


def _other_view(registry: Registry, spec: SiteSpec) -> None:
    # That both views exist on a 64-bit site server is known; which values stand in the lesser one is believed. It has a
    # Setup key without an installation directory, so that only that value tells the views apart.
    sms, nal = other_branch(spec.generation) + "\\SMS", other_branch(spec.generation) + "\\NAL"
    registry.set(sms + "\\Setup", "UI Installation Directory", "REG_SZ", spec.install + "\\AdminConsole")
    registry.set(sms + "\\Mobile Client", "ProductVersion", "REG_SZ", spec.full_version)
    registry.set(sms + "\\Mobile Client", "AssignedSiteCode", "REG_SZ", spec.code)
    registry.set(sms + "\\Tracing\\SMS_ADMIN_UI", "Enabled", "REG_DWORD", 1)
    registry.set(
        sms + "\\Tracing\\SMS_ADMIN_UI", "TraceFilename", "REG_SZ", spec.install + "\\AdminConsole\\AdminUI.log"
    )
    registry.set(nal + "\\Client\\Providers", "MSWNET", "REG_SZ", "mswnet.dll")
    registry.set(nal + "\\Logging", "Log To", "REG_DWORD", 2)
