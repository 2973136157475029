"""pypsrp's own scripts for fetching and copying a file, known by their hash, and what they do as Python.

``Client.fetch`` and ``Client.copy`` of pypsrp 0.9.1 send these scripts with two positional arguments: the path, and
whether to expand variables in it. The texts are those of the package without comments, blank lines and indentation.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, Protocol

from sitekeeper_lab.engines.api import Command, ErrorRecord

FETCH_SHA256: Final = "284a8f526a1860e2578ea4bfe098cf875fa8b71d313a2bdea74ef6da24a6d43e"
COPY_SHA256: Final = "3c882b445a28347be063d8d369b1792dc5a5403a8c0d6ca3c3ec2444167f71bf"
_FETCH_LIMIT: Final = 2**31 - 1  # the script reads the whole file into one byte[]


class Files(Protocol):
    """The files of a host, by Windows paths."""

    def full_path(self, path: str) -> str:
        """An absolute path, relative to the session's current location."""

    def expand(self, path: str) -> str:
        """``%NAME%`` replaced by environment variables."""

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""

    def is_file(self, path: str) -> bool:
        """Whether there is a file."""

    def open_read(self, path: str) -> BinaryIO:
        """An existing file. Raises ErrorRecord."""

    def open_write(self, path: str) -> BinaryIO:
        """A new or emptied file. Raises ErrorRecord."""


def known_script(command: Command) -> str | None:
    """``fetch`` or ``copy`` if the command is that script of pypsrp, else None."""
    if not command.is_script:
        return None
    digest = hashlib.sha256(command.text.encode("utf-8")).hexdigest()
    return {FETCH_SHA256: "fetch", COPY_SHA256: "copy"}.get(digest)


def _thrown(text: str) -> ErrorRecord:
    """What ``throw "text"`` makes of it, as recorded."""
    return ErrorRecord(
        text,
        text,
        category=14,
        exception_type="System.Management.Automation.RuntimeException",
        target=text,
        terminates_pipeline=True,
    )


def _path(files: Files, command: Command) -> str:
    path, expand = (value for _, value in command.parameters)
    return files.full_path(files.expand(str(path)) if expand is True else str(path))


def fetch(files: Files, command: Command) -> Iterator[str]:
    """The output of the fetch script: the file in base64 (nothing for an empty one), then its SHA-1.

    Raises:
        ErrorRecord: there is no such file.

    """
    path = _path(files, command)
    if files.is_folder(path):
        raise _thrown(f"The path at '{path}' is a directory, src must be a file")
    if not files.is_file(path):
        raise _thrown(f"The path at '{path}' does not exist")
    with files.open_read(path) as file:
        data = file.read(_FETCH_LIMIT + 1)
    if len(data) > _FETCH_LIMIT:
        raise ErrorRecord(f"emulator: the fetch script cannot hold {path}: 2 GiB or more", "EmulatorError")
    if data:
        yield base64.b64encode(data).decode("ascii")
    yield hashlib.sha1(data, usedforsecurity=False).hexdigest()


def copy(files: Files, command: Command, chunks: Iterable[Any]) -> Iterator[str]:
    """The output of the copy script: the full path. Its input: base64 chunks, the last one the SHA-1 of the rest.

    Unlike the script, which moves a temporary file into place, this writes the file in place once the hash is right.

    Raises:
        ErrorRecord: the hash is wrong, or the file cannot be written; nothing was written then.

    """
    parts = [base64.b64decode(str(chunk)) for chunk in chunks]
    expected = parts.pop().decode("utf-8") if parts else ""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    actual = digest.hexdigest()
    path = _path(files, command)
    if actual != expected:
        raise _thrown(f"Transport failure, hash mismatch\r\nActual: {actual}\r\nExpected: {expected}")
    with files.open_write(path) as file:
        file.writelines(parts)
    yield path
