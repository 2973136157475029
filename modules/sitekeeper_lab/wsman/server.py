"""One host's WinRM: its listeners, in front of the operations."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sitekeeper_lab.engines.api import Engine, Prompt
from sitekeeper_lab.failing import Failed, unhandled

from .accounts import Account, Accounts
from .audit import OnCommand, OnRequest
from .connection import Connection, Desk
from .crew import Crew
from .limits import Limits
from .service import Service
from .wirefaults import NoFaults, WireFaults

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


def _ignore(_: Any) -> None:
    """Nobody watches."""


class WsmanServer:
    """The WinRM service of one simulated host: http on one port, https on another, shells in common.

    Args:
        engine: the host's PowerShell. Its ``versions`` decide which WS-Management stack this is.
        accounts: who may log on.
        address: of the loopback net.
        http_port: 5985 on Windows; 0 takes a free one, None opens none.
        https_port: 5986 on Windows; needs ``tls``.
        tls: the certificate for https.
        limits: quotas; by default those of the stack.
        faults: what goes wrong on purpose.
        on_request: told of every HTTP request, from connection threads.
        on_command: told of every pipeline, before it runs.
        configurations: session configurations besides Microsoft.PowerShell.
        monotonic: the clock by which idle shells are deleted.
        idle_connection: seconds after which a silent connection is closed; Windows takes some two minutes.
        prompt: the host's command interpreter, for shells of command lines; without it there are none.
        keytab: the keys of this host's Kerberos principals; without it there is no Kerberos.

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
        monotonic: Callable[[], float] = time.monotonic,
        idle_connection: float | None = 120.0,
        keytab: Path | None = None,
        prompt: Prompt | None = None,
        failed: Failed = unhandled,
    ) -> None:
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"the lab listens on loopback addresses only, not on {address}")
        if https_port is not None and tls is None:
            raise ValueError("https_port needs a certificate: give tls")
        self.address = address
        self.http_port: int | None = None
        """The port that http is served on, once started."""
        self.https_port: int | None = None
        """The port that https is served on, once started."""
        self._ports = http_port, https_port
        self._tls = tls.context() if tls and https_port is not None else None
        self._given_accounts = tuple(accounts)
        self._keytab = keytab
        self._faults = faults or NoFaults()
        self._on_request = on_request
        self._idle_connection = idle_connection
        self._limits = limits or Limits.of(engine.versions)
        self._crew = Crew(failed)
        names = frozenset({"Microsoft.PowerShell", *configurations})
        self._service = Service(engine, self._crew, self._limits, names, on_command, monotonic, prompt)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._stopping = threading.Event()
        self._accounts: Accounts | None = None

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
        return self._service.shells.ids

    def cpu_seconds(self) -> float:
        """CPU time of all threads of this server, the engine's pipelines included."""
        return self._crew.cpu_seconds()

    def start(self) -> None:
        """Bind and serve; returns at once. After :meth:`stop` it may start again, without its shells: a reboot.

        Raises:
            OSError: an address or port is taken.

        """
        self._stopping.clear()
        self._accounts = Accounts(self._given_accounts, self._keytab)
        desk = Desk(
            self._service,
            self._accounts,
            self._faults,
            self._on_request,
            self._limits.max_envelope,
            self._numbers,
            self._stopping.wait,
        )
        try:
            for port, context in zip(self._ports, (None, self._tls), strict=True):
                if port is not None:
                    self._listen(port, context, desk)
        except OSError:
            self.stop()
            raise

    def _listen(self, port: int, context: ssl.SSLContext | None, desk: Desk) -> None:
        listener = socket.create_server((self.address, port), backlog=128)
        self._listeners.append(listener)
        bound = listener.getsockname()[1]
        if context is None:
            self.http_port = bound
        else:
            self.https_port = bound
        self._crew.start(f"wsman {self.address}:{bound}", functools.partial(self._accept, listener, context, desk))

    def add_configuration(self, name: str) -> None:
        """One more session configuration."""
        self._service.add_configuration(name)

    def drop_connections(self) -> None:
        """Break every open connection, as a router or an idle time-out does; shells and pipelines go on."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.drop()

    def reboot(self) -> None:
        """Break every connection and forget every shell, as a reboot does; new clients are served at once."""
        self._service.shells.close()
        self.drop_connections()

    def cut(self) -> None:
        """Listen no more and cut every connection, without waiting for a thread: any thread may call it."""
        self._stopping.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        self.drop_connections()

    def stop(self) -> None:
        """Close every socket and shell, wait for every thread.

        Raises:
            RuntimeError: a thread did not end; its name tells which pipeline ignores ``Sink.stopped``.

        """
        self._stopping.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.drop_connections()
        self._service.shells.close()
        left = self._crew.join(_STOP_SECONDS)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._accounts:
            self._accounts.close()
            self._accounts = None
        if left:
            raise RuntimeError(f"still running after {_STOP_SECONDS:.0f} s: {', '.join(left)}")

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None, desk: Desk) -> None:
        while not self._stopping.is_set():
            try:
                sock, peer = listener.accept()
            except OSError:
                # shut down; or the client left before it was accepted; or no file descriptor is left for a moment
                self._stopping.wait(0.01)
                continue
            work = functools.partial(self._connection, sock, peer[0], context, desk)
            self._crew.start(f"connection {peer[0]}:{peer[1]}", work)

    def _connection(self, sock: socket.socket, peer: str, context: ssl.SSLContext | None, desk: Desk) -> None:
        connection: Connection | None = None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_HANDSHAKE_SECONDS)
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            connection = Connection(sock, peer, desk)
            with self._lock:
                self._connections.add(connection)
            if self._stopping.is_set():  # stop() may have looked at the connections just before
                return
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            sock.settimeout(self._idle_connection)
            connection.serve()
        except OSError:
            pass  # broken by the client, by a fault, by stop(), or no TLS at all: nobody is left to be told
        finally:
            if connection:
                with self._lock:
                    self._connections.discard(connection)
            sock.close()
