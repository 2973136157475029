"""The lab's cabinet: a zip file under the name ``.cab``. Only diskshadow writes one here, and only expand.exe reads it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping


def pack(files: Mapping[str, str]) -> bytes:
    """The bytes of a cabinet with these text files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text.encode("utf-8"))
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a cabinet.

    Raises:
        zipfile.BadZipFile: it is none of the lab's.

    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
