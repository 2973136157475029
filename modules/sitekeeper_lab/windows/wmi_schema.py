"""The WMI classes of the lab: their properties in order, CLR types, keys and bases.

Win32_OperatingSystem and Win32_ComputerSystem follow recordings of real servers; the others follow Microsoft's class
reference (property names and CIM types), since no recording was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psrpcore.types import PSByte, PSInt16, PSInt64, PSUInt, PSUInt16, PSUInt64

from sitekeeper_lab.engines.api import PsArray

_ELEMENT = ("CIM_LogicalElement", "CIM_ManagedSystemElement")


@dataclass(frozen=True, slots=True)
class WmiClass:
    """One class."""

    name: str
    key: str | None
    """The key property; None for a singleton (``=@``)."""
    bases: tuple[str, ...]
    properties: tuple[tuple[str, str], ...]
    """(name, type letters): S string, B bool, By byte, I16, I32, I64, U16, U32, U64, S* U16* lists."""
    since: tuple[int, int] = (5, 2)
    """The first Windows (major, minor) that has it."""


NEWER: dict[tuple[str, str], tuple[int, int]] = {
    ("Win32_OperatingSystem", "MUILanguages"): (6, 0),
    ("Win32_OperatingSystem", "OperatingSystemSKU"): (6, 0),
    ("Win32_OperatingSystem", "OSArchitecture"): (6, 0),
    ("Win32_OperatingSystem", "PortableOperatingSystem"): (6, 1),
    ("Win32_ComputerSystem", "DNSHostName"): (6, 0),
}
"""Properties that came later than their class (Microsoft's class reference), and the first Windows with them."""


def _typed(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for name, _, kind in (word.partition(":") for word in text.split()))


_TYPES: dict[str, Callable[[Any], Any]] = {
    "S": str,
    "B": bool,
    "I32": int,
    "By": PSByte,
    "I16": PSInt16,
    "I64": PSInt64,
    "U16": PSUInt16,
    "U32": PSUInt,
    "U64": PSUInt64,
    "S*": lambda value: PsArray("System.String", map(str, value)),
    "U16*": lambda value: PsArray("System.UInt16", map(PSUInt16, value)),
}


def typed(kind: str, value: Any) -> Any:
    """A plain value with its CLR type; None stays None."""
    return None if value is None else _TYPES[kind](value)


CLASSES: dict[str, WmiClass] = {
    made.name.lower(): made
    for made in (
        WmiClass(
            "Win32_OperatingSystem",
            None,
            ("CIM_OperatingSystem", *_ELEMENT),
            _typed(
                "BootDevice:S BuildNumber:S BuildType:S Caption:S CodeSet:S CountryCode:S CreationClassName:S "
                "CSCreationClassName:S CSDVersion:S CSName:S CurrentTimeZone:I16 "
                "DataExecutionPrevention_32BitApplications:B DataExecutionPrevention_Available:B "
                "DataExecutionPrevention_Drivers:B DataExecutionPrevention_SupportPolicy:By Debug:B Description:S "
                "Distributed:B EncryptionLevel:U32 ForegroundApplicationBoost:By FreePhysicalMemory:U64 "
                "FreeSpaceInPagingFiles:U64 FreeVirtualMemory:U64 InstallDate:S LargeSystemCache:U32 LastBootUpTime:S "
                "LocalDateTime:S Locale:S Manufacturer:S MaxNumberOfProcesses:U32 MaxProcessMemorySize:U64 "
                "MUILanguages:S* Name:S NumberOfLicensedUsers:U32 NumberOfProcesses:U32 NumberOfUsers:U32 "
                "OperatingSystemSKU:U32 Organization:S OSArchitecture:S OSLanguage:U32 OSProductSuite:U32 OSType:U16 "
                "OtherTypeDescription:S PAEEnabled:B PlusProductID:S PlusVersionNumber:S PortableOperatingSystem:B "
                "Primary:B ProductType:U32 RegisteredUser:S SerialNumber:S ServicePackMajorVersion:U16 "
                "ServicePackMinorVersion:U16 SizeStoredInPagingFiles:U64 Status:S SuiteMask:U32 SystemDevice:S "
                "SystemDirectory:S SystemDrive:S TotalSwapSpaceSize:U64 TotalVirtualMemorySize:U64 "
                "TotalVisibleMemorySize:U64 Version:S WindowsDirectory:S"
            ),
        ),
        WmiClass(
            "Win32_ComputerSystem",
            "Name",
            ("CIM_UnitaryComputerSystem", "CIM_ComputerSystem", "CIM_System", *_ELEMENT),
            _typed(
                "AdminPasswordStatus:U16 AutomaticResetBootOption:B AutomaticResetCapability:B BootROMSupported:B "
                "BootupState:S Caption:S ChassisBootupState:U16 CreationClassName:S CurrentTimeZone:I16 "
                "DaylightInEffect:B Description:S DNSHostName:S Domain:S DomainRole:U16 EnableDaylightSavingsTime:B "
                "InfraredSupported:B InstallDate:S Manufacturer:S Model:S Name:S NetworkServerModeEnabled:B "
                "NumberOfLogicalProcessors:U32 NumberOfProcessors:U32 PartOfDomain:B PauseAfterReset:I64 "
                "PrimaryOwnerName:S Roles:S* Status:S SystemType:S TotalPhysicalMemory:U64 UserName:S Workgroup:S"
            ),
        ),
        WmiClass(
            "Win32_Service",
            "Name",
            ("Win32_BaseService", "CIM_Service", *_ELEMENT),
            _typed(
                "AcceptPause:B AcceptStop:B Caption:S CheckPoint:U32 CreationClassName:S Description:S DesktopInteract:B "
                "DisplayName:S ErrorControl:S ExitCode:U32 InstallDate:S Name:S PathName:S ProcessId:U32 "
                "ServiceSpecificExitCode:U32 ServiceType:S Started:B StartMode:S StartName:S State:S Status:S "
                "SystemCreationClassName:S SystemName:S TagId:U32 WaitHint:U32"
            ),
        ),
        WmiClass(
            "Win32_Volume",
            "DeviceID",
            ("CIM_StorageVolume", "CIM_StorageExtent", "CIM_LogicalDevice", *_ELEMENT),
            _typed(
                "Access:U16 Automount:B Availability:U16 BlockSize:U64 BootVolume:B Capacity:U64 Caption:S Compressed:B "
                "ConfigManagerErrorCode:U32 ConfigManagerUserConfig:B CreationClassName:S Description:S DeviceID:S "
                "DirtyBitSet:B DriveLetter:S DriveType:U32 ErrorCleared:B ErrorDescription:S ErrorMethodology:S "
                "FileSystem:S FreeSpace:U64 IndexingEnabled:B InstallDate:S Label:S LastErrorCode:U32 "
                "MaximumFileNameLength:U32 Name:S NumberOfBlocks:U64 PageFilePresent:B PNPDeviceID:S "
                "PowerManagementCapabilities:U16* PowerManagementSupported:B Purpose:S QuotasEnabled:B "
                "QuotasIncomplete:B QuotasRebuilding:B SerialNumber:U32 Status:S StatusInfo:U16 SupportsDiskQuotas:B "
                "SupportsFileBasedCompression:B SystemCreationClassName:S SystemName:S SystemVolume:B"
            ),
        ),
        WmiClass(
            "Win32_LogicalDisk",
            "DeviceID",
            ("CIM_LogicalDisk", "CIM_StorageExtent", "CIM_LogicalDevice", *_ELEMENT),
            _typed(
                "Access:U16 Availability:U16 BlockSize:U64 Caption:S Compressed:B ConfigManagerErrorCode:U32 "
                "ConfigManagerUserConfig:B CreationClassName:S Description:S DeviceID:S DriveType:U32 ErrorCleared:B "
                "ErrorDescription:S ErrorMethodology:S FileSystem:S FreeSpace:U64 InstallDate:S LastErrorCode:U32 "
                "MaximumComponentLength:U32 MediaType:U32 Name:S NumberOfBlocks:U64 PNPDeviceID:S "
                "PowerManagementCapabilities:U16* PowerManagementSupported:B ProviderName:S Purpose:S QuotasDisabled:B "
                "QuotasIncomplete:B QuotasRebuilding:B Size:U64 Status:S StatusInfo:U16 SupportsDiskQuotas:B "
                "SupportsFileBasedCompression:B SystemCreationClassName:S SystemName:S VolumeDirty:B VolumeName:S "
                "VolumeSerialNumber:S"
            ),
        ),
        WmiClass(
            "Win32_ShadowCopy",
            "ID",
            _ELEMENT,
            _typed(
                "Caption:S ClientAccessible:B Count:U32 Description:S DeviceObject:S Differential:B ExposedLocally:B "
                "ExposedName:S ExposedPath:S ExposedRemotely:B HardwareAssisted:B ID:S Imported:B InstallDate:S Name:S "
                "NoAutoRelease:B NotSurfaced:B NoWriters:B OriginatingMachine:S Persistent:B Plex:B ProviderID:S "
                "ServiceMachine:S SetID:S State:U32 Status:S Transportable:B VolumeName:S"
            ),
        ),
        WmiClass(
            "Win32_ShadowStorage",
            "Volume",
            (),
            _typed("AllocatedSpace:U64 DiffVolume:S MaxSpace:U64 UsedSpace:U64 Volume:S"),
        ),
        WmiClass(
            "Win32_Process",
            "Handle",
            ("CIM_Process", *_ELEMENT),
            _typed(
                "Caption:S CommandLine:S CreationClassName:S CreationDate:S CSCreationClassName:S CSName:S Description:S "
                "ExecutablePath:S ExecutionState:U16 Handle:S HandleCount:U32 InstallDate:S KernelModeTime:U64 "
                "MaximumWorkingSetSize:U32 MinimumWorkingSetSize:U32 Name:S OSCreationClassName:S OSName:S "
                "OtherOperationCount:U64 OtherTransferCount:U64 PageFaults:U32 PageFileUsage:U32 ParentProcessId:U32 "
                "PeakPageFileUsage:U32 PeakVirtualSize:U64 PeakWorkingSetSize:U32 Priority:U32 PrivatePageCount:U64 "
                "ProcessId:U32 QuotaNonPagedPoolUsage:U32 QuotaPagedPoolUsage:U32 QuotaPeakNonPagedPoolUsage:U32 "
                "QuotaPeakPagedPoolUsage:U32 ReadOperationCount:U64 ReadTransferCount:U64 SessionId:U32 Status:S "
                "TerminationDate:S ThreadCount:U32 UserModeTime:U64 VirtualSize:U64 WindowsVersion:S WorkingSetSize:U64 "
                "WriteOperationCount:U64 WriteTransferCount:U64"
            ),
        ),
        WmiClass(
            "CIM_DataFile",
            "Name",
            ("CIM_LogicalFile", *_ELEMENT),
            _typed(
                "AccessMask:U32 Archive:B Caption:S Compressed:B CompressionMethod:S CreationClassName:S CreationDate:S "
                "CSCreationClassName:S CSName:S Description:S Drive:S EightDotThreeFileName:S Encrypted:B "
                "EncryptionMethod:S Extension:S FileName:S FileSize:U64 FileType:S FSCreationClassName:S FSName:S "
                "Hidden:B InstallDate:S InUseCount:U64 LastAccessed:S LastModified:S Manufacturer:S Name:S Path:S "
                "Readable:B Status:S System:B Version:S Writeable:B"
            ),
        ),
        WmiClass(
            "Win32_NTLogEvent",
            "RecordNumber",
            (),
            _typed(
                "Category:U16 CategoryString:S ComputerName:S EventCode:U16 EventIdentifier:U32 EventType:By "
                "InsertionStrings:S* Logfile:S Message:S RecordNumber:U32 SourceName:S TimeGenerated:S TimeWritten:S "
                "Type:S User:S"
            ),
        ),
        WmiClass(
            "Win32_TimeZone",
            "StandardName",
            ("CIM_Setting",),
            _typed("Bias:I32 Caption:S DaylightBias:I32 DaylightName:S Description:S StandardBias:I32 StandardName:S"),
        ),
    )
}
