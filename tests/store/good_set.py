"""A set with everything in it, pulled from a stand-in for a host and published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sitekeeper.engine.offline import OfflineWindow
from sitekeeper.model.site import DatabaseFile, SiteDatabase
from sitekeeper.model.store import Staging, StoredSet
from sitekeeper.store.format.store_folder import Folder, set_id_of
from sitekeeper.store.publish import Publish, PublishParams
from sitekeeper.store.pull import Pull, PullParams


def export(key: str, code: str = "") -> bytes:
    text = f"Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\{key}]\r\n\r\n"
    if code:
        text += f'[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\{key}\\Identification]\r\n"Site Code"="{code}"\r\n\r\n'
    return b"\xff\xfe" + text.encode("utf-16-le")


def database(files: tuple[str, ...] = ("D:\\Data\\CM.mdf", "E:\\Mounts\\Log\\CM.ldf")) -> SiteDatabase:
    return SiteDatabase(
        host="PR1",
        server="PR1",
        instance="MSSQLSERVER",
        name="CM_PR1",
        version="11",
        edition="Standard",
        collation="x",
        recovery_model="SIMPLE",
        owner="sa",
        trustworthy=True,
        broker=True,
        clr=True,
        compatibility=110,
        files=tuple(DatabaseFile(logical=path[-6:], path=path, kind="data", bytes=4) for path in files),
    )


class Good:
    """A set with everything in it, and what a test spoils."""

    def __init__(self, kit: Any, staging: Staging) -> None:
        self.kit = kit
        self.staging = staging
        self.disk = kit.Disk(
            {
                "SMS\\inboxes\\sitectrl.box\\sitectrl.ct0": b"ctl",
                "SMS\\logs\\a.log": b"log",
                "SMS\\data": None,
                "SMS\\srvacct": None,
                "work\\sms.native.reg": export("SMS", "PR1"),
                "work\\nal.native.reg": export("NAL"),
                "Data\\CM.mdf": b"data",
            }
        )
        self.host = kit.Host(disks={0: self.disk, 1: kit.Disk({"CM.ldf": b"log."})})
        self.ctx = kit.Context(self.host)
        self.ctx.offline = OfflineWindow("a", 0.0, until="b", seconds=12.5)
        self.site = kit.site_facts(database=database())
        self.snapshot = kit.shadow_set(consistency="writer")
        self.parts = [
            kit.part("SMS"),
            kit.part("work", "SiteServer/Registry", "registry"),
            kit.part("Data\\CM.mdf", "SiteDBServer", "database"),
            kit.part("CM.ldf", "SiteDBServer", "database", volume=kit.E),
        ]
        self.accept: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return Path(self.staging.folder)

    def pull(self) -> None:
        params = PullParams(set=self.staging, snapshot=self.snapshot, what=tuple(self.parts))
        Pull().apply(self.ctx, params, Pull().plan(self.ctx, params))

    def publish(self) -> StoredSet:
        params = PublishParams(set=self.staging, site=self.site, snapshot=self.snapshot, accept=self.accept)
        return Publish().apply(self.ctx, params, Publish().plan(self.ctx, params))


def published(
    kit: Any, store: Folder, generation: int = 7, variables: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """A whole set of PR1 in a store; ``changes`` are of the shadow copy set."""
    set_id = set_id_of("PR1", generation)
    staging = Staging(id=set_id, store=str(store.root), folder=str(store.claim(set_id, kit.run)), generation=generation)
    good = Good(kit, staging)
    good.ctx.vars = variables or {}
    good.ctx.lease.generation = generation
    good.host.lease = (kit.run, generation)
    good.snapshot = good.snapshot.model_copy(update={"generation": generation, **changes})
    good.disk.files["SMS\\inboxes\\counter"] = str(generation).encode()
    good.pull()
    return Path(str(good.publish().folder))
