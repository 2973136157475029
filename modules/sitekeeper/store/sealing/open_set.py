"""A set opened for reading: its manifest, and every file as it was on the host, whether it is stored plain or sealed."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sitekeeper.engine.errors import IntegrityError, SecretError
from sitekeeper.store.format import catalogue, head_file, manifest_file
from sitekeeper.store.format.manifest_file import Entry, Manifest
from sitekeeper.store.format.packed_files import BLOCK, Passed, Step, unpack
from sitekeeper.transport.age_identity import Keys


@dataclass(frozen=True, slots=True)
class OpenSet:
    """A set whose names are known."""

    folder: Path
    manifest: Manifest
    steps: tuple[Step, ...] = ()
    stored: dict[str, head_file.StoredFile] = field(default_factory=dict)
    keys: Keys | None = None

    @property
    def packed(self) -> bool:
        """Whether its files must be unpacked to be read."""
        return bool(self.steps)

    def stored_as(self, entry: Entry) -> str:
        """The file of the store that holds an entry."""
        return self.stored[entry.file].name if self.packed else entry.file

    def copy(self, entry: Entry, target: BinaryIO, passed: Passed = lambda _: None) -> None:
        """Write the plain bytes of a file, each of them checked; ``passed`` hears of them, and may end it by raising.

        Raises:
            IntegrityError: they are not what was published; names the file. OSError: the target's disk said no.

        """
        name = self.stored_as(entry)
        shown = entry.file if name == entry.file else f"{entry.file} (stored as {name})"
        with _source(self.folder, name, shown) as source:
            try:
                size, sha256 = unpack(source, target, self.steps, self.keys.reader() if self.keys else None, passed)
            except IntegrityError as error:
                raise IntegrityError(f"{self.manifest.id}: {shown}: {error.message}") from None
        if (size, sha256) != (entry.size, entry.sha256):
            raise IntegrityError(f"{self.manifest.id}: {shown}: the content was changed (SHA-256)")


def open_set(folder: Path, keys: Keys | None = None) -> OpenSet:
    """Open a set.

    Raises:
        IntegrityError: it is damaged; names the file. SecretError: it is sealed, and no key of ours opens it.

    """
    catalogue.own_folder(folder)
    if not catalogue.is_packed(folder):
        manifest = manifest_file.read(folder)
        if manifest.id != folder.name:
            raise IntegrityError(f"{folder.name}: {folder / manifest_file.NAME} belongs to set {manifest.id}")
        return OpenSet(folder, manifest)
    head = head_file.read(folder)
    if head.id != folder.name:
        raise IntegrityError(f"{folder.name}: {folder / head_file.NAME} belongs to set {head.id}")
    body = _body(folder, head, keys)
    manifest = body.manifest
    promised = tuple(sorted(body.stored.values(), key=lambda one: one.name))
    same = (manifest.id, manifest.run, manifest.generation, manifest.kind) == (
        head.id,
        head.run,
        head.generation,
        head.kind,
    )
    files = {entry.file for entry in manifest.entries if entry.kind == "file"}
    if not same or promised != head.stored or files != set(body.stored):
        raise IntegrityError(
            f"{folder.name}: {folder / head_file.NAME} is not the header that this set was sealed with"
        )
    return OpenSet(folder, manifest, head.packing, body.stored, keys)


def _body(folder: Path, head: head_file.Head, keys: Keys | None) -> head_file.Body:
    if "age" in head.packing and keys is None:
        raise SecretError(
            f"{head.id} is sealed: reading its names and facts needs the secret key",
            hint=f"--identity FILE, or the variable store_identity; sealed for {', '.join(head.recipients)}",
        )
    with _source(folder, head.body.name, head.body.name) as source:
        data = source.read()
    if (len(data), hashlib.sha256(data).hexdigest()) != (head.body.size, head.body.sha256):
        raise IntegrityError(f"{head.id}: {head.body.name}: the content was changed (SHA-256)")
    plain = io.BytesIO()
    try:
        unpack(io.BytesIO(data), plain, head.packing, keys.reader() if keys else None)
    except IntegrityError:
        # Its bytes are those that were published, so it is the key that does not fit.
        raise SecretError(
            f"{head.id}: {keys.reference if keys else 'nothing'} does not open it",
            hint=f"sealed for {', '.join(head.recipients)}",
        ) from None
    return manifest_file.parse(head_file.Body, plain.getvalue(), f"{head.id}: {head.body.name} is not one")


def _source(folder: Path, name: str, shown: str) -> BinaryIO:
    """A stored file; never one behind a link.

    Raises:
        IntegrityError: it is missing, or is none.

    """
    at = folder
    for part in Path(name).parts[:-1]:
        at /= part
        if at.is_symlink():
            raise IntegrityError(f"{folder.name}: {shown}: {at.name} is a link, which no set holds")
    try:
        return os.fdopen(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=BLOCK)
    except OSError as error:
        raise IntegrityError(f"{folder.name}: {shown}: cannot be read ({error.strerror})") from None
