"""A ConfigMgr install folder on the lab's disk: the files a site has, and the odd ones that trip a careless copier.

The content comes from the seed alone: the same hierarchy file always makes the same bytes.
"""

from __future__ import annotations

import os
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sitekeeper_lab.configmgr.tracelog import trace_line
from sitekeeper_lab.hierarchy import SiteSpec
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.file_version import fixed_file_info
from sitekeeper_lab.windows.files import EPOCH, HIDDEN
from sitekeeper_lab.windows.model import Metadata

_FILES, _BYTES = 270, 3_900_000
_UNICODE = (
    "Bericht \u00dcbersicht.txt",
    "\u043e\u0442\u0447\u0451\u0442.log",
    "\u5831\u544a\u66f8.dat",
    "\U0001f4e6 package.bin",
    "caf\u00e9.txt",  # these two are one name to a system that composes accents, two to NTFS
    "cafe\u0301.txt",
)
_AWKWARD = (
    "100% sure & (ok).txt",
    "it's; a 'name'.cfg",
    "-rf",
    "~backup$.tmp",
    "a.b.c",
    "no-break\u00a0space.ini",
    "%TEMP%.lnk",
    "nul_.txt",
)
INBOXES = (
    "auth\\ddm.box",
    "sitectrl.box",
    "smsbkup.box",
    "hman.box",
    "despoolr.box\\receive",
    "dataldr.box",
    "schedule.box",
    "compsumm.box",
)


@dataclass(frozen=True, slots=True)
class _Maker:
    host: Host
    root: Path
    install: str
    dice: random.Random
    now: datetime

    def put(self, path: str, data: bytes, age_days: float = 0) -> Path:
        real = self.root.joinpath(*path.split("\\"))
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(data)
        moment = (self.now - timedelta(days=age_days or self.dice.uniform(30, 900))).timestamp()
        os.utime(real, ns=(int(moment * 1e9), int(moment * 1e9) // 100 * 100))
        return real

    def note(self, path: str, **facts: int) -> None:
        self.host.machine.metadata[f"{self.install}\\{path}".lower()] = Metadata(**facts)


def make_tree(host: Host, spec: SiteSpec, dice: random.Random) -> None:
    """Make the install folder of a site."""
    root = host.files.resolve(spec.install)
    root.mkdir(parents=True)
    make = _Maker(host, root, spec.install, dice, host.now())
    _programs(make, spec)
    _boxes(make, spec)
    _state(make, spec)
    _bulk(make, spec)
    _oddities(make, spec)


def _programs(make: _Maker, spec: SiteSpec) -> None:
    folder = "bin\\i386" if spec.generation == 2007 else "bin\\x64"
    for name in (
        "sitecomp.exe",
        "smsexec.exe",
        "smsbkup.exe",
        "smswriter.exe",
        "preinst.exe",
        "setup.exe",
        "baseobj.dll",
    ):
        body = b"MZ" + make.dice.randbytes(9000) + fixed_file_info(spec.file_version) + make.dice.randbytes(3000)
        make.put(f"{folder}\\{name}", body)
    make.put(f"{folder}\\00000409\\climsgs.dll", b"MZ" + make.dice.randbytes(5000))
    if spec.generation == 2012:
        for name in ("setup.exe", "prereqchk.exe"):
            body = b"MZ" + make.dice.randbytes(9_000) + fixed_file_info(spec.file_version) + make.dice.randbytes(9_000)
            make.put(f"CD.Latest\\SMSSETUP\\BIN\\X64\\{name}", body)
        make.put("CD.Latest\\redist\\ConfigMgr.Manifest.cab", b"MSCF" + make.dice.randbytes(8000))
        make.put("CD.Latest\\splash.hta", b"<html></html>\r\n")


def _boxes(make: _Maker, spec: SiteSpec) -> None:
    for box in (*INBOXES, "labcounter.box"):
        make.root.joinpath("inboxes", *box.split("\\")).mkdir(parents=True, exist_ok=True)
    for number in range(12):
        make.put(f"inboxes\\auth\\ddm.box\\{make.dice.getrandbits(32):08X}.DDR", make.dice.randbytes(700), 0.01)
        if number < 3:
            make.put(f"inboxes\\despoolr.box\\receive\\ds_{number:05}.ist", make.dice.randbytes(2000), 0.02)
    control = (
        "BEGIN_SITE_DEFINITION\r\n<Site Definition><1>\r\n"
        f"\tSITE_CODE <{spec.code}>\r\n\tPARENT_SITE_CODE <{spec.parent or ''}>\r\n"
        f"\tINSTALL_DIRECTORY <{spec.install}>\r\n\tSITE_TYPE <2>\r\nEND_SITE_DEFINITION\r\n"
    )
    make.put("inboxes\\sitectrl.box\\sitectrl.ct0", control.encode("utf-16"), 1)
    for serial in (7, 8, 9):
        make.put(f"inboxes\\sitectrl.box\\history\\{serial:08X}.ct0", control.encode("utf-16"), 10 - serial)
    tokens = "[Tokens]\r\nBACKUP_DEST_DIR=\r\n[Stop]\r\n[Tasks]\r\n[Start]\r\n"
    make.put("inboxes\\smsbkup.box\\smsbkup.ctl", tokens.encode("ascii"), 400)
    make.put("inboxes\\labcounter.box\\counter.txt", b"0\r\n", 0.001)


def _state(make: _Maker, spec: SiteSpec) -> None:
    # Its keys belong to this installation of Windows: on another one nobody can open what it locks (KB 2509330).
    make.put(f"srvacct\\srvacct.{spec.code}", windows_id(make.host).bytes + make.dice.randbytes(1400))
    make.put("data\\hinv\\sms_def.mof", b'#pragma namespace ("\\\\\\\\.\\\\root\\\\cimv2\\\\sms")\r\n' * 40)
    make.put("data\\packageids.dat", make.dice.randbytes(600))
    for name, component in (("sitecomp.log", "SMS_SITE_COMPONENT_MANAGER"), ("smsexec.log", "SMS_EXECUTIVE")):
        start = make.now - timedelta(hours=5)
        lines = [
            trace_line(f"Starting thread {n}", component, start + timedelta(seconds=9 * n), 3000 + n) for n in range(60)
        ]
        make.put(f"logs\\{name}", "".join(lines).encode("utf-8"), 0.0001)
    make.put("logs\\sitecomp.lo_", make.dice.randbytes(4000), 20)
    make.put("logs\\hman.log", make.dice.randbytes(3000), 2)


def _bulk(make: _Maker, spec: SiteSpec) -> None:
    # Sizes as found on such a server: most files are small, a few are large, and one is empty.
    count = max(8, int(_FILES * spec.size))
    weights = [make.dice.lognormvariate(0, 1.8) for _ in range(count)]
    scale = _BYTES * spec.size / sum(weights)
    folders = ["Client\\i386", "OSD\\bin", "Scripts", "AdminConsole\\XmlStorage", "inventory\\sinv", "cmuserservice"]
    folders += [f"Client\\i386\\{n:08x}" for n in range(1, int(3 + count / 80))]
    for number, weight in enumerate(weights):
        size = 0 if number == 5 else int(weight * scale)
        name = f"{folders[number % len(folders)]}\\file{number:05}.{('dll', 'xml', 'cab', 'msi', 'txt')[number % 5]}"
        make.put(name, make.dice.randbytes(size))


def _oddities(make: _Maker, spec: SiteSpec) -> None:
    for number, name in enumerate((*_UNICODE, *_AWKWARD)):
        make.put(f"data\\names\\{name}", f"file {number}\r\n".encode())
    (make.root / "data" / "empty folder").mkdir(parents=True)
    make.put("data\\readonly.dat", b"do not touch\r\n").chmod(0o444)
    make.put("data\\hidden.dat", b"hidden\r\n")
    make.note("data\\hidden.dat", attributes=HIDDEN)
    make.put("data\\old.dat", b"from the first second that NTFS knows\r\n")
    make.note("data\\old.dat", written=10_000_000)
    future = make.put("data\\future.dat", b"from a clock that went wrong\r\n")
    os.utime(future, (4_102_444_800, 4_102_444_800))
    before = make.put("data\\before1970.dat", b"older than Unix\r\n")
    os.utime(before, ns=(-86_400_000_000_000, -86_400_000_000_000))
    make.put("data\\target\\inside.txt", b"behind a junction\r\n")
    (make.root / "data" / "junction").symlink_to("target", target_is_directory=True)
    deep = "\\".join(["a rather long folder name that people use"] * 2)
    make.put(f"data\\{deep}\\deep.txt", b"long path\r\n")
    if spec.out_of_reach:
        make.put("data\\names\\made by a Unix share.", b"a dot at the end\r\n")
        make.put(f"data\\{deep}\\{deep}\\{deep}\\too deep.txt", b"behind MAX_PATH\r\n")


def windows_id(host: Host) -> uuid.UUID:
    """The identity of a host's installation of Windows."""
    value = host.registry.value(r"HKLM\SOFTWARE\Microsoft\Cryptography", "MachineGuid")
    return uuid.UUID(value.data) if value is not None and isinstance(value.data, str) else uuid.UUID(int=0)


def first_second() -> datetime:
    r"""The time of ``data\old.dat``: one second after NTFS begins to count."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=(10_000_000 - EPOCH) // 10)
