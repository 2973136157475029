"""The twin of Read-SkFile.ps1."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from io import FileIO

from sitekeeper_lab.functions.shared.twin import MAX_PATH, Call, check_path, file_failure, number, text, thrown, twin

_BLOCK = 262_144

SHA256 = "1acfa0c88151572a05d02a3a6eba6766abcb78e741192dc456c49dce7028ee3c"


def run(call: Call) -> Iterator[bytes]:
    """Streams files as byte arrays of up to 256 KiB; the layout stands in the script."""
    root = call.one("Get-SkShadowRoot", Drive=text(call, "Drive"), Run=text(call, "Run"), Index=number(call, "Index"))
    offset, real_root = number(call, "Offset"), str(call.host.files.resolve(root).resolve())
    block, fill = bytearray(_BLOCK), 0
    for place, name in enumerate(call.bound.texts("Path") or []):
        check_path(name)
        stream: FileIO | None = None
        native, failure, length = f"{root}\\{name}", "", -1
        try:
            stream = _open(call, real_root, name, native)
            length = os.fstat(stream.fileno()).st_size
        except LinkInPath:
            failure = "InvalidOperationException"
        except OSError as error:
            failure = file_failure(error, native)
        head = struct.pack("<iq", place, length)
        if stream is None:
            reason = failure.encode()
            head += struct.pack("<i", len(reason)) + reason
        if fill + len(head) > _BLOCK:
            yield bytes(block[:fill])
            fill = 0
        block[fill : fill + len(head)] = head
        fill += len(head)
        if stream is None:
            continue
        digest = hashlib.sha256()
        with stream:
            skip, at = (offset if place == 0 else 0), 0
            while at < length:
                if fill == _BLOCK:
                    yield bytes(block)
                    fill = 0
                want = _BLOCK - fill
                if at < skip:
                    want = min(want, skip - at)
                part = memoryview(block)[fill : fill + want]
                got = stream.readinto(part)
                if not got:
                    raise thrown("SkFileChanged")
                digest.update(part[:got])
                at += got
                if at > skip:
                    fill += got
        if fill + 32 > _BLOCK:
            yield bytes(block[:fill])
            fill = 0
        block[fill : fill + 32] = digest.digest()
        fill += 32
    if fill:
        yield bytes(block[:fill])


def _open(call: Call, real_root: str, name: str, native: str) -> FileIO:
    # Windows takes dots and spaces off the end of a name before it looks for the file.
    if len(native) >= MAX_PATH or name.endswith((".", " ")):
        raise FileNotFoundError(native)
    if _through_link(real_root, name):
        raise LinkInPath(native)
    try:
        return FileIO(real_root + "/" + name.replace("\\", "/"))
    except FileNotFoundError:
        real = call.host.files.resolve(native)
        if not real.parent.is_dir():
            raise NotADirectoryError(native) from None
        return FileIO(real)


def _through_link(real_root: str, name: str) -> bool:
    at = real_root
    for word in name.split("\\"):
        at = f"{at}/{word}"
        if os.path.islink(at):  # noqa: PTH114 - asked for every file of a site
            return True
    return False


class LinkInPath(OSError):  # noqa: N818 - what stands in the way
    """A link on the way, or in the file's place."""


TWIN = twin("Read-SkFile", SHA256, run, Drive="string", Run="string", Index="int", Path="string[]", Offset="long")
