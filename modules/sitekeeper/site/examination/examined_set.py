"""A set under examination: its plain files, and the session to the server with its database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.learning.build import file_version
from sitekeeper.transport.sql.session import SqlSession

SKEW = timedelta(minutes=5)
"""How far two clocks may differ, after their measured difference is taken into account."""
SETUP_OF_CD_LATEST = "SMSSETUP/BIN/X64/setup.exe"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedSet:
    """The set, its database and the limits."""

    got: ExtractedSet
    session: SqlSession | None
    """To the server that has the database."""
    database: str | None
    """Its name there; None for a set without database."""
    now: datetime
    oldest: timedelta | None
    later: bool = False
    """Whether the database was restored from a backup that SQL Server wrote after the offline window."""

    @property
    def folder(self) -> Path:
        """The plain files of the set."""
        return folder_of(self.got)

    @property
    def files(self) -> str:
        """The folder of the site server's files in the set."""
        return f"{self.got.files_root}SiteServer/SMSServer"

    @property
    def exports(self) -> tuple[str, ...]:
        """The registry keys: our exports, or the files of the backup task."""
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
    """The version of the setup in a set's CD.Latest; empty without one."""
    for root in (f"{got.files_root}SiteServer/SMSServer/CD.Latest", f"{got.files_root}CD.Latest"):
        program = find_in(folder_of(got), f"{root}/{SETUP_OF_CD_LATEST}")
        if program is not None:
            return file_version(program.read_bytes())
    return ""


def find_in(folder: Path, name: str) -> Path | None:
    """Find a file or folder below a folder, ignoring case as Windows does; None if it does not exist."""
    at = folder
    for part in name.split("/"):
        inner = [one for one in at.iterdir() if one.name.lower() == part.lower()] if at.is_dir() else []
        if not inner:
            return None
        at = inner[0]
    return at
