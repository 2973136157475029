"""WinRM's message encryption: a SOAP envelope inside ``multipart/encrypted`` (MS-WSMV 2.2.9.1)."""

from __future__ import annotations

import struct
from typing import Final

from spnego import ContextProxy

CONTENT_TYPE: Final = (
    'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
)
_BOUNDARY: Final = b"--Encrypted Boundary"
_OCTETS: Final = b"application/octet-stream\r\n"
_HEAD: Final = (
    "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
    "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
    "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
)


class UnsealError(ValueError):
    """The body is not sealed, or not with this connection's keys."""


def is_sealed(content_type: str) -> bool:
    """Whether a body of this Content-Type is encrypted."""
    return content_type.lower().startswith("multipart/encrypted")


def unseal(context: ContextProxy | None, body: bytes) -> bytes:
    """The envelope in an encrypted body.

    Raises:
        UnsealError: lost order, wrong keys, no sealed part. The connection's keys are useless after it.

    """
    if context is None:
        raise UnsealError("no keys: the connection did not log on by Negotiate")
    start = body.find(_OCTETS)
    end = body.rfind(_BOUNDARY)  # the sealed bytes may hold the boundary's text: take the last one
    if start < 0 or end <= start:
        raise UnsealError("no sealed part")
    sealed = body[start + len(_OCTETS) : end]
    if len(sealed) < 4:
        raise UnsealError("the sealed part is cut")
    (size,) = struct.unpack_from("<i", sealed)
    try:
        plain: bytes = context.unwrap_winrm(sealed[4 : 4 + size], sealed[4 + size :])
    except Exception as error:
        raise UnsealError(str(error)) from error
    return plain


def seal(context: ContextProxy, envelope: bytes) -> bytes:
    """An encrypted body."""
    sealed = context.wrap_winrm(envelope)
    return b"".join(
        (
            _HEAD.format(length=len(envelope)).encode("ascii"),
            struct.pack("<i", len(sealed.header)),
            sealed.header,
            sealed.data,
            _BOUNDARY,
            b"--\r\n",
        )
    )
