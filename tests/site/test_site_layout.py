"""Where a site lies: mounts, case, roots, and what goes where in a set."""

from __future__ import annotations

from datetime import UTC
from types import SimpleNamespace
from typing import Any

import pytest

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.model.site import Volume
from sitekeeper.site.learning.layout import below, parts_of, root_of, volume_of, volumes_inside, volumes_of
from sitekeeper.site.learning.machine_facts import parse_dmtf

NAMES = ("C:\\", "D:\\", "E:\\", "E:\\Mounts\\Log\\", "E:\\Mounts\\SMS\\", "D:\\SMS\\Inboxes\\", "D:\\SMSX\\")
ALL = [Volume(id=f"v{number}", name=name, capacity=1, free=1) for number, name in enumerate(NAMES)]


def named(volumes: list[Volume]) -> list[str]:
    return [volume.name for volume in volumes]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("D:\\SMS", "D:\\"),
        ("d:\\sms\\bin", "D:\\"),
        ("D:\\SMS\\inboxes\\a.box", "D:\\SMS\\Inboxes\\"),
        ("D:\\SMS\\inboxesX", "D:\\"),
        ("E:\\Mounts\\LOG\\x.ldf", "E:\\Mounts\\Log\\"),
        ("E:\\Mounts\\Log", "E:\\Mounts\\Log\\"),
        ("E:\\Mounts\\Logs\\x.ldf", "E:\\"),
        ("D:", "D:\\"),
    ],
)
def test_the_deepest_mount_holds_a_path(path: str, name: str) -> None:
    assert volume_of(ALL, path).name == name


def test_a_path_on_no_volume() -> None:
    for path in ("Z:\\SMS", "\\\\server\\share\\SMS"):
        with pytest.raises(IntegrityError, match="is not on a local volume"):
            volume_of(ALL, path)


def test_each_volume_once() -> None:
    assert named(volumes_of(ALL, ["D:\\SMS", "D:\\a", "E:\\b", "d:\\c"])) == ["D:\\", "E:\\"]


def test_mounted_inside_is_not_mounted_at() -> None:
    assert named(volumes_inside(ALL, "D:\\SMS")) == ["D:\\SMS\\Inboxes\\"]
    assert named(volumes_inside(ALL, "E:\\Mounts\\SMS")) == []
    assert named(volumes_inside(ALL, "D:")) == ["D:\\SMS\\Inboxes\\", "D:\\SMSX\\"]
    assert named(root_of(ALL, "e:\\Mounts\\SMS")) == ["E:\\"]
    assert below(ALL[4], "E:\\Mounts\\SMS") == ""
    assert below(ALL[1], "D:\\SMS\\bin") == "SMS\\bin"


def parts(install: str, used: list[Volume]) -> list[tuple[str, str, str]]:
    ctx: Any = SimpleNamespace(host="PR1", run_id="r1")
    inner = volumes_inside(used, install)
    return [(part.volume, part.path, part.to) for part in parts_of(ctx, install, used, inner, None, [])]


def test_a_mounted_inbox_volume_is_a_part_of_its_own() -> None:
    assert parts("D:\\SMS", [ALL[1], ALL[5]]) == [
        ("v1", "SMS", "SiteServer/SMSServer"),
        ("v5", "", "SiteServer/SMSServer/Inboxes"),
        ("v1", "sitekeeper\\r1\\registry", "SiteServer/Registry"),
    ]


def test_an_install_folder_that_is_a_mount_keeps_its_work_folder_at_the_drives_root() -> None:
    assert parts("E:\\Mounts\\SMS", [ALL[4], ALL[2]]) == [
        ("v4", "", "SiteServer/SMSServer"),
        ("v2", "sitekeeper\\r1\\registry", "SiteServer/Registry"),
    ]


def test_a_mount_that_would_lead_out_of_the_set() -> None:
    evil = Volume(id="x", name="D:\\SMS\\..\\..\\etc\\", capacity=1, free=1)
    with pytest.raises(IntegrityError, match="outside"):
        parts("D:\\SMS", [ALL[1], evil])


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20210929115907.020592-420", "2021-09-29T18:59:07.020592+00:00"),
        ("20261124000000.000000+000", "2026-11-24T00:00:00+00:00"),
        ("20261124010000.500000+330", "2026-11-23T19:30:00.500000+00:00"),
    ],
)
def test_wmi_dates(text: str, utc: str) -> None:
    assert parse_dmtf(text).astimezone(UTC).isoformat() == utc
