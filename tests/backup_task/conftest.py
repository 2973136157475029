"""The stage of the other backups, and a backup of the task's that was there before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.backup.conftest import stage

__all__ = ["stage"]
BOOK = "playbooks/backup_task.yml"
PREVIOUS = b"the backup of last week\r\n"


def destination(here: Any, host: str = "PR2") -> Path:
    site = here.state(host).machine.site
    assert site.backup_to
    return Path(here.state(host).path(site.backup_to))


def lay_previous(here: Any, host: str = "PR2") -> Path:
    """A `<code>Backup` as an earlier run of the task left it; answers its folder."""
    folder = destination(here, host) / f"{host}Backup"
    (folder / "SiteServer" / "SMSServer").mkdir(parents=True)
    (folder / "SiteServer" / "SMSServer" / "kept.txt").write_bytes(PREVIOUS)
    (folder / "ConfigMgrBackup.ini").write_bytes(b"[old]\r\n")
    return folder


def is_previous(folder: Path) -> bool:
    file = folder / "SiteServer" / "SMSServer" / "kept.txt"
    return file.is_file() and file.read_bytes() == PREVIOUS and not (folder / "SiteDBServer").exists()


def is_new(folder: Path, host: str = "PR2") -> bool:
    names = {one.name.lower() for one in (folder / "SiteDBServer").glob("*")}
    return any(name.endswith(".mdf") for name in names) and (folder / "SiteServer" / "SMSbkSiteRegSMS.dat").is_file()


def beside(here: Any, host: str = "PR2") -> list[Path]:
    """What lies in the destination under a run's name."""
    return sorted(destination(here, host).glob("*.sk-*"))
