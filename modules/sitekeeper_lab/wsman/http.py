"""The little of HTTP/1.1 that WinRM speaks: POST with Content-Length, keep-alive, one request after the other."""

from __future__ import annotations

import contextlib
import select
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

_HEAD_LIMIT: Final = 64 * 1024
_BODY_LIMIT: Final = 64 * 1024 * 1024
_CHUNK: Final = 64 * 1024


class HttpError(Exception):
    """The client's bytes are no request that this server reads; answered with ``status``, then closed."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the client goes on with this connection."""
        return self.headers.get("connection", "").lower() != "close"


class Stream:
    """Requests from, and answers to, one socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = bytearray()
        self._hangup = select.poll()
        self._hangup.register(sock.fileno(), select.POLLRDHUP)

    def alive(self) -> bool:
        """Whether the client still holds its end of the connection."""
        return not self._hangup.poll(0)

    def read(self) -> HttpRequest | None:
        """The next request; None when the client closed the connection between requests.

        Raises:
            HttpError: not readable.
            OSError: the connection broke.

        """
        end = self._rest.find(b"\r\n\r\n")
        while end < 0:
            if len(self._rest) > _HEAD_LIMIT:
                raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the header does not end")
            if not self._fill():
                return None
            end = self._rest.find(b"\r\n\r\n")
        head = self._rest[:end].decode("latin-1")
        del self._rest[: end + 4]
        method, path, headers = _parse_head(head)
        if "transfer-encoding" in headers:
            raise HttpError(HTTPStatus.LENGTH_REQUIRED, "chunked requests are not read")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise HttpError(HTTPStatus.BAD_REQUEST, f"Content-Length: {length}")
        if int(length) > _BODY_LIMIT:
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Content-Length: {length}")
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return HttpRequest(method, path, headers, self._body(int(length)))

    def _fill(self) -> bool:
        data = self._socket.recv(_CHUNK)
        self._rest += data
        return bool(data)

    def _body(self, length: int) -> bytes:
        if len(self._rest) >= length:
            body = bytes(self._rest[:length])
            del self._rest[:length]
            return body
        buffer = bytearray(length)
        have = len(self._rest)
        buffer[:have] = self._rest
        self._rest.clear()
        view = memoryview(buffer)
        while have < length:
            got = self._socket.recv_into(view[have:])
            if not got:
                raise ConnectionResetError("the client closed the connection within a request")
            have += got
        return bytes(buffer)

    def write(self, status: int, headers: list[tuple[str, str]], body: bytes, *, half: bool = False) -> None:
        """Send an answer in one write; ``half`` sends the head and half of the body, for a fault of the wire."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Server: Microsoft-HTTPAPI/2.0"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}", "", ""]
        data = "\r\n".join(lines).encode("latin-1") + (body[: len(body) // 2] if half else body)
        self._socket.sendall(data)

    def drop(self) -> None:
        """Break the connection, from any thread; whoever reads or writes it gets an error."""
        with contextlib.suppress(OSError):
            # the plain socket's method: an SSLSocket's own would pull the TLS object from under another thread
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _parse_head(head: str) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(HTTPStatus.BAD_REQUEST, f"no request line: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return words[0], words[1], headers
