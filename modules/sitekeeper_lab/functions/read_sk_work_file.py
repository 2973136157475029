"""The twin of Read-SkWorkFile.ps1."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, number, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "b7674fcfdf9875c8151c0e164ab7db69f8cee4804b92ade6cec667079e4252df"

_BLOCK = 262_144


def run(call: Call) -> Iterator[bytes]:
    """Streams one file of the run's folder; the layout stands in the script."""
    run_id, name, offset = text(call, "Run"), text(call, "Name"), number(call, "Offset")
    if not run_id or not name:
        raise thrown("SkInvalidName")
    file = real(call, folder_of(call, run_id, name))
    if not file.is_file():
        raise thrown("SkNoFile")
    with file.open("rb") as stream:
        length = file.stat().st_size
        if not 0 <= offset <= length:
            raise thrown("SkInvalidOffset")
        yield struct.pack("<iq", 0, length)
        digest, at = hashlib.sha256(), 0
        while at < length:
            part = stream.read(min(_BLOCK, offset - at) if at < offset else _BLOCK)
            if not part:
                raise thrown("SkFileChanged")
            digest.update(part)
            at += len(part)
            if at > offset:
                yield part
    yield digest.digest()


TWIN = twin("Read-SkWorkFile", SHA256, run, Root="string", Run="string", Name="string", Offset="long")
