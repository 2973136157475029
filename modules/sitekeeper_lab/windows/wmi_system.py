"""What Win32_OperatingSystem and Win32_ComputerSystem say of a lab host; values as recorded where they do not matter."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from sitekeeper_lab.host import Host

_ROLES = ["LM_Workstation", "LM_Server", "NT", "Server_NT"]


def dmtf(moment: datetime, bias: int) -> str:
    """A time as WMI writes it: local time, microseconds, and the minutes east of UTC (``20181123172414.000000-360``)."""
    local = moment.astimezone(timezone(timedelta(minutes=bias)))
    return local.strftime("%Y%m%d%H%M%S.%f") + f"{bias:+04d}"


def operating_system(host: Host) -> list[dict[str, Any]]:
    """Win32_OperatingSystem."""
    os_facts = host.machine.os
    old = os_facts.level < (6, 0)
    row: dict[str, Any] = {
        "BootDevice": r"\Device\HarddiskVolume1",
        "BuildNumber": os_facts.build,
        "BuildType": "Multiprocessor Free",
        "Caption": os_facts.caption,
        "CodeSet": "1252",
        "CountryCode": "1",
        "CreationClassName": "Win32_OperatingSystem",
        "CSCreationClassName": "Win32_ComputerSystem",
        "CSDVersion": os_facts.service_pack,
        "CSName": host.machine.name,
        "CurrentTimeZone": os_facts.bias,
        "DataExecutionPrevention_32BitApplications": True,
        "DataExecutionPrevention_Available": True,
        "DataExecutionPrevention_Drivers": True,
        "DataExecutionPrevention_SupportPolicy": 3,
        "Debug": False,
        "Description": "",
        "Distributed": False,
        "EncryptionLevel": 256,
        "ForegroundApplicationBoost": 2,
        "FreePhysicalMemory": os_facts.memory // 2048,
        "FreeSpaceInPagingFiles": os_facts.memory // 1024,
        "FreeVirtualMemory": os_facts.memory // 700,
        "InstallDate": dmtf(datetime.fromisoformat(os_facts.install_date), host.machine.os.bias),
        "LastBootUpTime": dmtf(datetime.fromisoformat(host.machine.boot_time), host.machine.os.bias),
        "LocalDateTime": dmtf(host.now(), os_facts.bias),
        "Locale": f"{os_facts.language:04x}",
        "Manufacturer": "Microsoft Corporation",
        "MaxNumberOfProcesses": 2**32 - 1,
        "MaxProcessMemorySize": 8_589_934_464,
        "MUILanguages": None if old else ["en-US"],
        "Name": f"{os_facts.caption}|C:\\WINDOWS|\\Device\\Harddisk0\\Partition1",
        "NumberOfLicensedUsers": 0,
        "NumberOfProcesses": 60,
        "NumberOfUsers": 2,
        "OperatingSystemSKU": os_facts.sku,
        "Organization": "",
        "OSArchitecture": "64-bit",
        "OSLanguage": os_facts.language,
        "OSProductSuite": 272,
        "OSType": 18,
        "PortableOperatingSystem": False,
        "Primary": True,
        "ProductType": 3,
        "RegisteredUser": "Windows User",
        "SerialNumber": "00000-000-0000000-00000",
        "ServicePackMajorVersion": os_facts.service_pack_major,
        "ServicePackMinorVersion": 0,
        "SizeStoredInPagingFiles": os_facts.memory // 1024,
        "Status": "OK",
        "SuiteMask": 272,
        "SystemDevice": r"\Device\HarddiskVolume1",
        "SystemDirectory": r"C:\WINDOWS\system32",
        "SystemDrive": "C:",
        "TotalVirtualMemorySize": os_facts.memory // 512,
        "TotalVisibleMemorySize": os_facts.memory // 1024,
        "Version": os_facts.version,
        "WindowsDirectory": r"C:\WINDOWS",
    }
    return [row]


def computer_system(host: Host) -> list[dict[str, Any]]:
    """Win32_ComputerSystem."""
    name = host.machine.name
    row: dict[str, Any] = {
        "AdminPasswordStatus": 3,
        "AutomaticResetBootOption": True,
        "AutomaticResetCapability": True,
        "BootROMSupported": True,
        "BootupState": "Normal boot",
        "Caption": name,
        "ChassisBootupState": 3,
        "CreationClassName": "Win32_ComputerSystem",
        "CurrentTimeZone": host.machine.os.bias,
        "DaylightInEffect": False,
        "Description": "AT/AT COMPATIBLE",
        "DNSHostName": name,
        "Domain": host.machine.domain,
        "DomainRole": 3,
        "EnableDaylightSavingsTime": True,
        "InfraredSupported": False,
        "Manufacturer": "Microsoft Corporation",
        "Model": "Virtual Machine",
        "Name": name,
        "NetworkServerModeEnabled": True,
        "NumberOfLogicalProcessors": 2,
        "NumberOfProcessors": 1,
        "PartOfDomain": True,
        "PauseAfterReset": -1,
        "PrimaryOwnerName": "Windows User",
        "Roles": _ROLES,
        "Status": "OK",
        "SystemType": "x64-based PC",
        "TotalPhysicalMemory": host.machine.os.memory,
    }
    return [row]
