"""Small sets, made by hand and not by our modules."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sitekeeper.model.site import Machine
from sitekeeper.store.format import manifest_file
from sitekeeper.store.format.manifest_file import Entry, Manifest, Offline

FILES = {
    "C/inboxes/sitectrl.ct0": b"site control file",
    "C/logs/[smsexec].log": b"log\n" * 99,
    "registry/SMS.reg": b"reg",
}


def make_set(
    store: Path,
    site: str,
    generation: int,
    taken_at: str,
    consistency: Any = "writer",
    *,
    kind: Any = "snapshot",
    more: dict[str, bytes] | None = None,
) -> Path:
    """A set with a few files in it."""
    folder = store / site / f"{site}-{generation:06d}"
    entries = [Entry(kind="folder", path="C:\\empty", file="C/empty")]
    files = FILES | (more or {})
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        entries.append(Entry(kind="file", path=name.replace("/", "\\"), file=name, size=len(data), sha256=digest))
    (folder / "C/empty").mkdir()
    machine = Machine(
        name="SRV",
        caption="Windows",
        version="6.3.9600",
        language=1033,
        installed="2020",
        booted="2026",
        guid="g",
        x64=True,
    )
    manifest_file.write(
        folder,
        Manifest(
            id=folder.name,
            kind=kind,
            site=site,
            site_name="Site [one]",
            site_type="primary",
            parent=None,
            product="2012",
            version="5.00.8239",
            install_dir="C:\\SMS",
            generation=generation,
            run="r1",
            tool="0.1.0",
            taken_at=taken_at,
            published_at=taken_at,
            offline=Offline(started="a", ended="b", seconds=12.5),
            consistency=consistency,
            gap=0,
            shadow_set="s",
            before=(),
            after=(),
            machine=machine,
            volumes=(),
            services=(),
            database=None,
            registry=(),
            feeds=("restore drills",),
            left_out=manifest_file.LEFT_OUT,
            files=len(files),
            bytes=sum(map(len, files.values())),
            entries=tuple(entries),
        ),
    )
    return folder
