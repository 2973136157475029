"""One TCP connection to a server: its login, and one HTTP request after the other."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from . import fault, sealing, soap
from .accounts import Accounts
from .audit import OnRequest, RequestSeen
from .http import HttpError, HttpRequest, Stream
from .login import Challenge, Login
from .service import Answer, Caller, Service
from .wirefaults import When, WireFaults

_SOAP: Final = "application/soap+xml;charset=UTF-8"
_LOOK_SECONDS: Final = 0.05
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """What all connections of one server share."""

    service: Service
    accounts: Accounts
    faults: WireFaults
    on_request: OnRequest
    max_envelope: int
    numbers: itertools.count[int]
    wait: Callable[[float], object]
    """Waits so many seconds, or less when the server stops."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What goes back for one HTTP request."""

    status: int
    operation: str
    body: bytes = b""
    headers: Headers = ()
    answer: Answer | None = None
    message_id: str | None = None


class _PlannedFault:
    """The fault that was asked for at this request, if any."""

    def __init__(self, faults: WireFaults, number: int) -> None:
        self._faults = faults
        self._number = number
        self.when: When | None = None

    def before(self, operation: str) -> bool:
        """Ask, now that the operation is known; whether it is left unhandled."""
        self.when = self._faults.at_request(self._number, operation)
        return self.when in ("before", "never")


class Connection:
    """Serves a connection until it ends; :meth:`drop` may be called from any thread."""

    def __init__(self, sock: socket.socket, peer: str, desk: Desk) -> None:
        self._desk = desk
        self._peer = peer
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._socket = sock
        self._stream = Stream(sock)

    def drop(self) -> None:
        """Break the connection."""
        self._stream.drop()

    def serve(self) -> None:
        """Read and answer until either side ends it.

        Raises:
            OSError: the connection broke.

        """
        certificate = self._socket.getpeercert(binary_form=True) if isinstance(self._socket, ssl.SSLSocket) else None
        desk = self._desk
        login = Login(desk.accounts, desk.faults, desk.wait, certificate=certificate, tls=self._tls)
        while True:
            try:
                request = self._stream.read()
            except HttpError as error:
                self._stream.write(error.status, [("Connection", "close")], b"")
                return
            if request is None or not self._answer(login, request):
                return

    def _answer(self, login: Login, request: HttpRequest) -> bool:
        """Answer one request; False ends the connection."""
        number = next(self._desk.numbers)
        planned = _PlannedFault(self._desk.faults, number)
        reply = self._reply(login, request, planned)
        if planned.when is None and self._desk.faults.silent():
            planned.when = "never"  # its answer came too late to get through
        unanswered = planned.when in ("before", "after", "never")
        answer = reply.answer
        self._desk.on_request(
            RequestSeen(
                number=number,
                operation=reply.operation,
                status=0 if unanswered else reply.status,
                shell_id=answer.shell_id if answer else None,
                command_id=answer.command_id if answer else None,
                message_id=reply.message_id,
                user=login.user.name if login.user else None,
                login=login.method if login.user else None,
                bytes_in=len(request.body),
                bytes_out=0 if unanswered else len(reply.body),
                replayed=bool(answer and answer.replayed),
            )
        )
        if not unanswered:
            self._stream.write(reply.status, list(reply.headers), reply.body, half=planned.when == "during")
        if planned.when == "never":
            while self._desk.faults.silent() and self._stream.alive() and not self._desk.wait(_LOOK_SECONDS):
                pass
        if planned.when:
            self._stream.drop()
        return planned.when is None and request.keep_alive

    def _reply(self, login: Login, request: HttpRequest, planned: _PlannedFault) -> _Reply:
        if request.path.partition("?")[0].rstrip("/").lower() != "/wsman":
            return _Reply(HTTPStatus.NOT_FOUND, "Refused")
        if request.method != "POST":
            return _Reply(HTTPStatus.METHOD_NOT_ALLOWED, "Refused")
        if request.headers.get("wsmanidentify", "").lower() == "unauthenticated" and not login.user:
            planned.before("Identify")
            stack = self._desk.service.product_version.rpartition(" ")[2]
            body = soap.identify(f"OS: 0.0.0 SP: 0.0 Stack: {stack}")
            return _Reply(HTTPStatus.OK, "Identify", body, (("Content-Type", _SOAP),))
        verdict = login.step(request.headers.get("authorization"))
        if isinstance(verdict, Challenge):
            planned.before("Login")
            challenge = tuple(("WWW-Authenticate", each) for each in verdict.headers)
            return _Reply(HTTPStatus.UNAUTHORIZED, "Login", headers=challenge)
        headers = (("WWW-Authenticate", verdict.token),) if verdict.token else ()
        if not request.body:
            planned.before("Login")
            return _Reply(HTTPStatus.OK, "Login", headers=headers)
        if sealing.is_sealed(request.headers.get("content-type", "")):
            try:
                envelope = sealing.unseal(login.context, request.body)
            except sealing.UnsealError:
                return _Reply(HTTPStatus.BAD_REQUEST, "Refused", headers=headers)
            reply = self._soap(login, envelope, headers, planned)
            return self._sealed(login, reply)
        if not self._tls:
            # AllowUnencrypted=false: an empty 500 (pywinrm issues 129 and 208)
            return _Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "Refused", headers=headers)
        return self._soap(login, request.body, headers, planned)

    @staticmethod
    def _sealed(login: Login, reply: _Reply) -> _Reply:
        if login.context is None or not reply.body:
            return reply
        headers = tuple((name, value) for name, value in reply.headers if name != "Content-Type")
        return _Reply(
            reply.status,
            reply.operation,
            sealing.seal(login.context, reply.body),
            (*headers, ("Content-Type", sealing.CONTENT_TYPE)),
            reply.answer,
            reply.message_id,
        )

    def _soap(self, login: Login, envelope: bytes, headers: Headers, planned: _PlannedFault) -> _Reply:
        headers = (*headers, ("Content-Type", _SOAP))
        try:
            request = soap.parse(envelope)
        except fault.WsmanFault as problem:
            if planned.before("Refused"):
                return _Reply(0, "Refused")
            return _Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "Refused", soap.fault(problem, "", ""), headers)
        operation, message_id = ("Identify", None) if request is None else (request.operation, request.message_id)
        if planned.before(operation):
            return _Reply(0, operation, message_id=message_id)
        service = self._desk.service
        if request is None:
            return _Reply(HTTPStatus.OK, operation, soap.identify(service.product_version), headers)
        if len(envelope) > self._desk.max_envelope:
            excess = fault.too_big(len(envelope), self._desk.max_envelope)
            body = soap.fault(excess, request.message_id, request.machine)
            return _Reply(HTTPStatus.INTERNAL_SERVER_ERROR, operation, body, headers, None, message_id)
        user = login.user.name if login.user else ""
        answer = service.handle(request, Caller(user, self._peer, self._stream.alive))
        return _Reply(answer.status, operation, answer.envelope, headers, answer, message_id)
