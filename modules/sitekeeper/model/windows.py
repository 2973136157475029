"""Results of the Windows modules."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, model_validator

from sitekeeper.engine.plan import Known, Record, Result


class ServiceState(Record):
    """One service at one moment."""

    name: str
    state: str
    start_mode: str
    pid: int


class ServicesResult(Result):
    """Services after the task, in its order."""

    services: tuple[ServiceState, ...] = ()


class RegistryExport(Record):
    """One registry export."""

    name: str
    view: str
    found: bool
    bytes: int


class RegistryResult(Result):
    """The exports made."""

    exports: tuple[RegistryExport, ...] = ()


class ShadowCopy(Record):
    """One shadow copy, and where it can be read."""

    host: str
    drive: str
    """Drive of the work folder where it is noted."""
    index: int
    volume: str
    """Id of the volume."""
    name: str
    """Where the volume is mounted."""
    id: str = ""


class WatchedService(Record):
    """A service directly before and after the shadow copy."""

    name: str
    state: str
    pid: int
    boot: str


class ShadowSet(Result):
    """One shadow copy set, and the proof that it is one instant of a stopped site."""

    set_id: Known[str] = ""
    copies: tuple[ShadowCopy, ...] = ()
    before: tuple[WatchedService, ...] = ()
    after: tuple[WatchedService, ...] = ()
    taken_at: Known[str] = ""
    """When it was made, by the control host's clock (ISO 8601, UTC)."""
    gap: float = 0.0
    """Seconds between the site server's shadow copies and the database host's."""
    consistency: Literal["writer", "crash", "files"] = "files"
    """writer: the SQL writer froze the database. crash: the disk at one instant, no writer. files: no database in it."""
    generation: int = 0
    """Of the lease under which it was made."""
    database_set_id: Known[str] = ""
    """The database host's own shadow copy set, if it has one."""

    def copy_of(self, host: str, volume: str) -> ShadowCopy:
        """The copy of a volume."""
        for one in self.copies:
            if one.host == host and one.volume == volume:
                return one
        raise KeyError(volume)


class FileToPush(Record):
    """A local file to copy to a host; can be built from any record that has these fields."""

    file: str
    """Its path, relative to the source folder."""
    name: str
    """Its name on the host, without a path."""
    logical: str = ""
    """The logical name in its database."""
    kind: str = "data"
    """data, log or backup."""
    size: int
    sha256: str

    @model_validator(mode="before")
    @classmethod
    def _of_another_record(cls, value: Any) -> Any:
        if isinstance(value, BaseModel) and not isinstance(value, cls):
            return {name: getattr(value, name) for name in cls.model_fields if hasattr(value, name)}
        return value


class PushedFile(Record):
    """A file of ours on a host."""

    name: str
    path: str
    """Windows path."""
    size: int
    sha256: str
    logical: str = ""
    kind: str = "data"


class PushedFiles(Result):
    """Files that were copied into a run's folder on a host, equal on both ends."""

    on: Known[str] = ""
    """The host."""
    folder: Known[str] = ""
    files: tuple[PushedFile, ...] = ()
    seconds: float = 0.0
    bytes: int = 0

    @property
    def rate(self) -> float:
        """MiB a second."""
        return self.bytes / 2**20 / self.seconds if self.seconds else 0.0
