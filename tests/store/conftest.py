"""A stand-in for a host whose shadow copies are pulled: it answers our functions, and lies or breaks when asked to."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import settings

from sitekeeper.engine.errors import ErrorRecord, RemoteError, UnreachableError
from sitekeeper.engine.offline import OfflineWindow
from sitekeeper.model.site import Machine, Part, ServiceFacts, SiteFacts, Volume
from sitekeeper.model.store import Staging
from sitekeeper.model.windows import ShadowCopy, ShadowSet, WatchedService
from sitekeeper.store.format.store_folder import Folder

settings.register_profile("plain", deadline=None, database=None)  # no timings, nothing written
settings.load_profile("plain")

RUN = "20261124-1"
FILETIME = 133_000_000_000_000_000
DIRECTORY, REPARSE = 16, 1024
D_ID, E_ID = "11111111-0000-0000-0000-00000000000d", "11111111-0000-0000-0000-00000000000e"
SHADOW_D, SHADOW_E = "aaaaaaaa-0000-0000-0000-00000000000d", "aaaaaaaa-0000-0000-0000-00000000000e"
SERVICES = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")


class FakeClock:
    """Time that only passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 24, tzinfo=dt.UTC) + dt.timedelta(seconds=self.at)

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        self.slept.append(seconds)
        self.at += seconds


@dataclass
class Disk:
    """One volume in its shadow copy: bytes by path, None for a folder, a text for the kind of a link."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    """Attributes of reparse points."""
    unreadable: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    """What the listing says instead of the truth."""

    def listing(self, under: str) -> list[str]:
        if under in self.files and self.files[under] is not None:
            return [self._line(under)]
        inside = [path for path in (*self.files, *self.links) if not under or path.startswith(under + "\\")]
        folders = {under}
        for path in inside:
            parts = path.split("\\")
            folders |= {"\\".join(parts[:n]) for n in range(1, len(parts))}
        folders = {one for one in folders if not under or one == under or one.startswith(under + "\\")}
        folders |= {path for path in inside if path in self.files and self.files[path] is None}
        lines = [f"D\t0\t{FILETIME}\t{DIRECTORY | self.links.get(one, 0)}\t{one}" for one in sorted(folders)]
        lines += [self._line(path) for path in inside if self.files.get(path) is not None]
        lines += [f"L\t0\t{FILETIME}\t{REPARSE | self.links[path]}\t{path}" for path in inside if path in self.links]
        return lines + [f"E\t0\t0\t0\t{path}\tUnauthorizedAccessException" for path in sorted(self.unreadable)]

    def _line(self, path: str) -> str:
        data = self.files[path]
        assert data is not None
        return f"F\t{self.sizes.get(path, len(data))}\t{FILETIME}\t{32 | self.links.get(path, 0)}\t{path}"


Stream = Callable[[list[bytes]], Iterator[bytes]]


@dataclass
class Host:
    """Answers what ``store.pull`` and ``store.publish`` ask."""

    name: str = "PR1"
    disks: dict[int, Disk] = field(default_factory=dict)
    alive: list[str] = field(default_factory=lambda: [SHADOW_D, SHADOW_E])
    storage: list[dict[str, Any]] = field(default_factory=list)
    lease: tuple[str, int] | None = (RUN, 7)
    block: int = 1000
    streams: list[Stream] = field(default_factory=list)
    """How the next streams go wrong, one each."""
    frames: Callable[[int, bytes], bytes] | None = None
    """What is sent of a file instead of the truth."""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, command: str, /, **args: Any) -> list[Any]:
        self.asked.append((command, args))
        if command == "Test-SkShadowSet":
            return [
                {"Index": number, "Id": "{" + one.upper() + "}", "Exists": one in self.alive}
                for number, one in enumerate((SHADOW_D, SHADOW_E))
            ]
        if command == "Get-WmiObject" and args["Class"] == "Win32_ShadowStorage":
            return self.storage
        if command == "Get-WmiObject" and args["Class"] == "Win32_OperatingSystem":
            return [{"SystemDrive": "C:"}]
        if command == "Read-SkLease":
            return [{"Run": self.lease[0], "Owner": "us", "Generation": self.lease[1]}] if self.lease else []
        raise AssertionError(f"nobody knows {command}")

    def stream(self, command: str, /, **args: Any) -> Iterator[Any]:
        self.asked.append((command, args))
        disk = self.disks[args["Index"]]
        if command == "Get-SkTree":
            lines = disk.listing(args["Path"])
            yield from ("\n".join(lines[n : n + 3]) for n in range(0, len(lines), 3))
            return
        assert command == "Read-SkFile"
        sent = b"".join(
            self._framed(disk, n, path, args["Offset"] if n == 0 else 0) for n, path in enumerate(args["Path"])
        )
        blocks = [sent[n : n + self.block] for n in range(0, len(sent), self.block)]
        yield from self.streams.pop(0)(blocks) if self.streams else iter(blocks)

    def _framed(self, disk: Disk, number: int, path: str, offset: int) -> bytes:
        data = disk.files.get(path)
        if data is None:
            said = b"FileNotFoundException"
            return struct.pack("<iqi", number, -1, len(said)) + said
        whole = struct.pack("<iq", number, len(data)) + data[offset:] + hashlib.sha256(data).digest()
        return self.frames(number, whole) if self.frames else whole


class FakeLease:
    def __init__(self, generation: int) -> None:
        self.generation = generation

    def take(self, at_least: int = 0) -> int:
        return self.generation


class FakeContext:
    """A context over a stand-in host."""

    def __init__(self, ps: Any, host: str = "PR1") -> None:
        self.ps = ps
        self.host = host
        self.clock = FakeClock()
        self.run_id = RUN
        self.check = False
        self.stop = Event()
        self.offline: OfflineWindow | None = None
        self.vars: dict[str, Any] = {}
        self.lease = FakeLease(7)
        self.rate: int | None = None
        self.told: list[int] = []
        self.others: dict[str, FakeContext] = {}

    def of(self, host: str) -> FakeContext:
        return self if host == self.host else self.others[host]

    def progress(self, done: int, total: int | None, unit: str, text: str = "") -> None:
        self.told.append(done)


def dropping_after(blocks: int) -> Stream:
    """A stream whose connection is lost after some blocks."""

    def stream(sent: list[bytes]) -> Iterator[bytes]:
        yield from sent[:blocks]
        raise UnreachableError("lost")

    return stream


def remote_error(error_id: str) -> RemoteError:
    return RemoteError(error_id, record=ErrorRecord(error_id, error_id, 0))


def part(
    path: str, to: str = "SiteServer/SMSServer", kind: str = "files", volume: str = D_ID, host: str = "PR1"
) -> Part:
    return Part.model_validate({"kind": kind, "host": host, "volume": volume, "path": path, "to": to})


def watched(
    state: str = "Stopped", names: Sequence[str] = SERVICES, boot: str = "20261101000000.000000+000"
) -> tuple[WatchedService, ...]:
    return tuple(
        WatchedService(name=name, state=state, pid=0 if state == "Stopped" else 44, boot=boot) for name in names
    )


def shadow_set(**changes: Any) -> ShadowSet:
    plain = ShadowSet(
        set_id="5e7",
        generation=7,
        before=watched(),
        after=watched(),
        taken_at="2026-11-24T00:00:00+00:00",
        consistency="files",
        copies=(
            ShadowCopy(host="PR1", drive="D", index=0, volume=D_ID, name="D:\\", id=SHADOW_D),
            ShadowCopy(host="PR1", drive="D", index=1, volume=E_ID, name="E:\\Mounts\\Log\\", id=SHADOW_E),
        ),
    )
    return plain.model_copy(update=changes)


def site_facts(**changes: Any) -> SiteFacts:
    machine = Machine(
        name="PR1",
        caption="Windows",
        version="6.3.9600",
        language=1033,
        installed="20200101000000.000000+000",
        booted="20261101000000.000000+000",
        guid="g",
        x64=True,
    )
    plain = SiteFacts(
        code="PR1",
        type="primary",
        product="2007",
        version="4.0.6487.2000",
        install_dir="D:\\SMS",
        machine=machine,
        services=tuple(ServiceFacts(name=name, state="Running", start_mode="Auto", pid=1) for name in SERVICES),
        services_to_stop=SERVICES,
        registry_keys=(),
        what=(),
        volumes=(
            Volume(id=D_ID, name="D:\\", capacity=10, free=5),
            Volume(id=E_ID, name="E:\\Mounts\\Log\\", capacity=10, free=5),
        ),
    )
    return plain.model_copy(update=changes)


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "store")
    folder.prepare()
    return folder


@pytest.fixture
def staging(store: Folder) -> Staging:
    folder = store.claim("PR1-000007", RUN)
    return Staging(id="PR1-000007", store=str(store.root), folder=str(folder), generation=7)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(place)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@dataclass(frozen=True)
class Kit:
    """The stand-ins, for tests that cannot import a conftest."""

    Host = Host
    Disk = Disk
    Context = FakeContext
    part = staticmethod(part)
    shadow_set = staticmethod(shadow_set)
    site_facts = staticmethod(site_facts)
    watched = staticmethod(watched)
    dropping_after = staticmethod(dropping_after)
    D = D_ID
    E = E_ID
    run = RUN


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()
