"""The server's half of an NTLMv2 login, as LOGIN7 carries it (MS-NLMP 2.2.1, 3.3.2).

Written out here because the lab runs many servers with accounts of their own in one process, and the library that the
lab uses elsewhere finds its accounts in one environment variable.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable, Sequence

_SIGNATURE = b"NTLMSSP\0"
_FLAGS = 0xE2898205
"""56, KEY_EXCH, 128, VERSION, TARGET_INFO, EXTENDED_SESSIONSECURITY, TARGET_TYPE_DOMAIN, ALWAYS_SIGN, NTLM,
REQUEST_TARGET, UNICODE."""


class NtlmAcceptor:
    """One login: ``challenge`` answers the first token, ``verify`` judges the second."""

    def __init__(self, domain: str, computer: str) -> None:
        self._domain, self._computer = domain, computer
        self._challenge = os.urandom(8)

    def challenge(self, negotiate: bytes) -> bytes | None:
        """Return the CHALLENGE_MESSAGE; None when the client's token is no NTLM."""
        if not negotiate.startswith(_SIGNATURE + b"\x01\0\0\0"):
            return None
        target = self._domain.encode("utf-16-le")
        pairs = ((2, self._domain), (1, self._computer), (4, self._domain.lower()), (3, self._computer.lower()))
        info = b"".join(struct.pack("<HH", key, 2 * len(text)) + text.encode("utf-16-le") for key, text in pairs)
        info += struct.pack("<HH", 0, 0)
        fields = struct.pack("<HHI", len(target), len(target), 56)
        info_fields = struct.pack("<HHI", len(info), len(info), 56 + len(target))
        version = bytes([10, 0, 0x63, 0x45, 0, 0, 0, 15])
        head = _SIGNATURE + struct.pack("<I", 2) + fields + struct.pack("<I", _FLAGS)
        return head + self._challenge + bytes(8) + info_fields + version + target + info

    def verify(self, authenticate: bytes, password_of: Callable[[str], str | None]) -> str | None:
        r"""Return ``DOMAIN\user`` when the response is right, else None; NTLMv1 is not accepted.

        ``password_of`` gets that name and returns the password, or None for an unknown account.
        """
        if len(authenticate) < 64 or not authenticate.startswith(_SIGNATURE + b"\x03\0\0\0"):
            return None
        response = _field(authenticate, 20)
        domain, user = (_field(authenticate, at).decode("utf-16-le") for at in (28, 36))
        name = f"{domain}\\{user}"
        password = password_of(name)
        if password is None or len(response) <= 24:
            return None
        key = _hmac(md4(password.encode("utf-16-le")), (user.upper() + domain).encode("utf-16-le"))
        proof = _hmac(key, self._challenge + response[16:])
        return name if hmac.compare_digest(proof, response[:16]) else None


def _field(message: bytes, at: int) -> bytes:
    length, _, offset = struct.unpack_from("<HHI", message, at)
    return message[offset : offset + length]


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "md5").digest()


Mix = Callable[[int, int, int], int]


def _choose(x: int, y: int, z: int) -> int:
    return (x & y) | (~x & z)


def _majority(x: int, y: int, z: int) -> int:
    return (x & y) | (x & z) | (y & z)


def _parity(x: int, y: int, z: int) -> int:
    return x ^ y ^ z


_COLUMNS = tuple(row + 4 * column for row in range(4) for column in range(4))
_REVERSED = (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)
_ROUNDS: tuple[tuple[Mix, int, Sequence[int], tuple[int, int, int, int]], ...] = (
    (_choose, 0, range(16), (3, 7, 11, 19)),
    (_majority, 0x5A827999, _COLUMNS, (3, 5, 9, 13)),
    (_parity, 0x6ED9EBA1, _REVERSED, (3, 9, 11, 15)),
)


def md4(data: bytes) -> bytes:
    """RFC 1320; OpenSSL 3 has it only in a provider that is not loaded."""
    mask = 0xFFFFFFFF
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", 8 * len(data))
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, start)
        a, b, c, d = state
        for mix, constant, order, shifts in _ROUNDS:
            for step, index in enumerate(order):
                total = (a + mix(b, c, d) + words[index] + constant) & mask
                shift = shifts[step % 4]
                a, b, c, d = d, (total << shift | total >> (32 - shift)) & mask, b, c
        state = [(old + new) & mask for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)
