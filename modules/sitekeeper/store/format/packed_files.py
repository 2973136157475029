"""How the files of a sealed set are stored: a zstd stream, inside an age file. Debian's own tools open both.

``age -d -i key FILE.zst.age | zstd -d`` gives the plain file back. Which of the two are used say the variables
``store_compress`` and ``store_recipients``; the control host needs public keys alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import pyrage
import zstandard

from sitekeeper.engine.errors import IntegrityError, InventoryError

LEVEL = 3
"""zstd's own default."""
BLOCK = 1 << 20
Step = Literal["zstd", "age"]
SUFFIXES: Mapping[Step, str] = {"zstd": ".zst", "age": ".age"}
Decrypt = Callable[[Any, Any], None]
Passed = Callable[[int], None]
EVERY = 8 << 20
"""Bytes between two reports."""


@dataclass(frozen=True, slots=True)
class Packing:
    """What is done to every file, in this order."""

    steps: tuple[Step, ...]
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sums:
    """Both ends of one packed file."""

    plain_size: int
    plain_sha256: str
    size: int
    sha256: str


def choose_packing(variables: Mapping[str, Any]) -> Packing | None:
    """What a host's variables ask for; None: files stay as they are.

    Raises:
        InventoryError: the variables make no sense.

    """
    compress, given = variables.get("store_compress"), variables.get("store_recipients")
    if compress not in {None, "zstd"}:
        raise InventoryError(f"store_compress: {compress!r} is not known", hint="zstd, or leave it out")
    recipients = [given] if isinstance(given, str) else list(given or ())
    for one in recipients:
        try:
            pyrage.x25519.Recipient.from_str(one)
        except (pyrage.RecipientError, TypeError):
            raise InventoryError(
                f"store_recipients: {one!r} is not a public key of age",
                hint="`age-keygen` prints it (age1...); passphrases, ssh keys and plugins are not taken",
            ) from None
    if given is not None and not recipients:
        raise InventoryError(
            "store_recipients is empty: the sets could not be opened by anybody", hint="leave it out for plain ones"
        )
    steps: tuple[Step, ...] = (*(("zstd",) if compress else ()), *(("age",) if recipients else ()))
    return Packing(steps, tuple(recipients)) if steps else None


def pack(source: BinaryIO, target: BinaryIO, packing: Packing, passed: Passed = lambda _: None) -> Sums:
    """Store one file; what it was and what it is now, both hashed on the way.

    ``passed`` hears of the plain bytes so far, and may end it by raising.

    Raises:
        OSError: a disk said no.

    """
    plain, stored = _HashingWriter(source, passed), _HashingWriter(target)
    reader: Any = plain
    writer: Any = stored
    if "zstd" in packing.steps:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        reader = compressor.stream_reader(plain, read_size=BLOCK, closefd=False)  # type: ignore[arg-type]  # reads is all it does
    try:
        if "age" in packing.steps:
            keys = [pyrage.x25519.Recipient.from_str(one) for one in packing.recipients]
            pyrage.encrypt_io(reader, writer, keys)
        else:
            while block := reader.read(BLOCK):
                writer.write(block)
    except pyrage.EncryptError:
        raise stored.failed or plain.failed or RuntimeError("age did not encrypt") from None
    if stored.failed or plain.failed:
        raise stored.failed or plain.failed or RuntimeError
    return Sums(plain.size, plain.hash.hexdigest(), stored.size, stored.hash.hexdigest())


def unpack(
    source: BinaryIO,
    target: BinaryIO,
    steps: tuple[Step, ...],
    decrypt: Decrypt | None,
    passed: Passed = lambda _: None,
) -> tuple[int, str]:
    """Open one stored file; answers the plain size and SHA-256.

    ``passed`` hears of the plain bytes so far, and may end it by raising.

    Raises:
        IntegrityError: it cannot be opened: no key of ours fits, or it is not what was stored. OSError: a disk said no.

    """
    stored, plain = _HashingWriter(source), _HashingWriter(target, passed)
    writer: Any = plain
    if "zstd" in steps:
        writer = zstandard.ZstdDecompressor().stream_writer(plain, closefd=False)  # type: ignore[arg-type]  # writes is all it does
    try:
        if "age" in steps:
            if decrypt is None:
                raise IntegrityError("it is sealed, and no key was given")
            decrypt(stored, writer)
        else:
            while block := stored.read(BLOCK):
                writer.write(block)
    except (pyrage.DecryptError, OSError, zstandard.ZstdError):
        if plain.failed or stored.failed:
            raise plain.failed or stored.failed or RuntimeError from None
        raise IntegrityError("it cannot be opened: it was changed, or it is sealed for other keys") from None
    return plain.size, plain.hash.hexdigest()


class _HashingWriter:
    """A file object that counts and hashes what goes through, and keeps the error that pyrage would only tell in words."""

    def __init__(self, file: BinaryIO, passed: Passed = lambda _: None) -> None:
        self._file = file
        self._passed = passed
        self._told = -EVERY
        self.size = 0
        self.hash = hashlib.sha256()
        self.failed: BaseException | None = None

    def read(self, count: int = -1) -> bytes:
        try:
            self._tell()
            data = self._file.read(count)
        except BaseException as error:
            self.failed = error
            raise
        self.size += len(data)
        self.hash.update(data)
        return data

    def write(self, data: Any) -> int:
        try:
            self._tell()
            self._file.write(data)
        except BaseException as error:
            self.failed = error
            raise
        self.size += len(data)
        self.hash.update(data)
        return len(data)

    def _tell(self) -> None:
        if self.size - self._told >= EVERY:
            self._told = self.size
            self._passed(self.size)

    def flush(self) -> None:
        """Nothing is held back here."""
