"""Joins fragments to PSRP messages, in linear time (MS-PSRP 2.2.4).

pypsrp copies all earlier fragments of a message with every new one; a file of 64 MiB then takes a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

_HEADER = Struct(">QQBI")
_MESSAGE = Struct("<II16s16s")
_BOM = b"\xef\xbb\xbf"

PIPELINE_OUTPUT = 0x00041004
ERROR_RECORD = 0x00041005
PIPELINE_STATE = 0x00041006
COMPLETED, FAILED, STOPPED = 4, 5, 3


@dataclass(frozen=True, slots=True)
class Message:
    """One PSRP message: its type and its CLIXML."""

    type: int
    data: bytes


class FragmentGapError(Exception):
    """A fragment is missing: a response was lost, and with it the message."""


class Joiner:
    """Joins fragments to messages. Feed it the data of each Receive."""

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = {}

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now.

        Raises:
            FragmentGapError: a fragment is missing.

        """
        whole: list[Message] = []
        at = 0
        while at < len(data):
            if len(data) - at < _HEADER.size:
                raise FragmentGapError
            object_id, number, flags, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            part = data[at : at + length]
            if len(part) < length:
                raise FragmentGapError  # fragments are never split: the response was cut off
            at += length
            parts = self._parts.setdefault(object_id, [])
            if len(parts) != number:
                raise FragmentGapError
            parts.append(part)
            if flags & 2:
                del self._parts[object_id]
                whole.append(_message(b"".join(parts) if len(parts) > 1 else part))
        return whole


def _message(data: bytes) -> Message:
    _, kind, _, _ = _MESSAGE.unpack_from(data)
    start = _MESSAGE.size
    if data.startswith(_BOM, start):
        start += len(_BOM)
    return Message(kind, data[start:])
