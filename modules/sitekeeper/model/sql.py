"""Results of the SQL modules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sitekeeper.engine.plan import Check, Known, Record, Result
from sitekeeper.model.site import SiteDatabase


class SqlFacts(Result):
    """A site database, and the rows of some of its tables at that moment."""

    database: SiteDatabase
    rows: dict[str, int] = Field(default_factory=dict)
    """By table name."""


class ScratchServer(Result):
    """A SQL Server that can be used for a test restore."""

    on: str
    """Inventory name of its host."""
    server: str
    """Its own name."""
    instance: str
    version: str
    edition: str
    work_dir: str
    free: int
    """Bytes, on the volume of the work folder."""
    dropped: tuple[str, ...] = ()
    """What was deleted: left by dead runs."""
    checks: tuple[Check, ...] = ()
    """The rules, each by its name."""


class AttachedDatabase(Result):
    """A database that this run attached or restored, under a name with its mark."""

    on: str
    server: Known[str] = ""
    instance: str
    name: str
    files: tuple[str, ...]
    """Windows paths."""
    seconds: float = 0.0
    bytes: int = 0
    source: Literal["files", "backup"] = "files"

    @property
    def rate(self) -> float:
        """MiB a second."""
        return self.bytes / 2**20 / self.seconds if self.seconds else 0.0


class BackupFile(Result):
    """A copy-only backup on the SQL Server's own disk."""

    on: str
    instance: str
    database: str
    path: str
    name: str
    bytes: int = 0
    """Size of the database; the file may be smaller."""
    seconds: float = 0.0
    verify_seconds: float = 0.0
    id: Known[str] = ""
    """backup_set_uuid of msdb."""


class CheckError(Record):
    """One error of DBCC CHECKDB."""

    number: int
    level: int
    text: str
    repair: str = ""
    file: int | None = None
    page: int | None = None
    object_id: int | None = None


class CheckdbResult(Result):
    """What DBCC CHECKDB found."""

    on: str
    name: str
    errors: tuple[CheckError, ...] = ()
    seconds: float = 0.0
    bytes: int = 0
    checks: tuple[Check, ...] = ()
    """Each error, or one check that there is no error."""

    @property
    def sound(self) -> bool:
        """Whether there is no error."""
        return not self.errors


class Setting(Record):
    """One setting of a database or its instance, and what it should be."""

    name: str
    found: str
    wanted: str | None = None
    """None: any value is allowed."""

    @property
    def right(self) -> bool:
        """Whether it is what it should be."""
        return self.wanted is None or self.found == self.wanted


class SettingsResult(Result):
    """The settings that Microsoft's recovery of a site asks for, compared."""

    on: str
    name: str
    copy_of_ours: bool = False
    """A drill's copy: TRUSTWORTHY and broker must be off."""
    settings: tuple[Setting, ...] = ()
    checks: tuple[Check, ...] = ()
    """One for each setting that must have a value."""

    @property
    def wrong(self) -> tuple[Setting, ...]:
        """Those that are not what they should be."""
        return tuple(one for one in self.settings if not one.right)
