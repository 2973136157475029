"""The reply's token stream (MS-TDS 2.2.7): column data, messages, and the DONE that says whether more follows."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from sitekeeper_lab.sql.channel import Channel
from sitekeeper_lab.sql.datatypes import COLLATION, TDS72, SqlType, type_info, value_bytes, wire_type
from sitekeeper_lab.sql.failure import SqlFailure
from sitekeeper_lab.sql.reply import Column

MORE, ERROR, COUNT, ATTENTION_ACK = 0x01, 0x02, 0x10, 0x20
DONE, DONEPROC, DONEINPROC = 0xFD, 0xFE, 0xFF


class TokenWriter:
    """Writes one connection's replies; the last DONE is held back until it is known whether more follows."""

    def __init__(self, channel: Channel, server: str) -> None:
        self._channel = channel
        self._server = server
        self._held: tuple[int, int, int, int] | None = None
        self._kinds: list[SqlType] = []
        self.version = 0
        self.in_procedure = False

    def columns(self, columns: Sequence[Column]) -> None:
        """COLMETADATA: a result set begins."""
        self._release()
        self._kinds = [wire_type(column.kind, self.version) for column in columns]
        out = bytearray(struct.pack("<BH", 0x81, len(columns)))
        for column, kind in zip(columns, self._kinds, strict=True):
            user_type = bytes(4 if self.version >= TDS72 else 2)
            out += user_type + b"\x09\0" + type_info(kind, self.version)  # nullable, updatable
            out += _short(column.name)
        self._channel.write(bytes(out))

    def row(self, values: Sequence[object]) -> None:
        """ROW."""
        body = b"".join(value_bytes(kind, value) for kind, value in zip(self._kinds, values, strict=True))
        self._channel.write(b"\xd1" + body)

    def done(self, status: int = 0, count: int | None = None, command: int = 0) -> None:
        """End of a statement's result."""
        self._release()
        kind = DONEINPROC if self.in_procedure else DONE
        self._held = (kind, status | (COUNT if count is not None else 0), command, count or 0)

    def message(self, number: int, text: str, severity: int = 0, state: int = 1, line: int = 1) -> None:
        """Write ERROR from severity 11 on, INFO below; severity 10 travels as class 0 (MS-TDS 2.2.7.10)."""
        self._release()
        token, severity = (0xAA, severity) if severity > 10 else (0xAB, 0 if severity == 10 else severity)
        encoded = text.encode("utf-16-le")
        body = struct.pack("<iBBH", number, state, severity, len(encoded) // 2) + encoded
        body += _short(self._server) + _short("") + struct.pack("<I" if self.version >= TDS72 else "<H", line)
        self._channel.write(struct.pack("<BH", token, len(body)) + body)

    def failure(self, failure: SqlFailure) -> None:
        """Write an error, and those that come with it."""
        for each in (failure, *failure.more):
            self.message(each.number, each.message, each.severity, each.state)

    def environment(self, kind: int, new: str, old: str = "") -> None:
        """ENVCHANGE of text: 1 database, 2 language, 4 packet size."""
        self._environment(bytes([kind]) + _short(new) + _short(old))

    def environment_collation(self) -> None:
        """ENVCHANGE 7."""
        self._environment(b"\x07\x05" + COLLATION + b"\0")

    def environment_reset(self) -> None:
        """ENVCHANGE 18: RESETCONNECTION was done."""
        self._environment(b"\x12\0\0")

    def environment_transaction(self, kind: int, new: int, old: int) -> None:
        """ENVCHANGE 8 begun, 9 committed, 10 rolled back; 0 is no transaction."""
        ids = b"".join(b"\x08" + struct.pack("<Q", number) if number else b"\0" for number in (new, old))
        self._environment(bytes([kind]) + ids)

    def login_ack(self, product: str) -> None:
        """LOGINACK with the agreed TDS version."""
        self._release()
        major, minor, build, *_ = (int(part) for part in product.split("."))
        name = _short("Microsoft SQL Server")
        body = b"\x01" + struct.pack(">I", self.version) + name + struct.pack(">BBH", major, minor, build)
        self._channel.write(struct.pack("<BH", 0xAD, len(body)) + body)

    def features(self, acknowledged: dict[int, bytes]) -> None:
        """FEATUREEXTACK; nothing when there is nothing to acknowledge."""
        if acknowledged:
            body = b"".join(struct.pack("<BI", key, len(data)) + data for key, data in acknowledged.items())
            self._channel.write(b"\xae" + body + b"\xff")

    def sspi(self, data: bytes) -> None:
        """SSPI: the next step of an integrated login."""
        self._channel.write(struct.pack("<BH", 0xED, len(data)) + data)
        self._channel.end()

    def return_status(self, value: int = 0) -> None:
        """RETURNSTATUS of a procedure."""
        self._release()
        self._channel.write(struct.pack("<Bi", 0x79, value))

    def return_value(self, ordinal: int, name: str, kind: SqlType, value: object) -> None:
        """RETURNVALUE: an output parameter."""
        self._release()
        kind = wire_type(kind, self.version)
        user_type = bytes(4 if self.version >= TDS72 else 2)
        out = struct.pack("<BH", 0xAC, ordinal) + _short(name) + b"\x01" + user_type + b"\0\0"
        self._channel.write(out + type_info(kind, self.version) + value_bytes(kind, value))

    def done_procedure(self, status: int = 0) -> None:
        """DONEPROC: the procedure has ended."""
        self._release()
        self._held = (DONEPROC, status, 0xE0, 0)

    def flush(self) -> None:
        """Let what was written reach the client now."""
        self._release()
        self._channel.flush()

    def end(self) -> None:
        """End the reply."""
        if self._held is None:
            self.done()
        self._release(more=False)
        self._channel.end()

    def acknowledge_attention(self) -> None:
        """End the reply with the attention's own DONE, in a message by itself."""
        self._held = (DONE, ATTENTION_ACK, 0, 0)
        self.end()

    def _release(self, *, more: bool = True) -> None:
        if self._held is None:
            return
        kind, status, command, count = self._held
        self._held = None
        status |= MORE if more else 0
        count_format = "Q" if self.version >= TDS72 else "I"
        self._channel.write(struct.pack(f"<BHH{count_format}", kind, status, command, count))

    def _environment(self, body: bytes) -> None:
        self._release()
        self._channel.write(struct.pack("<BH", 0xE3, len(body)) + body)


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")
