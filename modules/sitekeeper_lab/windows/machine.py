"""Makes a machine: Windows' own services, writers, volumes and registry keys, as they are after the installation."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta

from sitekeeper_lab.hierarchy import HostSpec
from sitekeeper_lab.windows.model import Machine, Service, ShadowStorage, Volume, Writer
from sitekeeper_lab.windows.registry import Registry
from sitekeeper_lab.windows.releases import operating_system

SQL_WRITER = "a65faa63-5ea8-4ebc-9dbd-a0c4db26912a"
SMS_WRITER = "03ba67dd-dc6d-4729-a038-251f7018463b"
_GB = 2**30
_SVCHOST = r"C:\WINDOWS\system32\svchost.exe -k "


def make_machine(name: str, domain: str, spec: HostSpec, dice: random.Random, now: datetime) -> Machine:
    """A freshly installed machine, running since some days."""
    machine = Machine(
        name=name,
        domain=domain,
        os=operating_system(spec.windows, spec.bias),
        boot_time=(now - timedelta(days=3, seconds=dice.randrange(80_000))).isoformat(),
    )
    for number, volume in enumerate(spec.volumes):
        letter = len(volume.mount) == 3
        machine.volumes.append(
            Volume(
                id=_guid(dice),
                name=volume.mount,
                folder=f"volumes/{volume.mount[0]}" if letter else f"volumes/mounted{number}",
                capacity=volume.size_gb * _GB,
                label=volume.label,
                used=(14 * _GB if volume.mount == "C:\\" else 200 * 2**20),
                serial=dice.getrandbits(32),
            )
        )
    for made in machine.volumes:
        machine.storages.append(ShadowStorage(made.id, made.id, made.capacity // 10))
    for service in _services(machine):
        machine.services[service.name] = service
        service.exit_code = (
            0 if service.state == "Running" else 1077
        )  # never started since the machine was, as recorded
        service.pid = _first_pid(machine, service) if service.state == "Running" else 0
    add_writer(machine, dice, "System Writer", "e8132975-6f93-4464-a53e-1050253ae220", "CryptSvc")
    add_writer(machine, dice, "Registry Writer", "afbab4a2-367d-4d15-a586-71dbb18f8485", "VSS")
    if machine.os.level >= (6, 0):
        for writer, identity, hosted_by in _IN_BOX_WRITERS:
            add_writer(machine, dice, writer, identity, hosted_by)
    return machine


_IN_BOX_WRITERS = (
    ("Task Scheduler Writer", "d61d61c8-d73a-4eee-8cdd-f6f9786b7124", "VSS"),
    ("VSS Metadata Store Writer", "75dfb225-e2e4-4d39-9ac9-ffaff65ddf06", "VSS"),
    ("Performance Counters Writer", "0bada1de-01a9-4625-8278-69e735f39dd2", "VSS"),
    ("ASR Writer", "be000cbe-11fe-4426-9c58-531aa6355fc4", "VSS"),
    ("Shadow Copy Optimization Writer", "4dc3bdd4-ab48-4d07-adb0-3bee2926fd7f", "VSS"),
    ("COM+ REGDB Writer", "542da469-d3e1-473c-9f4f-7847f01fc64f", "VSS"),
    ("WMI Writer", "a6ad56c2-b509-4e6c-bb19-49d8f43532f0", "Winmgmt"),
)
"""Writers that come with Windows since 2008 (Microsoft Learn, "In-Box VSS Writers")."""


def add_service(machine: Machine, service: Service) -> None:
    """One more service; a running one gets a process id."""
    machine.services[service.name] = service
    service.pid = _first_pid(machine, service) if service.state == "Running" else 0


def add_writer(
    machine: Machine, dice: random.Random, name: str, writer_id: str, service: str, instance_name: str = ""
) -> None:
    """One more VSS writer."""
    machine.writers.append(Writer(name, writer_id, _guid(dice), service, instance_name=instance_name))


def system_registry(registry: Registry, machine: Machine, dns: str, dice: random.Random) -> None:
    """The keys of Windows itself that somebody reads to identify a machine."""
    system = machine.os
    current = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
    registry.set(current, "ProductName", "REG_SZ", system.caption.strip())
    registry.set(current, "CurrentVersion", "REG_SZ", ".".join(str(part) for part in system.level))
    registry.set(current, "CurrentBuildNumber", "REG_SZ", system.build)
    registry.set(current, "CSDVersion", "REG_SZ", system.service_pack or "")
    registry.set(current, "InstallDate", "REG_DWORD", int(datetime.fromisoformat(system.install_date).timestamp()))
    registry.set(current, "SystemRoot", "REG_SZ", r"C:\WINDOWS")
    registry.set(r"HKLM\SOFTWARE\Microsoft\Cryptography", "MachineGuid", "REG_SZ", _guid(dice))
    names = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName"
    registry.set(names, "ComputerName", "REG_SZ", machine.name)
    parameters = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
    registry.set(parameters, "Hostname", "REG_SZ", machine.name)
    registry.set(parameters, "Domain", "REG_SZ", dns)
    registry.set(r"HKLM\SYSTEM\CurrentControlSet\Control\Nls\Language", "Default", "REG_SZ", "0409")
    registry.make(r"HKLM\SOFTWARE\Wow6432Node\Microsoft")
    for service in machine.services.values():
        key = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\" + service.name
        registry.set(key, "DisplayName", "REG_SZ", service.display)
        registry.set(key, "ImagePath", "REG_EXPAND_SZ", service.path)
        registry.set(key, "ObjectName", "REG_SZ", service.account)
        registry.set(key, "Start", "REG_DWORD", {"Auto": 2, "Manual": 3, "Disabled": 4}[service.start_mode])
        if service.depends_on:
            registry.set(key, "DependOnService", "REG_MULTI_SZ", list(service.depends_on))


def _services(machine: Machine) -> list[Service]:
    shared = _SVCHOST + "netsvcs"
    on = "Running"
    return [
        Service("RpcSs", "Remote Procedure Call (RPC)", on, path=_SVCHOST + "rpcss", can_stop=False),
        Service("EventLog", "Windows Event Log", on, path=r"C:\WINDOWS\system32\services.exe", can_stop=False),
        Service("LanmanServer", "Server", on, path=shared, shared=True),
        Service("LanmanWorkstation", "Workstation", on, path=shared, shared=True),
        Service("Winmgmt", "Windows Management Instrumentation", on, depends_on=["RpcSs"], path=shared, shared=True),
        Service("Schedule", "Task Scheduler", on, depends_on=["RpcSs"], path=shared, shared=True),
        Service("BITS", "Background Intelligent Transfer Service", "Stopped", "Manual", path=shared, shared=True),
        Service("CryptSvc", "Cryptographic Services", on, depends_on=["RpcSs"], path=_SVCHOST + "NetworkService"),
        Service(
            "WinRM", "Windows Remote Management (WS-Management)", on, depends_on=["RpcSs"], path=_SVCHOST + "WINRM"
        ),
        Service("Spooler", "Print Spooler", on, depends_on=["RpcSs"], path=r"C:\WINDOWS\system32\spoolsv.exe"),
        Service(
            "IISADMIN", "IIS Admin Service", on, depends_on=["RpcSs"], path=r"C:\WINDOWS\system32\inetsrv\inetinfo.exe"
        ),
        Service("W3SVC", "World Wide Web Publishing Service", on, depends_on=["IISADMIN"], path=_SVCHOST + "iissvcs"),
        Service(
            "VSS",
            "Volume Shadow Copy",
            "Stopped",
            "Manual",
            depends_on=["RpcSs"],
            path=r"C:\WINDOWS\system32\vssvc.exe",
        ),
        Service(
            "swprv",
            "MS Software Shadow Copy Provider"
            if machine.os.level < (6, 0)
            else "Microsoft Software Shadow Copy Provider",
            "Stopped",
            "Manual",
            depends_on=["RpcSs"],
            path=_SVCHOST + "swprv",
        ),
    ]


def _first_pid(machine: Machine, service: Service) -> int:
    if service.shared:
        for other in machine.services.values():
            if other is not service and other.path == service.path and other.pid:
                return other.pid
    machine.next_pid += 4 * (3 + machine.next_pid % 7)
    return machine.next_pid


def _guid(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))
