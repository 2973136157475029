"""Versions of ConfigMgr: the build, the third number, shows what belongs together."""

from __future__ import annotations

import re
import struct

FIRST_WITH_CD_LATEST = 8325
"""1511, the first current branch (5.00.8325); 2012 and 2012 R2 have no CD.Latest (Microsoft Learn, "The CD.Latest folder")."""
_SIGNATURE = struct.pack("<II", 0xFEEF04BD, 0x00010000)
"""VS_FIXEDFILEINFO: dwSignature and dwStrucVersion (Microsoft Learn, "VS_FIXEDFILEINFO structure")."""


def build_of(version: str) -> int:
    """The build in ``5.00.9128.1000``; 0 without one."""
    found = re.match(r"\d+\.\d+\.(\d+)", version)
    return int(found[1]) if found else 0


def file_version(program: bytes) -> str:
    """The file version in a program's version resource; empty without one."""
    at = program.find(_SIGNATURE)
    if at < 0 or at + 16 > len(program):
        return ""
    high, low = struct.unpack_from("<II", program, at + 8)
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"
