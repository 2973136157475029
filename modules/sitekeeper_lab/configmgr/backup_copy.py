"""What the backup task of a site copies, and where to: the layout that Microsoft's tools read.

Folders and names: the project's domain notes, section 1.7 (TechNet wiki 8524, KB 2387913, Microsoft's "Back up a site"). The
format of the registry dumps is written down nowhere: here they are exports in 2012, and in 2007 the same bytes behind the magic of a
hive, so that whoever reads them must look first.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sitekeeper_lab.configmgr.site import branch
from sitekeeper_lab.host import Host
from sitekeeper_lab.sql.database import Database
from sitekeeper_lab.windows.model import ShadowCopy, Site
from sitekeeper_lab.windows.native.reg import export_text

FOLDERS = ("inboxes", "logs", "data", "srvacct")
HIVE = b"regf"


def registry_dump(host: Host, site: Site, name: str) -> bytes:
    """SMSbkSiteReg<name>.dat: the site's key SMS or NAL as it is now."""
    text = export_text(host, f"{branch(site.generation)}\\{name}").encode("utf-16")
    return HIVE + text if site.generation == 2007 else text


def wipe(folder: Path) -> None:
    """Delete everything in the previous backup, and the folder itself."""
    if folder.is_dir():
        shutil.rmtree(folder)


def frozen(host: Host, copies: list[ShadowCopy], path: str) -> Path:
    """Where a live path is read in the shadow copies."""
    volume = next(one for one in host.machine.volumes if one.id == host.files.volume_of(path))
    copy = next(one for one in copies if one.volume_id == volume.id)
    below = path[len(volume.name) :]
    return host.files.resolve(rf"\\?\GLOBALROOT\Device\HarddiskVolumeShadowCopy{copy.number}\{below}")


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder, links left out, times kept."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(os.scandir(source), key=lambda one: one.name):
        if entry.is_dir(follow_symlinks=False):
            copy_tree(Path(entry.path), target / entry.name)
        elif entry.is_file(follow_symlinks=False):
            shutil.copy2(entry.path, target / entry.name)
    shutil.copystat(source, target)


def copy_site(host: Host, site: Site, copies: list[ShadowCopy], target: Path) -> None:
    """SiteServer: the four folders and both registry dumps; CD.Latest beside it where the site has one."""
    server = target / "SiteServer"
    for name in FOLDERS:
        copy_tree(frozen(host, copies, f"{site.install}\\{name}"), server / "SMSServer" / name)
    for name in ("SMS", "NAL"):
        dump = frozen(host, copies, f"{site.install}\\BackupTemp\\SMSbkSiteReg{name}.dat")
        shutil.copy2(dump, server / dump.name)
    if host.exists(f"{site.install}\\CD.Latest"):
        copy_tree(frozen(host, copies, f"{site.install}\\CD.Latest"), target / "CD.Latest")


def copy_database(host: Host, database: Database, copies: list[ShadowCopy], target: Path) -> None:
    """SiteDBServer: the files of the site database, as the writer froze them."""
    folder = target / "SiteDBServer"
    folder.mkdir(parents=True)
    for file in database.files:
        shutil.copy2(frozen(host, copies, file.physical), folder / file.physical.rpartition("\\")[2])
