"""PRELOGIN and LOGIN7: what a client says of itself before it is let in (MS-TDS 2.2.6.4, 2.2.6.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VERSION, ENCRYPTION, INSTANCE, THREAD, MARS = range(5)
OFF, ON, NOT_SUPPORTED, REQUIRED = range(4)

ENCRYPTION_MODES = ("not_supported", "off", "required", "strict")
"""What the server's side may be set to; ``off`` encrypts the login and whatever the client wants."""


def encryption_reply(mode: str, client: int) -> int:
    """The server's ENCRYPTION byte for the client's (the table of MS-TDS 2.2.6.5)."""
    wish = client & 0x7F
    if mode == "not_supported":
        return NOT_SUPPORTED
    if mode == "required":
        return ON if wish in {ON, REQUIRED} else REQUIRED
    return {OFF: OFF, ON: ON, NOT_SUPPORTED: NOT_SUPPORTED, REQUIRED: ON}[wish]


def read_prelogin(data: bytes) -> dict[int, bytes]:
    """Options by token."""
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 0xFF:
        token, offset, length = struct.unpack_from(">BHH", data, at)
        options[token] = data[offset : offset + length]
        at += 5
    return options


def write_prelogin(version: str, encryption: int) -> bytes:
    """The server's answer."""
    major, minor, build, *rest = (int(part) for part in version.split("."))
    options = {
        VERSION: struct.pack(">BBHH", major, minor, build, rest[0] if rest else 0),
        ENCRYPTION: bytes([encryption]),
        INSTANCE: b"\0",
        THREAD: b"",
        MARS: b"\0",
    }
    table, body = b"", b""
    start = 5 * len(options) + 1
    for token, value in options.items():
        table += struct.pack(">BHH", token, start + len(body), len(value))
        body += value
    return table + b"\xff" + body


@dataclass(frozen=True, slots=True)
class Login7:
    """The fields of LOGIN7 that matter here."""

    tds_version: int
    packet_size: int
    host: str
    user: str
    password: str
    application: str
    database: str
    sspi: bytes | None
    """The first token of integrated security; None for a SQL login."""
    features: frozenset[int]
    """Ids of the FeatureExt block."""

    def __repr__(self) -> str:
        """Say who, never the password."""
        return f"Login7(user={self.user!r}, host={self.host!r}, application={self.application!r})"


def read_login7(data: bytes) -> Login7:
    """Read a LOGIN7 message."""

    def text(at: int) -> str:
        offset, length = struct.unpack_from("<HH", data, at)
        return data[offset : offset + 2 * length].decode("utf-16-le")

    version, packet_size = struct.unpack_from("<II", data, 4)
    offset, length = struct.unpack_from("<HH", data, 44)
    # Each byte of the password: nibbles swapped, then XOR 0xA5.
    hidden = bytes(byte ^ 0xA5 for byte in data[offset : offset + 2 * length])
    password = bytes((byte << 4 | byte >> 4) & 0xFF for byte in hidden).decode("utf-16-le")
    sspi: bytes | None = None
    if data[25] & 0x80:  # fIntSecurity
        offset, length = struct.unpack_from("<HH", data, 78)
        sspi = data[offset : offset + length]
    features: set[int] = set()
    if data[27] & 0x10:  # fExtension: the offset points to a DWORD that points to the block
        pointer = struct.unpack_from("<H", data, 56)[0]
        at = struct.unpack_from("<I", data, pointer)[0]
        while data[at] != 0xFF:
            features.add(data[at])
            at += 5 + struct.unpack_from("<I", data, at + 1)[0]
    return Login7(version, packet_size, text(36), text(40), password, text(48), text(68), sspi, frozenset(features))
