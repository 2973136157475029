"""A set that is examined: its plain files, and the session to the server that its database was brought up on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.learning.build import file_version
from sitekeeper.transport.sql.session import SqlSession

SKEW = timedelta(minutes=5)
"""How far two clocks may be apart, after what was measured of them."""
SETUP_OF_CD_LATEST = "SMSSETUP/BIN/X64/setup.exe"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedSet:
    """What is examined."""

    got: ExtractedSet
    session: SqlSession | None
    """To the server that the database was brought up on."""
    database: str | None
    """Its name there; None for a set without one."""
    now: datetime
    oldest: timedelta | None
    later: bool = False
    """Whether the database was restored from a backup that SQL Server wrote after the window, when the site was running again."""

    @property
    def folder(self) -> Path:
        """The plain files of the set."""
        return folder_of(self.got)

    @property
    def files(self) -> str:
        """Where the site server's files are in it."""
        return f"{self.got.files_root}SiteServer/SMSServer"

    @property
    def exports(self) -> tuple[str, ...]:
        """The registry's keys: exports of ours, or what the backup task wrote."""
        if self.got.kind == "snapshot":
            return self.got.registry
        return tuple(f"{self.got.files_root}SiteServer/SMSbkSiteReg{key}.dat" for key in ("SMS", "NAL"))

    @property
    def taken(self) -> datetime:
        """When the set was made."""
        return datetime.fromisoformat(self.got.taken_at)


def folder_of(got: ExtractedSet) -> Path:
    """The plain files of a set."""
    return Path(str(got.folder))


def version_of_cd_latest(got: ExtractedSet) -> str:
    """The version of the setup in a set's CD.Latest; empty where there is none."""
    for root in (f"{got.files_root}SiteServer/SMSServer/CD.Latest", f"{got.files_root}CD.Latest"):
        program = find_in(folder_of(got), f"{root}/{SETUP_OF_CD_LATEST}")
        if program is not None:
            return file_version(program.read_bytes())
    return ""


def find_in(folder: Path, name: str) -> Path | None:
    """A file or folder below a folder, whatever the case of its name: Windows does not tell case apart."""
    at = folder
    for part in name.split("/"):
        inner = [one for one in at.iterdir() if one.name.lower() == part.lower()] if at.is_dir() else []
        if not inner:
            return None
        at = inner[0]
    return at
