"""Objects as the cmdlets of Windows PowerShell answer them, shaped like recordings of real servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from psrpcore.types import PSInt64

from sitekeeper_lab.engines.api import PsArray, PsObject
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.file_version import file_version
from sitekeeper_lab.windows.files import DIRECTORY, EPOCH, HIDDEN, READ_ONLY, REPARSE, SYSTEM
from sitekeeper_lab.windows.model import Service
from sitekeeper_lab.windows.registry import HIVES, Key, Value
from sitekeeper_lab.windows.services import ServiceControl

_SERVICE = (
    "System.ServiceProcess.ServiceController",
    "System.ComponentModel.Component",
    "System.MarshalByRefObject",
    "System.Object",
)
CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")
_MODES = {"Auto": "Automatic", "Manual": "Manual", "Disabled": "Disabled"}


def custom(**values: Any) -> PsObject:
    """``New-Object PSObject -Property @{…}``."""
    return PsObject(CUSTOM, {}, values)


def service_object(control: ServiceControl, service: Service) -> PsObject:
    """A ServiceController as PSRP carries it (depth 1: related services are names, Status is text)."""
    running = service.state == "Running"
    needed = PsArray(_SERVICE[0], service.depends_on)
    adapted: dict[str, Any] = {
        "CanPauseAndContinue": False,
        "CanShutdown": running,
        "CanStop": running and service.can_stop,
        "DisplayName": service.display,
        "DependentServices": PsArray(_SERVICE[0], (other.name for other in control.dependents(service.name))),
        "MachineName": ".",
        "ServiceName": service.name,
        "ServicesDependedOn": needed,
        "ServiceHandle": "SafeServiceHandle",
        "Status": service.state.replace(" ", ""),
        "ServiceType": "Win32ShareProcess" if service.shared else "Win32OwnProcess",
    }
    if control.host.machine.os.powershell not in {"2.0", "3.0", "4.0"}:
        adapted["StartType"] = _MODES[service.start_mode]  # a property of .NET 4.6.1
    adapted |= {"Site": None, "Container": None}
    extended = {"Name": service.name, "RequiredServices": needed}  # a reference to the same array, as recorded
    text = "System.ServiceProcess.ServiceController" if "StartType" not in adapted else service.name
    return PsObject(_SERVICE, adapted, extended, text)


def provider_properties(provider: str, path: str, parent: str, child: str, drive: str) -> dict[str, Any]:
    """The PS… notes of an item of a provider."""
    full = f"Microsoft.PowerShell.Core\\{provider}::"
    return {
        "PSPath": full + path,
        "PSParentPath": full + parent if parent else "",
        "PSChildName": child,
        "PSDrive": drive,
        "PSProvider": f"Microsoft.PowerShell.Core\\{provider}",
    }


def long_key(path: str) -> str:
    r"""``HKLM\…`` with the hive's long name."""
    hive, dash, rest = path.partition("\\")
    return HIVES[hive] + dash + rest


def registry_notes(key: Key) -> dict[str, Any]:
    """The PS… notes of a registry key."""
    parent, _, child = key.path.rpartition("\\")
    return provider_properties("Registry", long_key(key.path), long_key(parent), child, key.path.split("\\")[0])


def registry_data(value: Value) -> Any:
    """A registry value as .NET reads it: DWORD and QWORD signed, environment variables expanded."""
    data = value.data
    if value.type == "REG_DWORD":
        number = int(str(data))
        return number - 2**32 if number >= 2**31 else number
    if value.type == "REG_QWORD":
        return PSInt64(int(str(data)))
    if value.type == "REG_EXPAND_SZ":
        return str(data).replace("%SystemRoot%", r"C:\WINDOWS").replace("%windir%", r"C:\WINDOWS")
    return data


def item_properties(key: Key, names: list[str] | None) -> PsObject:
    """What Get-ItemProperty answers for a registry key."""
    chosen = [v for v in key.values.values() if names is None or v.name.lower() in {n.lower() for n in names}]
    values = {value.name or "(default)": registry_data(value) for value in chosen}
    return PsObject(CUSTOM, {}, values | registry_notes(key))


def key_object(key: Key, children: int) -> PsObject:
    """A RegistryKey as Get-ChildItem answers it."""
    types = ("Microsoft.Win32.RegistryKey", "System.MarshalByRefObject", "System.Object")
    name = long_key(key.path)
    adapted = {"SubKeyCount": children, "ValueCount": len(key.values), "Name": name}
    notes: dict[str, Any] = {"Property": [value.name or "(default)" for value in key.values.values()]}
    return PsObject(types, adapted, notes | registry_notes(key), name)


def file_object(host: Host, path: str) -> PsObject:
    """A FileInfo or DirectoryInfo of a live file."""
    real = host.files.resolve(path)
    size, written, bits = host.files.attributes(real, host.metadata(path))
    date = datetime.fromtimestamp((written - EPOCH) / 10_000_000, UTC)
    parent, _, name = path.rstrip("\\").rpartition("\\")
    parent = parent + "\\" if parent.endswith(":") else parent
    folder = bool(bits & DIRECTORY)
    adapted: dict[str, Any] = {"Name": name}
    if folder:
        adapted |= {"Parent": parent, "Exists": True, "Root": path[:3]}
    else:
        adapted |= {
            "Length": PSInt64(size),
            "DirectoryName": parent,
            "Directory": parent,
            "IsReadOnly": bool(bits & READ_ONLY),
            "Exists": True,
        }
    adapted |= {
        "FullName": path,
        "Extension": "." + name.rpartition(".")[2] if "." in name else "",
        "LastWriteTime": date,
        "LastWriteTimeUtc": date,
        "Attributes": attribute_names(bits),
    }
    notes = provider_properties("FileSystem", path, parent, name, path[:1])
    notes["PSIsContainer"] = folder
    if not folder:
        version = file_version(real.read_bytes()) if name.lower().endswith((".exe", ".dll")) else None
        notes["VersionInfo"] = custom(FileVersion=version, ProductVersion=version, FileName=path)
    kind = "DirectoryInfo" if folder else "FileInfo"
    types = (f"System.IO.{kind}", "System.IO.FileSystemInfo", "System.MarshalByRefObject", "System.Object")
    return PsObject(types, adapted, notes, path)


def attribute_names(bits: int) -> str:
    """FileAttributes as text: ``ReadOnly, Hidden, Archive``."""
    words = ((READ_ONLY, "ReadOnly"), (HIDDEN, "Hidden"), (SYSTEM, "System"), (DIRECTORY, "Directory"), (32, "Archive"))
    return ", ".join(word for bit, word in (*words, (REPARSE, "ReparsePoint")) if bits & bit) or "Normal"


def property_of(value: Any, name: str) -> Any:
    """A property of an object, whatever the case; raises KeyError when it has none of that name."""
    if isinstance(value, PsObject):
        for values in (value.extended, value.adapted):
            for key, item in values.items():
                if key.lower() == name.lower():
                    return item
    if isinstance(value, dict):
        for key, item in value.items():
            if str(key).lower() == name.lower():
                return item
    raise KeyError(name)
