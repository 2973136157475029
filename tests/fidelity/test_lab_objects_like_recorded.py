"""The lab's WMI objects and services beside those of a real Server 2016 and 2019, property by property."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sitekeeper_lab.engines.objects import service_object
from sitekeeper_lab.windows.services import ServiceControl
from sitekeeper_lab.windows.wmi import Wmi
from sitekeeper_lab.wsman.clixml import dumps

from . import recorded
from .compared import Compared
from .counting import Row, count
from .known_differences import OBJECTS
from .lab_hosts import lab_host
from .likeness import Fields, of_message
from .recorded import needs_recordings
from .recorded_files import text_of

pytestmark = needs_recordings

NAMES = ("__SERVER", "__PATH", "__RELPATH", "", "PSComputerName", "CSName", "Caption", "Name", "DNSHostName", "Domain")
OWN = {
    "Win32_OperatingSystem": (
        *NAMES,
        "BootDevice",
        "SystemDevice",
        "WindowsDirectory",
        "SystemDirectory",
        "CurrentTimeZone",
        "FreePhysicalMemory",
        "FreeSpaceInPagingFiles",
        "FreeVirtualMemory",
        "SizeStoredInPagingFiles",
        "TotalVirtualMemorySize",
        "TotalVisibleMemorySize",
        "MaxProcessMemorySize",
        "InstallDate",
        "LastBootUpTime",
        "LocalDateTime",
        "NumberOfProcesses",
        "NumberOfUsers",
        "OSProductSuite",
        "SuiteMask",
        "OperatingSystemSKU",
        "SerialNumber",
        "BuildNumber",
        "Version",
    ),
    "Win32_ComputerSystem": (
        *NAMES,
        "CurrentTimeZone",
        "DaylightInEffect",
        "NumberOfLogicalProcessors",
        "TotalPhysicalMemory",
        "Manufacturer",
        "Model",
    ),
}
"""Properties whose value is the machine's own; their type, and whether they are null, is compared all the same."""


def first_object(name: str) -> str:
    """The first object of an export."""
    text = re.sub(r' xmlns="[^"]*"', "", text_of(recorded.folder() / "windows" / "clixml" / name), count=1)
    return ET.tostring(ET.fromstring(text)[0], encoding="unicode")  # noqa: S314 - a recording


def ordered(fields: Fields) -> Fields:
    """The names of the properties in their order, beside the properties."""
    names = [path for path in fields if re.fullmatch(r"//\w+", path)]
    return {**fields, "order": " ".join(names)}


@pytest.mark.parametrize("server", ["exch-e16", "exch-e19"])
def test_wmi_objects(server: str, tmp_path: Path) -> None:
    compared = Compared()
    with lab_host(tmp_path, "2016") as host:
        for name, own in OWN.items():
            recording = f"{server}-{name.lower().replace('_', '-')}"
            recording += "-hyperv.xml" if name == "Win32_ComputerSystem" else ".xml"
            (lab,) = Wmi(host).get(name, (), None)
            compared.add(name, ordered(of_message(first_object(recording), own)), ordered(of_message(dumps(lab), own)))
    assert compared.unknown(OBJECTS) == {}
    assert [one for one in compared.unused(OBJECTS) if one[0] != "Service"] == []
    count(Row.COMPARED, compared.fields, f"{compared.fields} of WMI objects")


def test_a_wmi_date(tmp_path: Path) -> None:
    """Local time to the microsecond, and the minutes from UTC with a sign and three digits."""
    dates = r'N="(InstallDate|LastBootUpTime|LocalDateTime)">([^<]+)<'
    real = dict(re.findall(dates, first_object("exch-e16-win32-operatingsystem.xml")))
    with lab_host(tmp_path, "2016") as host:
        host.machine.os.bias = -300
        lab = dict(re.findall(dates, dumps(Wmi(host).get("Win32_OperatingSystem", (), None)[0])))
    assert set(real) == set(lab)
    for text in (*real.values(), *lab.values()):
        assert re.fullmatch(r"\d{14}\.\d{6}-(300|360)", text)
    assert lab["LocalDateTime"].endswith("-300")
    count(Row.COMPARED, len(real), "dates")


def test_a_service(tmp_path: Path) -> None:
    """WinRM of 2016 as PSRP carried it, and the properties of all services of a 2019."""
    told = [
        clixml
        for kind, clixml in recorded.messages(recorded.pools("psrp-multiple-commands")[0])
        if kind == recorded.OUTPUT
    ]
    (real,) = [clixml for clixml in told if "ServiceController" in clixml]
    own = ("Name", "ServiceName", "0", "")  # names in the letters that each was asked for
    compared = Compared()
    with lab_host(tmp_path, "2016") as host:
        control = ServiceControl(host)
        objects = {name: dumps(service_object(control, one)) for name, one in host.machine.services.items()}
    compared.add("Service", ordered(of_message(real, own)), ordered(of_message(objects["WinRM"], own)))
    export = text_of(recorded.folder() / "windows" / "clixml" / "exch-e19-get-service-all.xml.xz")
    whole = ET.fromstring(re.sub(r' xmlns="[^"]*"', "", export, count=1))  # noqa: S314 - a recording
    names = {" ".join(one.get("N", "") for one in service.find("Props") or ()) for service in whole}
    names -= {text for text in names if "ServiceHandle" not in text}  # of 34 services its getter threw
    for clixml in objects.values():
        mine = " ".join(one.get("N", "") for one in ET.fromstring(clixml).find("Props") or ())  # noqa: S314 - the lab's
        compared.fields += 1
        assert names == {mine}
    assert compared.unknown(OBJECTS) == {}
    assert [one for one in compared.unused(OBJECTS) if one[0] == "Service"] == []
    count(Row.COMPARED, compared.fields, f"{compared.fields} of services")
