"""The manifest: what a set is, what is in it, and what proves it. Written last, read by everything that looks at a store."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.plan import Record
from sitekeeper.model.site import Machine, ServiceFacts, SiteDatabase, TaskProof, Volume
from sitekeeper.model.windows import WatchedService

RecordT = TypeVar("RecordT", bound=Record)
NAME = "manifest.json"
SUM_NAME = "manifest.sha256"


class Entry(Record):
    """One file, folder or link of a set."""

    kind: Literal["file", "folder", "link"]
    path: str
    """On the host, as Windows wrote it."""
    file: str
    """In the set; the same but for slashes, unless the store could not hold the name."""
    size: int = 0
    sha256: str = ""
    modified: int = 0
    """100 ns since 1601-01-01 UTC (FILETIME), exactly as the host has it."""
    attributes: int = 0
    """Windows file attributes."""
    source: str = ""
    """host:volume that it was read from."""


class RegistryCount(Record):
    """What a registry export holds."""

    file: str
    root: str
    keys: int
    values: int


class Offline(Record):
    """How long the site's services were down."""

    started: str
    ended: str
    seconds: float


class Manifest(Record):
    """A set: one backup of one site."""

    format: Literal[1] = 1
    id: str
    kind: Literal["snapshot", "task"] = "snapshot"
    site: str
    site_name: str
    site_type: str
    parent: str | None
    product: str
    version: str
    install_dir: str
    generation: int
    run: str
    tool: str
    """Version of sitekeeper that made it."""
    taken_at: str
    published_at: str
    offline: Offline | None
    consistency: Literal["writer", "crash", "separate", "files", "task"]
    """task: as ConfigMgr's own task made it, which froze the database, too.
    writer: one shadow copy set, database frozen by its writer. crash: one instant, no writer. separate: not one instant."""
    gap: float
    shadow_set: str
    before: tuple[WatchedService, ...]
    after: tuple[WatchedService, ...]
    machine: Machine
    database_machine: Machine | None = None
    volumes: tuple[Volume, ...]
    services: tuple[ServiceFacts, ...]
    database: SiteDatabase | None
    row_counts: dict[str, int] = Field(default_factory=dict)
    registry: tuple[RegistryCount, ...]
    feeds: tuple[str, ...]
    """Recoveries of Microsoft's that take this set."""
    left_out: tuple[str, ...]
    """What is not in it, and why."""
    task: TaskProof | None = None
    """What proves the run of the task, of a set of kind ``task``."""
    files: int
    bytes: int
    entries: tuple[Entry, ...]

    def summary(self) -> dict[str, Any]:
        """The set in a line."""
        return {
            "id": self.id,
            "site": self.site,
            "kind": self.kind,
            "taken_at": self.taken_at,
            "product": self.product,
            "version": self.version,
            "consistency": self.consistency,
            "files": self.files,
            "bytes": self.bytes,
            "offline_seconds": self.offline.seconds if self.offline else None,
            "feeds": list(self.feeds),
            "run": self.run,
        }


LEFT_OUT = (
    "site systems (distribution points, management points, reporting points, server locator points): the site recreates them",
    "clients: they cannot be stopped safely, are many, and lose little",
    "logs of other site systems, outside of the site's own logs folder",
    "SQL Server's master database: not needed for the recovery of a site",
    "content library and package sources: restore them to the same paths by other means",
    "WSUS (SUSDB), Reporting Services (databases, keys), IIS configuration, certificates and account passwords",
)
"""From Microsoft's planning page for ConfigMgr 2007 and "Back up a site" for current branch."""


NO_RECOVERY = "no recovery: a secondary site is recreated from its primary site"
"""Of a secondary site (Microsoft Learn, "Recover a site": the console's Recover Secondary Site, which takes no backup)."""


def feeds_of(product: str, site_type: str, consistency: str) -> tuple[str, ...]:
    """Which recoveries take a snapshot set."""
    if consistency not in {"writer", "crash"}:
        return ("restore drills of files only",)
    if site_type == "secondary":
        return ("restore drills", NO_RECOVERY)
    if product == "2012":
        return ("recovery with a manually recovered database (option 20)", "restore drills")
    return (
        "restore drills",
        "attaching the database by hand; not the Site Repair Wizard, which takes only sets of the task",
    )


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and its checksum."""
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=True, indent=1)
    (folder / NAME).write_text(text, encoding="ascii")
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    (folder / SUM_NAME).write_text(f"{digest}  {NAME}\n", encoding="ascii")


def read(folder: Path) -> Manifest:
    """The manifest of a set.

    Raises:
        IntegrityError: it is missing, changed or of another format; names the file.

    """
    return parse(
        Manifest, check_sum(folder, NAME, SUM_NAME, "manifest"), f"{folder.name}: {folder / NAME} is not a manifest"
    )


def check_sum(folder: Path, name: str, sum_name: str, what: str) -> bytes:
    """A file of a set that has its checksum beside it.

    Raises:
        IntegrityError: one of the two is missing or cannot be read, or they do not belong together; names the file.

    """
    file = folder / name
    try:
        data = file.read_bytes()
        file = folder / sum_name
        expected = file.read_text(encoding="ascii").split()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no checksum"
        raise IntegrityError(f"{folder.name}: no readable {what}: {file}: {why}") from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise IntegrityError(f"{folder.name}: {folder / name} was changed after it was published")
    return data


def parse(kind: type[RecordT], data: bytes, otherwise: str) -> RecordT:
    """A record from JSON, names with half a surrogate pair included, which pydantic's own reader refuses.

    Raises:
        IntegrityError: it is none that this version reads.

    """
    try:
        return kind.model_validate(json.loads(data))
    except ValidationError as error:
        raise IntegrityError(f"{otherwise} that this version reads: {error.errors()[0]['msg']}") from None
    except ValueError:
        raise IntegrityError(f"{otherwise}: no JSON") from None
