"""The version that a program carries: VS_FIXEDFILEINFO, read and made."""

from __future__ import annotations

import struct

_FIXED = struct.pack("<I", 0xFEEF04BD)


def file_version(data: bytes) -> str | None:
    """The version of a program from its VS_FIXEDFILEINFO, or None."""
    at = data.find(_FIXED)
    if at < 0 or len(data) < at + 16:
        return None
    high, low = struct.unpack_from("<II", data, at + 8)
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"


def fixed_file_info(version: str) -> bytes:
    """A VS_FIXEDFILEINFO that says this version."""
    major, minor, build, revision = (int(part) for part in version.split("."))
    return _FIXED + struct.pack("<III", 0x00010000, major << 16 | minor, build << 16 | revision) + bytes(36)
