"""WMI of a lab host: queries, methods and deletion, answering as ``Get-WmiObject`` shows it."""

from __future__ import annotations

import re
from typing import Any

from sitekeeper_lab.engines.api import ErrorRecord, PsArray, PsObject
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.services import ServiceControl
from sitekeeper_lab.windows.shadows import ShadowCopies
from sitekeeper_lab.windows.wmi_rows import Rows
from sitekeeper_lab.windows.wmi_schema import CLASSES, NEWER, WmiClass, typed
from sitekeeper_lab.windows.wql import Query, Test, WqlError, parse_filter, parse_query

_NAME_IS = re.compile(r"""^\s*Name\s*=\s*(?:'([^']*)'|"([^"]*)")\s*$""", re.IGNORECASE)
_PATH = re.compile(r"""^(?:\\\\[^\\]+\\[^:]+:)?(\w+)\.(\w+)=["']([^"']*)["']$""")


class InvalidClass(LookupError):  # noqa: N818  # WMI's own words
    """This Windows has no such class (WBEM_E_INVALID_CLASS)."""


class NotEmulated(LookupError):  # noqa: N818  # says what it is
    """A real host may have it; the lab does not."""


class Wmi:
    r"""The provider of ``root\\cimv2`` on one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.rows = Rows(host)
        self.services = ServiceControl(host)
        self.shadows = ShadowCopies(host)
        self.shadows.watch()

    def find(self, name: str) -> WmiClass:
        """A class by its name.

        Raises:
            InvalidClass: this release of Windows does not have it.
            NotEmulated: the lab does not have it.

        """
        found = CLASSES.get(name.lower())
        if found is None:
            raise NotEmulated(f"emulator: WMI class {name} is not emulated")
        if self.host.machine.os.level < found.since:
            raise InvalidClass(found.name)
        return found

    def query(self, text: str) -> list[PsObject]:
        """The answer to a WQL query."""
        query = parse_query(text)
        return self._select(query, text)

    def get(self, name: str, columns: tuple[str, ...], where: str | None) -> list[PsObject]:
        """The instances of a class that pass a WQL filter, with these properties (none named: all)."""
        test: Test = parse_filter(where) if where else lambda _: True
        return self._select(Query(columns, name, test), where or "")

    def _select(self, query: Query, text: str) -> list[PsObject]:
        found = self.find(query.name)
        level = self.host.machine.os.level
        present = [(n, kind) for n, kind in found.properties if level >= NEWER.get((found.name, n), found.since)]
        known = {name.lower(): name for name, _ in present}
        columns = set()
        for column in query.columns:
            if column.lower() not in known:
                raise WqlError(f"Invalid query: no property {column} in {found.name}")
            columns.add(known[column.lower()])
        with self.host.lock:
            rows = self._instances(found, text)
            for row in rows:
                for name, _ in present:
                    row.setdefault(name, None)
            rows = [row for row in rows if query.test(row)]
        chosen = [(name, kind) for name, kind in present if not columns or name in columns]
        return [self._object(found, row, chosen, whole=not columns or found.key in columns) for row in rows]

    def _instances(self, found: WmiClass, text: str) -> list[dict[str, Any]]:
        if found.name != "CIM_DataFile":
            return self.rows.all(found.name.lower())()
        where = text.split("WHERE", 1)[1] if " WHERE " in text else text
        match = _NAME_IS.match(re.sub(r"^.*\bwhere\b", "", where, flags=re.IGNORECASE | re.DOTALL) if where else "")
        if match is None:
            raise NotEmulated(
                "emulator: CIM_DataFile is emulated for Name='…' only; anything else scans the whole disk"
            )
        row = self.rows.data_file((match[1] or match[2]).replace("\\\\", "\\"))
        return [] if row is None else [row]

    def _object(self, found: WmiClass, row: dict[str, Any], chosen: list[tuple[str, str]], *, whole: bool) -> PsObject:
        server = self.host.name
        if found.key is None:
            relative: str | None = f"{found.name}=@"
        elif not whole:
            relative = None  # a partial instance without its key has no path
        else:
            escaped = str(row[found.key]).replace("\\", "\\\\").replace('"', '\\"')
            relative = f'{found.name}.{found.key}="{escaped}"'
        path = None if relative is None else f"\\\\{server}\\root\\cimv2:{relative}"
        adapted: dict[str, Any] = {
            "__GENUS": 2,
            "__CLASS": found.name,
            "__SUPERCLASS": found.bases[0] if found.bases else None,
            "__DYNASTY": found.bases[-1] if found.bases else found.name,
            "__RELPATH": relative,
            "__PROPERTY_COUNT": len(chosen),
            "__DERIVATION": PsArray("System.String", found.bases),
            "__SERVER": None if relative is None else server,
            "__NAMESPACE": None if relative is None else "root\\cimv2",
            "__PATH": path,
        }
        for name, kind in chosen:
            adapted[name] = typed(kind, row[name])
        names = (found.name, *found.bases)
        types = (
            *(f"System.Management.ManagementObject#root\\cimv2\\{name}" for name in names),
            *(f"System.Management.ManagementObject#{name}" for name in names),
            "System.Management.ManagementObject",
            "System.Management.ManagementBaseObject",
            "System.ComponentModel.Component",
            "System.MarshalByRefObject",
            "System.Object",
        )
        # PSComputerName came with PowerShell 3.0.
        extended = {} if self.host.machine.os.powershell == "2.0" else {"PSComputerName": server}
        return PsObject(types, adapted, extended, path or "")

    def invoke(self, path: str, method: str, arguments: list[Any]) -> PsObject:
        """Call a method of the class or the instance at ``path``.

        Raises:
            NotEmulated: the lab does not have this method.
            KeyError: no such instance.

        """
        match = _PATH.match(path)
        name, key = (match[1], match[3]) if match else (path, None)
        if name.lower() == "win32_service" and key is not None and method.lower() in {"startservice", "stopservice"}:
            service = self.services.find(key)
            if service is None:
                raise KeyError(path)
            act = self.services.start if method.lower() == "startservice" else self.services.stop
            return self._answer({"ReturnValue": typed("U32", act(service))})
        if name.lower() == "win32_service" and key is not None and method.lower() == "changestartmode":
            service = self.services.find(key)
            if service is None:
                raise KeyError(path)
            code = self.services.change_start_mode(service, str(arguments[0]) if arguments else "Automatic")
            return self._answer({"ReturnValue": typed("U32", code)})
        if name.lower() == "win32_shadowcopy" and key is None and method.lower() == "create":
            # Invoke-WmiMethod hands its arguments over in the order of the parameters' names: Context, Volume.
            context, volume = str(arguments[0]), str(arguments[1])
            code, shadow = self.shadows.create_one(volume, context)
            made = None if shadow is None else f"{{{shadow.id.upper()}}}"
            return self._answer({"ReturnValue": typed("U32", code), "ShadowID": made})
        raise NotEmulated(f"emulator: WMI method {method} of {path} is not emulated")

    def remove(self, path: str) -> None:
        """Delete the instance at ``path``; only shadow copies are emulated.

        Raises:
            KeyError: no such instance.
            NotEmulated: another class.

        """
        match = _PATH.match(path)
        if match is None or match[1].lower() != "win32_shadowcopy" or match[2].lower() != "id":
            raise NotEmulated(f"emulator: deleting {path} is not emulated")
        if not self.shadows.delete(match[3].strip("{}").lower()):
            raise KeyError(path)

    def _answer(self, values: dict[str, Any]) -> PsObject:
        adapted: dict[str, Any] = {
            "__GENUS": 2,
            "__CLASS": "__PARAMETERS",
            "__SUPERCLASS": None,
            "__DYNASTY": "__PARAMETERS",
            "__RELPATH": None,
            "__PROPERTY_COUNT": len(values),
            "__DERIVATION": [],
            "__SERVER": None,
            "__NAMESPACE": None,
            "__PATH": None,
        } | values
        types = (
            "System.Management.ManagementBaseObject#\\__PARAMETERS",
            "System.Management.ManagementBaseObject",
            "System.ComponentModel.Component",
            "System.MarshalByRefObject",
            "System.Object",
        )
        extended = {} if self.host.machine.os.powershell == "2.0" else {"PSComputerName": None}
        return PsObject(types, adapted, extended, "System.Management.ManagementBaseObject")


def query_failure(error: Exception, target: str, command: str) -> ErrorRecord:
    """The error record of a failed WMI query.

    An invalid class: category InvalidType, text ``Invalid class "X"`` (Get-WmiObject's source as published). What the
    lab does not emulate says so itself.
    """
    if isinstance(error, InvalidClass):
        return ErrorRecord(
            f'Invalid class "{target}"',
            f"GetWMIManagementException,Microsoft.PowerShell.Commands.{command}Command",
            9,
            "System.Management.ManagementException",
        )
    return ErrorRecord(str(error), "EmulatorNotImplemented", 11, "System.NotImplementedException", target)
