"""TDS packets over a socket, with or without TLS, and the attention signal that may come at any time (MS-TDS 2.2.3).

The socket never blocks in a call of its own: sending and waiting both look for what the client says meanwhile, because
a client cancels, or goes away, while its statement runs.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from dataclasses import dataclass

ATTENTION, PRELOGIN, REPLY = 0x06, 0x12, 0x04
_HEADER = struct.Struct(">BBHHBB")
_EOM, _IGNORE = 0x01, 0x02


class ClientGone(Exception):  # noqa: N818  # not a fault: clients go
    """The client closed the connection, or the server is stopping."""


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message of the client."""

    kind: int
    status: int
    """Status bits of its packets, joined: 0x02 ignore it, 0x08 reset the connection first."""
    payload: bytes

    @property
    def ignored(self) -> bool:
        """The client took it back in its last packet (0x02)."""
        return bool(self.status & _IGNORE)


class Channel:
    """One connection. All methods but ``abort`` belong to its session's thread."""

    def __init__(self, connection: socket.socket, spid: int) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._poll = select.poll()
        self._poll.register(connection)
        self._spid = spid
        self._plain = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._eof = False
        self._packet_number = 0
        self._out = bytearray()
        self.packet_size = 4096
        self.attention = False

    @property
    def encrypted(self) -> bool:
        """Whether TLS is on now."""
        return self._tls is not None

    def peek(self) -> int:
        """The first byte that the client sent, left where it is: 0x16 there is TLS first (TDS 8.0)."""
        while True:
            self._wait()
            try:
                first = self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                continue
            if not first:
                raise ClientGone
            return first[0]

    def receive(self) -> Message:
        """Wait for the next whole message; an attention signal is one, too."""
        payload, status = bytearray(), 0
        while True:
            kind, packet_status, data = self._packet()
            payload += data
            status |= packet_status
            if packet_status & _EOM:
                return Message(kind, status, bytes(payload))

    def poll(self, seconds: float = 0.0) -> bool:
        """Look for an attention signal, waiting at most so long; True (and remembered) when there is one."""
        if not self.attention and not self._attention_buffered():
            self._take(seconds)
            self._attention_buffered()
        if self._eof:
            raise ClientGone
        return self.attention

    def write(self, data: bytes) -> None:
        """Add to the reply; whole packets leave at once."""
        self._out += data
        room = self.packet_size - _HEADER.size
        while len(self._out) > room:
            self._send_packet(REPLY, bytes(self._out[:room]), last=False)
            del self._out[:room]

    def flush(self) -> None:
        """Send what there is as a short packet; the reply goes on."""
        if self._out:
            self._send_packet(REPLY, bytes(self._out), last=False)
            self._out.clear()

    def end(self) -> None:
        """Send the rest; the reply is complete."""
        self._send_packet(REPLY, bytes(self._out), last=True)
        self._out.clear()
        self._packet_number = 0

    def discard(self) -> None:
        """Forget what was written and not yet sent."""
        self._out.clear()

    def start_tls(self, context: ssl.SSLContext, *, in_packets: bool) -> None:
        """Shake hands; ``in_packets``: inside PRELOGIN packets (TDS 7), else directly on the socket (TDS 8)."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_handshake(in_packets=in_packets)
                if in_packets:
                    self._incoming.write(self.receive().payload)
                else:
                    self._incoming.write(self._read_raw())
                continue
            except ssl.SSLError as error:
                self._send_handshake(in_packets=in_packets)
                raise ClientGone from error
            break
        self._send_handshake(in_packets=in_packets)
        self._packet_number = 0
        self._tls = tls
        # The client's first records may have come with the end of its handshake, inside its last packet or behind it.
        self._incoming.write(bytes(self._plain))
        self._plain.clear()
        self._decrypt()

    def stop_tls(self) -> None:
        """Go on in clear text: encryption was for the login alone."""
        self._tls = None

    def abort(self) -> None:
        """End the connection from another thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # gone already

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _packet(self) -> tuple[int, int, bytes]:
        while True:
            if len(self._plain) >= _HEADER.size:
                kind, status, length, *_ = _HEADER.unpack_from(self._plain)
                if len(self._plain) >= length:
                    data = bytes(self._plain[_HEADER.size : length])
                    del self._plain[:length]
                    return kind, status, data
            if self._eof:
                raise ClientGone
            self._take(None)

    def _attention_buffered(self) -> bool:
        if len(self._plain) >= _HEADER.size and self._plain[0] == ATTENTION:
            del self._plain[: _HEADER.size]
            self.attention = True
        return self.attention

    def _wait(self, seconds: float | None = None, *, writing: bool = False) -> tuple[bool, bool]:
        # poll, not select: a lab of a thousand sites has more than the 1024 files that select can name.
        events = (0 if self._eof else select.POLLIN) | (select.POLLOUT if writing else 0)
        self._poll.modify(self._socket, events)
        ready = self._poll.poll(None if seconds is None else seconds * 1000)
        found = ready[0][1] if ready else 0
        ended = bool(found & (select.POLLHUP | select.POLLERR))  # the next recv or send says what it is
        return (bool(found & select.POLLIN) or ended) and not self._eof, bool(found & select.POLLOUT) or (
            ended and writing
        )

    def _take(self, seconds: float | None) -> None:
        if self._eof or not self._wait(seconds)[0]:
            return
        self._take_ready()

    def _take_ready(self) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._eof = True
        elif self._tls is None:
            self._plain += data
        else:
            self._incoming.write(data)
            self._decrypt()

    def _read_raw(self) -> bytes:
        while True:
            self._wait()
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                continue
            except OSError as error:
                raise ClientGone from error
            if not data:
                raise ClientGone
            return data

    def _decrypt(self) -> None:
        if self._tls is None:
            return
        try:
            while data := self._tls.read(65536):
                self._plain += data
            self._eof = True
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError:
            self._eof = True

    def _send_packet(self, kind: int, data: bytes, *, last: bool) -> None:
        self._packet_number = (self._packet_number + 1) & 0xFF
        status = _EOM if last else 0
        packet = (
            _HEADER.pack(kind, status, len(data) + _HEADER.size, self._spid & 0xFFFF, self._packet_number, 0) + data
        )
        if self._tls is not None:
            self._tls.write(packet)
            packet = self._outgoing.read()
        self._send_raw(packet)

    def _send_handshake(self, *, in_packets: bool) -> None:
        data = self._outgoing.read()
        if not data:
            return
        self._packet_number = 0
        if in_packets:
            self._send_packet(PRELOGIN, data, last=True)
        else:
            self._send_raw(data)

    def _send_raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            readable, writable = self._wait(writing=True)
            if readable:
                self._take_ready()
            if writable:
                try:
                    view = view[self._socket.send(view) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise ClientGone from error
            elif self._eof:
                raise ClientGone
