"""The head of a sealed set: what everybody may know of it. The body, the manifest with all names and facts, is packed.

::

    PR2-000007/
      head.json head.sha256     plain: this file
      body.json.zst.age         the manifest, and which stored file is which of its entries
      sealed/4f/4f...zst.age    one file each, by a name that says nothing
      marks.json                pins, verifications, drills: of the operator, outside of the hashes
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Literal

from sitekeeper.engine.plan import Record
from sitekeeper.store.format.manifest_file import Manifest, check_sum, parse
from sitekeeper.store.format.packed_files import Step

NAME = "head.json"
SUM_NAME = "head.sha256"
BODY = "body.json"
"""And the suffixes of its packing."""
FOLDER = "sealed"


class StoredFile(Record):
    """A file as it lies in the store."""

    name: str
    size: int
    sha256: str


class Head(Record):
    """A sealed set, as far as it can be known without the key."""

    format: Literal[2] = 2
    id: str
    kind: Literal["snapshot", "task"]
    site: str
    generation: int
    run: str
    tool: str
    taken_at: str
    published_at: str
    offline_seconds: float | None
    consistency: str
    feeds: tuple[str, ...]
    """Recoveries of Microsoft's that take this set: whoever has to recover must know before he has the key."""
    files: int
    bytes: int
    """Of the plain files."""
    packing: tuple[Step, ...]
    recipients: tuple[str, ...]
    """Public keys that it was sealed for: which secret key to look for."""
    body: StoredFile
    stored: tuple[StoredFile, ...]


class Body(Record):
    """The packed part."""

    manifest: Manifest
    stored: dict[str, StoredFile]
    """By the name of the entry."""


def write(folder: Path, head: Head) -> None:
    """Checksum first, then the head by one rename: where there is a head, the set is sealed to the end."""
    text = json.dumps(head.model_dump(mode="json"), ensure_ascii=True, indent=1)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    (folder / SUM_NAME).write_text(f"{digest}  {NAME}\n", encoding="ascii")
    half = folder / f".{NAME}.new"
    with half.open("w", encoding="ascii") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    half.replace(folder / NAME)


def read(folder: Path) -> Head:
    """The head of a set.

    Raises:
        IntegrityError: it is missing, changed, of another set or of another format; names the file.

    """
    return parse(
        Head, check_sum(folder, NAME, SUM_NAME, "head"), f"{folder.name}: {folder / NAME} is not the header of a set"
    )
