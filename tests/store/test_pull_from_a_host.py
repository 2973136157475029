"""Pulling: whole or refused, whatever the connection and the host do."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sitekeeper.engine.errors import IntegrityError, RunInterruptedError, SpaceError, UnreachableError
from sitekeeper.model.store import PulledFiles, Staging
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.pull import Pull, PullParams
from sitekeeper.store.pulling.streams import RESUMES

from .conftest import Kit

BIG = bytes(range(256)) * 40


def pull(kit: Any, host: Any, staging: Staging, *parts: Any, ctx: Any = None, **more: Any) -> PulledFiles:
    params = PullParams(set=staging, snapshot=more.pop("snapshot", kit.shadow_set()), what=parts, **more)
    module = Pull()
    ctx = ctx or kit.Context(host)
    return module.apply(ctx, params, module.plan(ctx, params))


def held(staging: Staging) -> list[dict[str, Any]]:
    lines = (Path(staging.folder) / ".entries.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def files(staging: Staging) -> dict[str, bytes]:
    root = Path(staging.folder)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def site(kit: Any) -> Any:
    disk = kit.Disk(
        {
            "SMS\\inboxes\\a.box\\one.txt": b"one",
            "SMS\\inboxes\\b.box": None,
            "SMS\\big.bin": BIG,
            "SMS\\empty": b"",
            "SMS\\odd <name>": b"x",
            "SMS\\_sk_x": b"y",
            "Other\\secret": b"not asked for",
        }
    )
    return kit.Host(disks={0: disk})


def test_a_folder_arrives_whole(kit: Kit, staging: Staging) -> None:
    result = pull(kit, site(kit), staging, kit.part("SMS"))
    found = files(staging)
    assert found["SiteServer/SMSServer/big.bin"] == BIG
    assert found["SiteServer/SMSServer/empty"] == b""
    assert len(found) == result.files == 5
    assert result.bytes == len(BIG) + 5
    assert (Path(staging.folder) / "SiteServer/SMSServer/inboxes/b.box").is_dir()
    by_file = {entry["file"]: entry for entry in held(staging)}
    assert set(found) == {file for file, entry in by_file.items() if entry["kind"] == "file"}
    for file, data in found.items():
        assert by_file[file]["sha256"] == hashlib.sha256(data).hexdigest()
        assert by_file[file]["source"] == "PR1:D:\\"
    assert by_file["SiteServer/SMSServer/big.bin"]["modified"] == 133_000_000_000_000_000
    assert (Path(staging.folder) / "SiteServer/SMSServer/big.bin").stat().st_mtime == pytest.approx(1_655_526_400)


def test_a_single_file_and_two_of_one_name(kit: Kit, staging: Staging) -> None:
    host = kit.Host(disks={0: kit.Disk({"Data\\CM.mdf": b"data"}), 1: kit.Disk({"CM.mdf": b"more"})})
    pull(
        kit,
        host,
        staging,
        kit.part("Data\\CM.mdf", "SiteDBServer", "database"),
        kit.part("CM.mdf", "SiteDBServer", "database", volume=kit.E),
    )
    assert files(staging) == {"SiteDBServer/CM.mdf": b"data", "SiteDBServer/CM.mdf~2": b"more"}
    assert [(entry["source"], entry["path"]) for entry in held(staging)] == [
        ("PR1:D:\\", "Data\\CM.mdf"),
        ("PR1:E:\\Mounts\\Log\\", "CM.mdf"),
    ]


@pytest.mark.parametrize("blocks", range(11))
def test_a_lost_connection_goes_on_where_it_was(kit: Kit, staging: Staging, blocks: int) -> None:
    host = site(kit)
    host.streams = [kit.dropping_after(blocks)]
    result = pull(kit, host, staging, kit.part("SMS"))
    assert files(staging)["SiteServer/SMSServer/big.bin"] == BIG
    assert result.bytes == len(BIG) + 5
    reads = [args for command, args in host.asked if command == "Read-SkFile"]
    assert len(reads) == 2
    assert ("Test-SkShadowSet", {"Drive": "D", "Run": kit.run}) in host.asked
    if reads[1]["Path"][0].endswith("big.bin"):
        assert 0 <= reads[1]["Offset"] <= len(BIG)
    assert len(held(staging)) == len({entry["file"] for entry in held(staging)})


def test_lost_again_and_again(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.streams = [kit.dropping_after(1) for _ in range(11)]
    pull(kit, host, staging, kit.part("SMS"))
    assert files(staging)["SiteServer/SMSServer/big.bin"] == BIG


def test_lost_without_progress_ends_some_time(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.streams = [kit.dropping_after(0) for _ in range(RESUMES + 5)]
    with pytest.raises(UnreachableError):
        pull(kit, host, staging, kit.part("SMS"))


def test_a_shadow_copy_that_went_meanwhile(kit: Kit, staging: Staging) -> None:
    host = site(kit)

    def gone(sent: list[bytes]) -> Iterator[bytes]:
        yield sent[0]
        host.alive.clear()
        raise UnreachableError("lost")

    host.streams = [gone]
    with pytest.raises(IntegrityError, match="gone"):
        pull(kit, host, staging, kit.part("SMS"))


def flipped(number: int, whole: bytes) -> bytes:
    return whole[:20] + bytes([whole[20] ^ 1]) + whole[21:] if len(whole) > 60 else whole


def shorter(number: int, whole: bytes) -> bytes:
    _, length = struct.unpack_from("<iq", whole)
    body = whole[12:-32][:-1]
    return struct.pack("<iq", number, length - 1) + body + hashlib.sha256(body).digest() if length > 9 else whole


def renumbered(number: int, whole: bytes) -> bytes:
    return struct.pack("<i", -1) + whole[4:]


@pytest.mark.parametrize(
    ("lie", "says"), [(flipped, "SHA-256"), (shorter, "listed with"), (renumbered, "cannot be read")]
)
def test_a_host_that_lies_about_bytes(kit: Kit, staging: Staging, lie: Any, says: str) -> None:
    host = site(kit)
    host.frames = lie
    with pytest.raises(IntegrityError, match=says):
        pull(kit, host, staging, kit.part("SMS"))


def test_a_file_that_became_another_while_the_connection_was_lost(kit: Kit, staging: Staging) -> None:
    host = site(kit)

    def changed(sent: list[bytes]) -> Iterator[bytes]:
        yield from sent[:4]
        host.disks[0].files["SMS\\big.bin"] = BIG[::-1]
        raise UnreachableError("lost")

    host.streams = [changed]
    with pytest.raises(IntegrityError, match="SHA-256"):
        pull(kit, host, staging, kit.part("SMS"))


def test_a_stream_that_ends_too_early(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.streams = [lambda sent: iter(sent[:3])]
    with pytest.raises(IntegrityError, match="stopped in the middle"):
        pull(kit, host, staging, kit.part("SMS"))


def test_something_that_is_no_file_data(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.streams = [lambda _: iter(["text"])]
    with pytest.raises(IntegrityError, match="not file data"):
        pull(kit, host, staging, kit.part("SMS"))


@pytest.mark.parametrize("path", ["SMS\\..\\..\\..\\etc\\cron.d\\x", "Windows\\x"])
def test_paths_that_go_elsewhere(kit: Kit, staging: Staging, path: str) -> None:
    host = site(kit)
    lines = [f"F\t1\t0\t0\t{path}"]
    host.disks[0].listing = lambda _: lines
    with pytest.raises(IntegrityError, match="outside"):
        pull(kit, host, staging, kit.part("SMS"))
    assert files(staging) == {}


@pytest.mark.parametrize("place", ["../../x", "/etc", "SiteServer/../../x", ""])
def test_a_part_that_would_go_elsewhere(kit: Kit, staging: Staging, place: str) -> None:
    with pytest.raises(IntegrityError, match="outside the set"):
        pull(kit, site(kit), staging, kit.part("SMS", to=place))


def test_what_cannot_be_read(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.disks[0].unreadable = {"SMS\\inboxes\\closed"}
    with pytest.raises(IntegrityError, match="closed in the shadow copy: UnauthorizedAccessException"):
        pull(kit, host, staging, kit.part("SMS"))
    host = site(kit)
    lines = [*host.disks[0].listing("SMS"), "F\t4\t0\t0\tSMS\\vanished"]
    host.disks[0].listing = lambda _: lines
    with pytest.raises(IntegrityError, match=r"cannot read SMS\\vanished in the shadow copy: FileNotFoundException"):
        pull(kit, host, staging, kit.part("SMS"))


def test_a_mounted_inbox_volume_is_where_its_mount_point_was(kit: Kit, staging: Staging) -> None:
    """Its mount point is a link in the volume above; the volume's root has folders that nobody can read."""
    outer = kit.Disk({"SMS\\bin\\x.exe": b"x"}, links={"SMS\\Inboxes": 16})
    inner = kit.Disk({"a.box\\one": b"one"}, unreadable={"System Volume Information"})
    pull(
        kit,
        kit.Host(disks={0: outer, 1: inner}),
        staging,
        kit.part("SMS"),
        kit.part("", "SiteServer/SMSServer/inboxes", volume=kit.E),
    )
    assert set(files(staging)) == {"SiteServer/SMSServer/bin/x.exe", "SiteServer/SMSServer/inboxes/a.box/one"}
    kinds = {entry["file"]: entry["kind"] for entry in held(staging)}
    assert kinds["SiteServer/SMSServer/inboxes"] == "folder"
    assert "link" not in kinds.values()


def test_other_links_are_noted_and_not_followed(kit: Kit, staging: Staging) -> None:
    host = kit.Host(disks={0: kit.Disk({"SMS\\a": b"a"}, links={"SMS\\inboxes\\away": 16, "SMS\\soft.txt": 0})})
    pull(kit, host, staging, kit.part("SMS"))
    links = [entry["file"] for entry in held(staging) if entry["kind"] == "link"]
    assert links == ["SiteServer/SMSServer/inboxes/away", "SiteServer/SMSServer/soft.txt"]
    assert set(files(staging)) == {"SiteServer/SMSServer/a"}


@pytest.mark.parametrize("attributes", [0x200, 0x1000, 0x400000])
def test_bytes_that_are_kept_elsewhere_are_refused(kit: Kit, staging: Staging, attributes: int) -> None:
    """A deduplicated file is a reparse point: taken for a link, its content would silently not be in the set."""
    host = kit.Host(disks={0: kit.Disk({"SMS\\a": b"a"}, links={"SMS\\dedup.dat": attributes})})
    with pytest.raises(IntegrityError, match="kept elsewhere"):
        pull(kit, host, staging, kit.part("SMS"))


@pytest.mark.parametrize("single", [False, True])
def test_a_part_that_is_a_link_would_be_read_from_the_live_volume(kit: Any, staging: Any, single: bool) -> None:
    disk = kit.Disk({"SMS\\a": b"a"})
    lines = ["F\t1\t0\t1056\tSMS"] if single else ["D\t0\t0\t1040\tSMS", "F\t1\t0\t32\tSMS\\a"]
    disk.listing = lambda _: lines
    with pytest.raises(IntegrityError, match="is a link"):
        pull(kit, kit.Host(disks={0: disk}), staging, kit.part("SMS"))


def test_a_part_without_a_copy_is_never_left_out_silently(kit: Kit, staging: Staging) -> None:
    snapshot = kit.shadow_set(copies=kit.shadow_set().copies[:1])
    with pytest.raises(IntegrityError, match="is not on a volume of the shadow copy set"):
        pull(kit, site(kit), staging, kit.part("SMS"), kit.part("", "SiteServer/x", volume=kit.E), snapshot=snapshot)
    pull(kit, site(kit), staging, kit.part("SMS"), kit.part("x", "DB", "database", volume=kit.E), snapshot=snapshot)
    with pytest.raises(IntegrityError, match="nothing to pull"):
        pull(kit, site(kit), staging, kit.part("x", "DB", "database", volume=kit.E), snapshot=snapshot)


def test_two_shadow_copy_sets_are_never_mixed(kit: Kit, staging: Staging) -> None:
    pull(kit, site(kit), staging, kit.part("SMS"))
    with pytest.raises(IntegrityError, match="never mixed"):
        pull(kit, site(kit), staging, kit.part("SMS"), snapshot=kit.shadow_set(set_id="another"))


def test_pulled_again_after_a_failure_it_is_the_same_set(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.frames = flipped
    with pytest.raises(IntegrityError):
        pull(kit, host, staging, kit.part("SMS"))
    result = pull(kit, site(kit), staging, kit.part("SMS"))
    assert result.files == 5
    assert len(files(staging)) == 5
    assert not [name for name in files(staging) if "~" in name]
    names = [entry["file"] for entry in held(staging)]
    assert len(names) == len(set(names))


def test_a_database_inside_the_install_folder_is_twice_in_the_set_also_when_pulled_again(
    kit: Kit, staging: Staging
) -> None:
    disk = kit.Disk({"SMS\\db\\CM.mdf": b"data", "SMS\\zz": b"z"})
    parts = [kit.part("SMS"), kit.part("SMS\\db\\CM.mdf", "SiteDBServer", "database")]
    for _ in range(2):
        pull(kit, kit.Host(disks={0: disk}), staging, *parts)
        assert set(files(staging)) == {
            "SiteServer/SMSServer/db/CM.mdf",
            "SiteServer/SMSServer/zz",
            "SiteDBServer/CM.mdf",
        }
        assert {entry["file"] for entry in held(staging) if entry["kind"] == "file"} == set(files(staging))


def test_the_rate_is_kept(kit: Kit, staging: Staging) -> None:
    ctx = kit.Context(site(kit))
    pull(kit, ctx.ps, staging, kit.part("SMS"), ctx=ctx, rate=1000)
    assert ctx.clock.at - 1000 == pytest.approx(len(BIG) / 1000, rel=0.2)
    with pytest.raises(ValidationError):
        PullParams(set=staging, snapshot=kit.shadow_set(), what=(kit.part("SMS"),), rate=0)


def test_the_operators_stop_ends_it(kit: Kit, staging: Staging) -> None:
    ctx = kit.Context(site(kit))
    ctx.stop.set()
    with pytest.raises(RunInterruptedError):
        pull(kit, ctx.ps, staging, kit.part("SMS"), ctx=ctx)


def storage(volume: str, used: int, most: int = 100) -> dict[str, Any]:
    return {
        "Volume": f'Win32_Volume.DeviceID="\\\\\\\\?\\\\Volume{{{volume.upper()}}}\\\\"',
        "UsedSpace": used,
        "MaxSpace": most,
    }


def test_it_stops_before_windows_drops_the_copies(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.storage = [storage(kit.D, 91)]
    with pytest.raises(SpaceError, match="91 % full"):
        pull(kit, host, staging, kit.part("SMS"))


def test_the_storage_of_other_volumes_and_unbounded_ones_do_not_matter(kit: Kit, staging: Staging) -> None:
    host = site(kit)
    host.storage = [
        storage(kit.D, 90),
        storage("99999999-0000-0000-0000-000000000000", 99),
        storage(kit.E, 10**15, 2**64 - 1),
        {"Volume": None, "UsedSpace": 99, "MaxSpace": 100},
    ]
    pull(kit, host, staging, kit.part("SMS"))


@pytest.mark.parametrize("room", [0, 6_000, 60_000])
def test_a_full_store_is_a_matter_of_space(kit: Kit, small_disk: Path, room: int) -> None:
    """Whatever is being written when the last byte is gone, and once more when it is closed."""
    store = Folder(small_disk)
    store.prepare()
    staging = Staging(
        id="PR1-000007", store=str(small_disk), folder=str(store.claim("PR1-000007", kit.run)), generation=7
    )
    (small_disk / "filler").write_bytes(b"x" * (store.free() - room))
    disk = kit.Disk({f"SMS\\{n}": b"x" * 9_000 for n in range(12)})
    with pytest.raises(SpaceError, match="is full"):
        pull(kit, kit.Host(disks={0: disk}), staging, kit.part("SMS"))


def test_many_small_files_travel_in_few_requests(kit: Kit, staging: Staging) -> None:
    disk = kit.Disk({f"SMS\\{n:04}": str(n).encode() for n in range(1200)})
    host = kit.Host(disks={0: disk})
    result = pull(kit, host, staging, kit.part("SMS"))
    assert result.files == 1200
    assert len([1 for command, _ in host.asked if command == "Read-SkFile"]) == 3


def test_long_paths_share_requests_of_a_bounded_size(kit: Kit, staging: Staging) -> None:
    disk = kit.Disk({f"SMS\\{'x' * 200}\\{n:04}": b"" for n in range(400)})
    host = kit.Host(disks={0: disk})
    pull(kit, host, staging, kit.part("SMS"))
    asked = [args["Path"] for command, args in host.asked if command == "Read-SkFile"]
    assert max(sum(map(len, paths)) for paths in asked) <= 40_000
    assert sum(map(len, asked)) == 400
    assert len(set(itertools.chain(*asked))) == 400
