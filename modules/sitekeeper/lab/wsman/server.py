"""One host's WinRM: its listeners and connections, in front of the operations."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import itertools
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from sitekeeper.lab.engines.api import Engine

from . import fault, sealing, soap
from .accounts import Account, Accounts
from .audit import OnCommand, OnRequest, RequestSeen
from .crew import Crew
from .http import HttpError, HttpRequest, Stream
from .login import Challenge, Login
from .service import Answer, Caller, Limits, Service
from .wirefaults import NoFaults, When, WireFaults

_SOAP: Final = "application/soap+xml;charset=UTF-8"
_HANDSHAKE_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Tls:
    """A server certificate in PEM, and who may sign client certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The settings for a listener."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


@dataclass(frozen=True, slots=True)
class _Reply:
    """What goes back for one HTTP request."""

    status: int
    operation: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    answer: Answer | None = None
    message_id: str | None = None


def _ignore(_: Any) -> None:
    """Nobody watches."""


class WsmanServer:
    """The WinRM service of one simulated host: http on one port, https on another, shells in common.

    Args:
        engine: the host's PowerShell.
        accounts: who may log on.
        address: of the loopback net.
        http_port: 5985 on Windows; 0 takes a free one, None opens none.
        https_port: 5986 on Windows; needs ``tls``.
        tls: the certificate for https.
        limits: quotas.
        faults: what goes wrong on purpose.
        on_request: told of every HTTP request, from connection threads.
        on_command: told of every pipeline, before it runs.
        configurations: session configurations besides Microsoft.PowerShell.
        idle_connection: seconds after which a silent connection is closed; http.sys takes two minutes.

    """

    def __init__(
        self,
        engine: Engine,
        accounts: Iterable[Account],
        *,
        address: str = "127.0.0.1",
        http_port: int | None = 5985,
        https_port: int | None = None,
        tls: Tls | None = None,
        limits: Limits | None = None,
        faults: WireFaults | None = None,
        on_request: OnRequest = _ignore,
        on_command: OnCommand = _ignore,
        configurations: Iterable[str] = (),
        idle_connection: float | None = 120.0,
    ) -> None:
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"the lab listens on loopback addresses only, not on {address}")
        if https_port is not None and tls is None:
            raise ValueError("https_port needs a certificate: give tls")
        self.address = address
        self._ports = http_port, https_port
        self._tls = tls.context() if tls and https_port is not None else None
        self._given_accounts = tuple(accounts)
        self._faults = faults or NoFaults()
        self._on_request = on_request
        self._idle_connection = idle_connection
        self._limits = limits or Limits()
        self._crew = Crew()
        names = frozenset({"Microsoft.PowerShell", *configurations})
        self._service = Service(engine, self._crew, self._limits, names, on_command)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._streams: set[Stream] = set()
        self._stopping = threading.Event()
        self._accounts: Accounts | None = None
        self.http_port: int | None = None
        """The port that http is served on, once started."""
        self.https_port: int | None = None
        """The port that https is served on, once started."""

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def shell_ids(self) -> list[str]:
        """The shells that are open."""
        return self._service.shell_ids

    def cpu_seconds(self) -> float:
        """CPU time of all threads of this server, the engine's pipelines included."""
        return self._crew.cpu_seconds()

    def start(self) -> None:
        """Bind and serve; returns at once. A server starts once.

        Raises:
            OSError: an address or port is taken.

        """
        self._accounts = Accounts(self._given_accounts)
        try:
            for port, context in zip(self._ports, (None, self._tls), strict=True):
                if port is not None:
                    self._listen(port, context)
        except OSError:
            self.stop()
            raise

    def _listen(self, port: int, context: ssl.SSLContext | None) -> None:
        listener = socket.create_server((self.address, port), backlog=128)
        self._listeners.append(listener)
        bound = listener.getsockname()[1]
        if context is None:
            self.http_port = bound
        else:
            self.https_port = bound
        self._crew.start(f"wsman {self.address}:{bound}", lambda: self._accept(listener, context))

    def stop(self) -> None:
        """Close every socket and shell, wait for every thread.

        Raises:
            RuntimeError: a thread did not end; its name tells which pipeline ignores ``Sink.stopped``.

        """
        self._stopping.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.drop()
        self._service.close()
        left = self._crew.join(_STOP_SECONDS)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._accounts:
            self._accounts.close()
            self._accounts = None
        if left:
            raise RuntimeError(f"still running after {_STOP_SECONDS:.0f} s: {', '.join(left)}")

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while not self._stopping.is_set():
            try:
                sock, peer = listener.accept()
            except OSError:
                continue  # the listener was shut down, or the client left before it was accepted
            work = functools.partial(self._connection, sock, peer[0], context)
            self._crew.start(f"connection {peer[0]}:{peer[1]}", work)

    def _connection(self, plain: socket.socket, peer: str, context: ssl.SSLContext | None) -> None:
        sock = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(_HANDSHAKE_SECONDS)
            if context is not None:
                sock = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                sock.do_handshake()
            sock.settimeout(self._idle_connection)
            self._serve(sock, peer)
        except OSError:
            pass  # broken by the client, by a fault, by stop(), or no TLS at all: nobody is left to be told
        finally:
            sock.close()

    def _serve(self, sock: socket.socket, peer: str) -> None:
        tls = isinstance(sock, ssl.SSLSocket)
        certificate = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        stream = Stream(sock)
        accounts = self._accounts
        with self._lock:
            if self._stopping.is_set() or accounts is None:
                return
            self._streams.add(stream)
        login = Login(accounts, self._faults, self._stopping.wait, certificate=certificate, tls=tls)
        try:
            while not self._stopping.is_set():
                try:
                    request = stream.read()
                except HttpError as error:
                    stream.write(error.status, [("Connection", "close")], b"")
                    return
                if request is None or not self._answer(stream, login, request, peer, tls=tls):
                    return
        finally:
            with self._lock:
                self._streams.discard(stream)

    def _answer(self, stream: Stream, login: Login, request: HttpRequest, peer: str, *, tls: bool) -> bool:
        """Answer one request; False ends the connection."""
        number = next(self._numbers)
        broken: list[When] = []

        def breaks(operation: str) -> bool:
            when = self._faults.at_request(number, operation)
            if when:
                broken.append(when)
            return when == "before"

        reply = self._reply(stream, login, request, peer, tls=tls, breaks=breaks)
        how = broken[0] if broken else None
        self._tell(number, login, request, reply, dropped=how in ("before", "after"))
        if how in ("before", "after"):
            stream.drop()
            return False
        stream.write(reply.status, list(reply.headers), reply.body, half=how == "during")
        if how:
            stream.drop()
        return how is None and request.keep_alive

    def _tell(self, number: int, login: Login, request: HttpRequest, reply: _Reply, *, dropped: bool) -> None:
        answer = reply.answer
        self._on_request(
            RequestSeen(
                number=number,
                operation=reply.operation,
                status=0 if dropped else reply.status,
                shell_id=answer.shell_id if answer else None,
                command_id=answer.command_id if answer else None,
                message_id=reply.message_id,
                user=login.user.name if login.user else None,
                bytes_in=len(request.body),
                bytes_out=0 if dropped else len(reply.body),
                replayed=bool(answer and answer.replayed),
            )
        )

    def _reply(
        self, stream: Stream, login: Login, request: HttpRequest, peer: str, *, tls: bool, breaks: Any
    ) -> _Reply:
        if request.path.partition("?")[0].rstrip("/").lower() != "/wsman":
            return _Reply(HTTPStatus.NOT_FOUND, "Refused")
        if request.method != "POST":
            return _Reply(HTTPStatus.METHOD_NOT_ALLOWED, "Refused")
        if request.headers.get("wsmanidentify", "").lower() == "unauthenticated" and not login.user:
            if breaks("Identify"):
                return _Reply(0, "Identify")
            version = "OS: 0.0.0 SP: 0.0 Stack: " + self._service.product_version.rpartition(" ")[2]
            return _Reply(200, "Identify", soap.identify(version), (("Content-Type", _SOAP),))
        verdict = login.step(request.headers.get("authorization"))
        if isinstance(verdict, Challenge):
            breaks("Login")
            challenge = tuple(("WWW-Authenticate", each) for each in verdict.headers)
            return _Reply(HTTPStatus.UNAUTHORIZED, "Login", headers=challenge)
        headers = (("WWW-Authenticate", verdict.token),) if verdict.token else ()
        if not request.body:
            breaks("Login")
            return _Reply(200, "Login", headers=headers)
        sealed = sealing.is_sealed(request.headers.get("content-type", ""))
        if not sealed and not tls:
            # AllowUnencrypted=false: an empty 500 (pywinrm issues 129 and 208)
            return _Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "Refused", headers=headers)
        envelope = request.body
        if sealed:
            try:
                envelope = sealing.unseal(login.context, request.body)
            except sealing.UnsealError:
                return _Reply(HTTPStatus.BAD_REQUEST, "Refused", headers=headers)
        return self._soap(stream, login, envelope, peer, headers, sealed=sealed, breaks=breaks)

    def _soap(
        self,
        stream: Stream,
        login: Login,
        envelope: bytes,
        peer: str,
        headers: tuple[tuple[str, str], ...],
        *,
        sealed: bool,
        breaks: Any,
    ) -> _Reply:
        operation, message_id = "Identify", None
        try:
            if len(envelope) > self._limits.max_envelope:
                raise fault.too_big(len(envelope), self._limits.max_envelope)
            request = soap.parse(envelope)
        except fault.WsmanFault as problem:
            operation = "Refused"
            answer = Answer(500, soap.fault(problem, "", self.address))
        else:
            if request:
                operation, message_id = request.operation, request.message_id
            if breaks(operation):
                return _Reply(0, operation, message_id=message_id)
            if request is None:
                answer = Answer(200, soap.identify(self._service.product_version))
            else:
                user = login.user.name if login.user else ""
                answer = self._service.handle(request, Caller(user, peer, stream.alive))
        body, kind = answer.envelope, _SOAP
        if sealed and login.context is not None:
            body, kind = sealing.seal(login.context, body), sealing.CONTENT_TYPE
        return _Reply(answer.status, operation, body, (*headers, ("Content-Type", kind)), answer, message_id)
