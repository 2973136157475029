"""PSRP messages and their fragments (MS-PSRP 2.2.1, 2.2.4): the numbers, the headers, the reassembly."""

from __future__ import annotations

import enum
import struct
import uuid
from dataclasses import dataclass
from typing import Final

FRAGMENT_HEADER: Final = struct.Struct(">QQBI")
MESSAGE_HEADER: Final = struct.Struct("<II16s16s")
FRAGMENT_PAYLOAD: Final = 32_747
"""Recorded Windows servers cut into fragments of 32,768 bytes, the header of 21 included."""
BOM: Final = b"\xef\xbb\xbf"
_TO_CLIENT: Final = 1
_START, _END = 1, 2


class MessageType(enum.IntEnum):
    """MS-PSRP 2.2.1, the MessageType field."""

    SESSION_CAPABILITY = 0x00010002
    INIT_RUNSPACEPOOL = 0x00010004
    PUBLIC_KEY = 0x00010005
    CONNECT_RUNSPACEPOOL = 0x00010008
    SET_MAX_RUNSPACES = 0x00021002
    SET_MIN_RUNSPACES = 0x00021003
    RUNSPACE_AVAILABILITY = 0x00021004
    RUNSPACEPOOL_STATE = 0x00021005
    CREATE_PIPELINE = 0x00021006
    GET_AVAILABLE_RUNSPACES = 0x00021007
    APPLICATION_PRIVATE_DATA = 0x00021009
    GET_COMMAND_METADATA = 0x0002100A
    RUNSPACEPOOL_INIT_DATA = 0x0002100B
    RESET_RUNSPACE_STATE = 0x0002100C
    PIPELINE_INPUT = 0x00041002
    END_OF_PIPELINE_INPUT = 0x00041003
    PIPELINE_OUTPUT = 0x00041004
    ERROR_RECORD = 0x00041005
    PIPELINE_STATE = 0x00041006
    WARNING_RECORD = 0x00041009


def message_name(number: int) -> str:
    """A message type's name for an error text, or its number."""
    try:
        return MessageType(number).name
    except ValueError:
        return f"0x{number:08X}"


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message as it came from the client."""

    type: int
    pool: uuid.UUID
    pipeline: uuid.UUID
    data: bytes


class Head:
    """The header of every message of one pool or pipeline to the client."""

    __slots__ = ("_ids",)

    def __init__(self, pool: uuid.UUID, pipeline: uuid.UUID | None = None) -> None:
        self._ids = pool.bytes_le, pipeline.bytes_le if pipeline else bytes(16)

    def message(self, kind: MessageType, clixml: str) -> bytes:
        """The message's bytes: header, byte order mark, CLIXML."""
        return MESSAGE_HEADER.pack(_TO_CLIENT, kind, *self._ids) + BOM + clixml.encode("utf-8")


class FragmentError(ValueError):
    """The client's fragments do not make a message."""


class Assembler:
    """Puts messages together from the fragments of one pool."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, bytearray]] = {}

    def feed(self, data: bytes) -> list[Message]:
        """Take whole fragments, give the messages that they complete.

        Raises:
            FragmentError: a fragment is cut, or does not follow its predecessor.

        """
        view = memoryview(data)
        messages = []
        while view:
            if len(view) < FRAGMENT_HEADER.size:
                raise FragmentError("the fragment header is cut")
            object_id, number, marks, length = FRAGMENT_HEADER.unpack_from(view)
            piece = view[FRAGMENT_HEADER.size : FRAGMENT_HEADER.size + length]
            if len(piece) != length:
                raise FragmentError(f"the fragment of object {object_id} is cut")
            view = view[FRAGMENT_HEADER.size + length :]
            expected, buffer = self._open.get(object_id, (0, bytearray()))
            if number != expected or bool(marks & _START) != (number == 0):
                raise FragmentError(f"object {object_id}: fragment {number} where {expected} was expected")
            buffer += piece
            if marks & _END:
                self._open.pop(object_id, None)
                messages.append(_parse(bytes(buffer)))
            else:
                self._open[object_id] = expected + 1, buffer
        return messages


def _parse(data: bytes) -> Message:
    if len(data) < MESSAGE_HEADER.size:
        raise FragmentError("the message header is cut")
    _, kind, pool, pipeline = MESSAGE_HEADER.unpack_from(data)
    body = data[MESSAGE_HEADER.size :].removeprefix(BOM)
    return Message(kind, uuid.UUID(bytes_le=pool), uuid.UUID(bytes_le=pipeline), body)


def encoded(message: Message) -> bytes:
    """A message to the client as bytes again."""
    ids = message.pool.bytes_le, message.pipeline.bytes_le
    return MESSAGE_HEADER.pack(_TO_CLIENT, message.type, *ids) + BOM + message.data


def fragment(object_id: int, number: int, piece: bytes | memoryview, *, last: bool) -> bytes:
    """One fragment of a message."""
    marks = (_START if number == 0 else 0) | (_END if last else 0)
    return b"".join((FRAGMENT_HEADER.pack(object_id, number, marks, len(piece)), piece))
