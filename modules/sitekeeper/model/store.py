"""Results of the store modules."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sitekeeper.engine.plan import Check, Known, Record, Result
from sitekeeper.model.site import Machine, ServiceFacts, SiteDatabase
from sitekeeper.model.windows import WatchedService


class Staging(Result):
    """A set that is being filled."""

    id: Known[str]
    """Set id: site code and generation; known only after the lease is taken."""
    store: str
    folder: Known[str]
    generation: Known[int] = 0


class PulledFiles(Result):
    """What was pulled into a set."""

    files: Known[int] = 0
    bytes: Known[int] = 0
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "files": self.files}


class StoredSet(Result):
    """A complete set in the store."""

    id: Known[str]
    folder: Known[str]
    files: int = 0
    bytes: int = 0
    offline_seconds: float | None = None
    consistency: str = ""

    def summary(self) -> dict[str, Any]:
        return {
            "set": self.id,
            "folder": self.folder,
            "offline": self.offline_seconds,
            "bytes": self.bytes,
            "files": self.files,
        }


class PruningResult(Result):
    """What a retention policy deleted."""

    site: str
    dropped: tuple[str, ...] = ()
    kept: int = 0
    bytes: int = 0

    def summary(self) -> dict[str, Any]:
        return {"dropped": len(self.dropped), "kept": self.kept}


class MarkedSet(Result):
    """A set that was marked."""

    id: str


class LocalFile(Record):
    """A file of a set on the control host."""

    file: str
    """Relative to the set's folder."""
    name: str
    """Bare Windows file name."""
    logical: str
    """SQL Server's name of it; empty if it is not known."""
    kind: Literal["data", "log", "backup"]
    size: int
    sha256: str


class Proof(Record):
    """What a set recorded about its creation; a drill checks it again."""

    consistency: str
    before: tuple[WatchedService, ...] = ()
    """Services directly before the shadow copy."""
    after: tuple[WatchedService, ...] = ()
    offline_from: str = ""
    """When the site went down (ISO 8601); empty if it was not recorded."""
    written: dict[str, int] = Field(default_factory=dict)
    """When each registry export was written, by its own host's clock (FILETIME), by its file in the set."""


class ExtractedSet(Result):
    """A set as plain files on the control host; every byte was verified."""

    id: str
    kind: Literal["snapshot", "task"]
    site: str
    site_type: str
    product: str
    version: str
    taken_at: str
    folder: Known[str]
    """In the set's own layout: the set itself, or a private copy of a sealed set."""
    install_dir: str
    parent: str | None
    database: SiteDatabase | None
    machine: Machine
    row_counts: dict[str, int]
    database_files: tuple[LocalFile, ...]
    registry: tuple[str, ...]
    """Registry exports, relative to the folder."""
    bytes: int
    """Of the complete set."""
    site_name: str = ""
    services: tuple[ServiceFacts, ...] = ()
    """As they were before anything was stopped."""
    proof: Proof
    drilled: Literal["", "ok", "failed"] = ""
    """The result of its last drill; empty if it was never drilled."""
    feeds: tuple[str, ...] = ()
    """Microsoft's recoveries that this set is valid for."""

    backup_files: tuple[LocalFile, ...] = ()
    """Backups of the database that SQL Server wrote, for ``sql.restore``; most sets have none."""

    passed_over: tuple[str, ...] = ()
    """Newer sets of the site that were not used, and why; empty if the set was named."""

    @property
    def checks(self) -> tuple[Check, ...]:
        """Reports show the skipped sets: the reader must not think that this is last night's set."""
        if not self.passed_over:
            return ()
        return (
            Check(
                name="newer sets",
                status="warning",
                said=f"skipped: {'; '.join(self.passed_over)}",
                consequence=f"This result is about {self.id}, not about the newest backup.",
            ),
        )

    @property
    def files_root(self) -> str:
        """Where ConfigMgr's own layout starts in the set: the task's backup keeps its folder name."""
        return f"{self.site}Backup/" if self.kind == "task" else ""

    def summary(self) -> dict[str, Any]:
        return {"set": self.id, "kind": self.kind, "bytes": self.bytes}
