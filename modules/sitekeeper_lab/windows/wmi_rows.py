"""What the instances of the lab's WMI classes say, read from the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.file_version import file_version
from sitekeeper_lab.windows.files import EPOCH, HIDDEN, READ_ONLY, SYSTEM
from sitekeeper_lab.windows.model import Machine, ScheduledTask, Service, Volume
from sitekeeper_lab.windows.wmi_system import computer_system, dmtf, operating_system

_KIND = {1: "Error", 2: "Warning", 3: "Information", 4: "Security Audit Success", 5: "Security Audit Failure"}
_PENDING = {"Start Pending": True, "Stop Pending": True}


def device_id(volume_id: str) -> str:
    r"""``\\?\Volume{…}\``."""
    return f"\\\\?\\Volume{{{volume_id}}}\\"


class Rows:
    """The instances of each class on one host, as plain values by property name; a property left out is null."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.machine: Machine = host.machine

    def all(self, name: str) -> Callable[[], list[dict[str, Any]]]:
        """The function that reads all instances of a class (lower-case name)."""
        return {
            "win32_operatingsystem": lambda: operating_system(self.host),
            "win32_computersystem": lambda: computer_system(self.host),
            "win32_service": lambda: [self._service(s) for s in self.machine.services.values()],
            "win32_volume": lambda: [self._volume(v) for v in self.machine.volumes],
            "win32_logicaldisk": lambda: [self._disk(v) for v in self.machine.volumes if v.letter],
            "win32_shadowcopy": self._shadows,
            "win32_shadowstorage": self._storages,
            "win32_process": self._processes,
            "win32_ntlogevent": self._events,
            "win32_timezone": self._time_zone,
        }[name]

    def _date(self, text: str) -> str:
        return dmtf(datetime.fromisoformat(text), self.machine.os.bias)

    def _service(self, service: Service) -> dict[str, Any]:
        on = service.state == "Running"
        return {
            "AcceptPause": False,
            "AcceptStop": on and service.can_stop,
            "Caption": service.display,
            "CheckPoint": 1 if service.state in _PENDING else 0,
            "CreationClassName": "Win32_Service",
            "Description": service.display,
            "DesktopInteract": False,
            "DisplayName": service.display,
            "ErrorControl": "Normal",
            "ExitCode": service.exit_code,
            "Name": service.name,
            "PathName": service.path,
            "ProcessId": service.pid,
            "ServiceSpecificExitCode": 0,
            "ServiceType": "Share Process" if service.shared else "Own Process",
            "Started": on,
            "StartMode": service.start_mode,
            "StartName": service.account,
            "State": service.state,
            "Status": "OK",
            "SystemCreationClassName": "Win32_ComputerSystem",
            "SystemName": self.machine.name,
            "TagId": 0,
            "WaitHint": 30_000 if service.state in _PENDING else 0,
        }

    def _free(self, volume: Volume) -> int:
        return max(0, volume.capacity - volume.used - self.host.bytes_on(volume))

    def _volume(self, volume: Volume) -> dict[str, Any]:
        return {
            "Automount": True,
            "BlockSize": 4096,
            "BootVolume": volume.name == "C:\\",
            "Capacity": volume.capacity,
            "Caption": volume.name,
            "Compressed": False,
            "DeviceID": device_id(volume.id),
            "DirtyBitSet": False,
            "DriveLetter": volume.letter,
            "DriveType": 3,
            "FileSystem": "NTFS",
            "FreeSpace": self._free(volume),
            "IndexingEnabled": True,
            "Label": volume.label,
            "MaximumFileNameLength": 255,
            "Name": volume.name,
            "PageFilePresent": volume.name == "C:\\",
            "QuotasEnabled": False,
            "QuotasIncomplete": False,
            "QuotasRebuilding": False,
            "SerialNumber": volume.serial,
            "SupportsDiskQuotas": True,
            "SupportsFileBasedCompression": True,
            "SystemName": self.machine.name,
            "SystemVolume": volume.name == "C:\\",
        }

    def _disk(self, volume: Volume) -> dict[str, Any]:
        return {
            "Access": 0,
            "Caption": volume.letter,
            "Compressed": False,
            "CreationClassName": "Win32_LogicalDisk",
            "Description": "Local Fixed Disk",
            "DeviceID": volume.letter,
            "DriveType": 3,
            "FileSystem": "NTFS",
            "FreeSpace": self._free(volume),
            "MaximumComponentLength": 255,
            "MediaType": 12,
            "Name": volume.letter,
            "QuotasDisabled": True,
            "QuotasIncomplete": False,
            "QuotasRebuilding": False,
            "Size": volume.capacity,
            "SupportsDiskQuotas": True,
            "SupportsFileBasedCompression": True,
            "SystemCreationClassName": "Win32_ComputerSystem",
            "SystemName": self.machine.name,
            "VolumeDirty": False,
            "VolumeName": volume.label,
            "VolumeSerialNumber": f"{volume.serial:08X}",
        }

    def _shadows(self) -> list[dict[str, Any]]:
        return [
            {
                "ClientAccessible": copy.client_accessible,
                "Count": copy.count,
                "DeviceObject": f"\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy{copy.number}",
                "Differential": True,
                "ExposedLocally": copy.exposed is not None,
                "ExposedName": copy.exposed,
                "ExposedRemotely": False,
                "HardwareAssisted": False,
                "ID": f"{{{copy.id.upper()}}}",
                "Imported": False,
                "InstallDate": self._date(copy.created),
                "NoAutoRelease": True,
                "NotSurfaced": False,
                "NoWriters": not copy.writers,
                "OriginatingMachine": self.machine.name,
                "Persistent": copy.persistent,
                "Plex": False,
                "ProviderID": "{B5946137-7B9F-4925-AF80-51ABD60B20D5}",
                "ServiceMachine": self.machine.name,
                "SetID": f"{{{copy.set_id.upper()}}}",
                "State": 12,
                "Transportable": False,
                "VolumeName": device_id(copy.volume_id),
            }
            for copy in self.machine.shadows
        ]

    def _storages(self) -> list[dict[str, Any]]:
        # Win32_ShadowStorage is an association: its ends are object paths.
        def reference(volume_id: str) -> str:
            escaped = device_id(volume_id).replace("\\", "\\\\")
            return f'Win32_Volume.DeviceID="{escaped}"'

        used = {copy.volume_id for copy in self.machine.shadows}
        return [
            {
                "AllocatedSpace": storage.allocated,
                "DiffVolume": reference(storage.diff_volume_id),
                "MaxSpace": storage.maximum,
                "UsedSpace": storage.used,
                "Volume": reference(storage.volume_id),
            }
            for storage in self.machine.storages
            if storage.allocated or storage.volume_id in used
        ]

    def _processes(self) -> list[dict[str, Any]]:
        seen: dict[int, dict[str, Any]] = {}
        for service in self.machine.services.values():
            if not service.pid or service.pid in seen:
                continue
            program = (
                service.path[1:].split('"')[0]
                if service.path.startswith('"')
                else service.path.split(".exe")[0] + ".exe"
            )
            name = program.rsplit("\\", 1)[-1]
            seen[service.pid] = {
                "Caption": name,
                "CommandLine": service.path,
                "CreationClassName": "Win32_Process",
                "CreationDate": self._date(self.machine.boot_time),
                "CSCreationClassName": "Win32_ComputerSystem",
                "CSName": self.machine.name,
                "Description": name,
                "ExecutablePath": program,
                "Handle": str(service.pid),
                "Name": name,
                "OSCreationClassName": "Win32_OperatingSystem",
                "ProcessId": service.pid,
                "SessionId": 0,
                "WindowsVersion": self.machine.os.version,
            }
        for task in self.machine.tasks:
            if task.pid:
                seen[task.pid] = self._shell(task)
        return list(seen.values())

    def _shell(self, task: ScheduledTask) -> dict[str, Any]:
        """The cmd.exe that runs a task's command file."""
        program = r"C:\Windows\SYSTEM32\cmd.exe"
        return {
            "Caption": "cmd.exe",
            "CommandLine": f'{program} /c "{task.command}"',
            "CreationClassName": "Win32_Process",
            "CSCreationClassName": "Win32_ComputerSystem",
            "CSName": self.machine.name,
            "Description": "cmd.exe",
            "ExecutablePath": program,
            "Handle": str(task.pid),
            "Name": "cmd.exe",
            "OSCreationClassName": "Win32_OperatingSystem",
            "ProcessId": task.pid,
            "SessionId": 0,
            "WindowsVersion": self.machine.os.version,
        }

    def _events(self) -> list[dict[str, Any]]:
        return [
            {
                "Category": 0,
                "ComputerName": self.machine.name,
                "EventCode": event.code,
                "EventIdentifier": event.code,
                "EventType": event.kind,
                "InsertionStrings": event.inserts,
                "Logfile": event.log,
                "Message": event.message,
                "RecordNumber": event.record,
                "SourceName": event.source,
                "TimeGenerated": self._date(event.at),
                "TimeWritten": self._date(event.at),
                "Type": _KIND[event.kind],
            }
            for event in reversed(self.machine.events)
        ]

    def _time_zone(self) -> list[dict[str, Any]]:
        bias = self.machine.os.bias
        caption = f"(UTC{bias // 60:+03d}:{abs(bias) % 60:02d}) Lab"
        return [{"Bias": bias, "Caption": caption, "Description": caption, "StandardName": "Lab Standard Time"}]

    def data_file(self, path: str) -> dict[str, Any] | None:
        """The CIM_DataFile of one path, or None: that class is only ever asked for by name, as a scan would take hours."""
        try:
            real = self.host.files.resolve(path)
            stat = os.lstat(real)
        except FileNotFoundError:
            return None
        if not real.is_file():
            return None
        _, written, bits = self.host.files.attributes(real, self.host.metadata(path))
        date = datetime.fromtimestamp(max(0, written - EPOCH) / 10_000_000, UTC)
        text = dmtf(date, self.machine.os.bias)
        stem, _, extension = path.rsplit("\\", 1)[-1].rpartition(".")
        return {
            "AccessMask": 18_809_343,
            "Archive": True,
            "Caption": path.lower(),
            "Compressed": False,
            "CreationClassName": "CIM_LogicalFile",
            "CreationDate": text,
            "CSCreationClassName": "Win32_ComputerSystem",
            "CSName": self.machine.name,
            "Description": path.lower(),
            "Drive": path[:2].lower(),
            "Encrypted": False,
            "Extension": extension.lower(),
            "FileName": stem.lower(),
            "FileSize": stat.st_size,
            "FileType": "Application" if extension.lower() == "exe" else f"{extension} File",
            "FSCreationClassName": "Win32_FileSystem",
            "FSName": "NTFS",
            "Hidden": bool(bits & HIDDEN),
            "LastAccessed": text,
            "LastModified": text,
            "Manufacturer": "Microsoft Corporation" if extension.lower() == "exe" else None,
            "Name": path.lower(),
            "Path": path[2:].rsplit("\\", 1)[0].lower() + "\\",
            "Readable": True,
            "Status": "OK",
            "System": bool(bits & SYSTEM),
            "Version": file_version(real.read_bytes()),
            "Writeable": not bits & READ_ONLY,
        }
