"""The TDS server: an address, an instance behind it, one thread per connection."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sitekeeper_lab.failing import Failed, loud, unhandled
from sitekeeper_lab.sql.channel import Channel
from sitekeeper_lab.sql.database import Instance, Login
from sitekeeper_lab.sql.faults import TdsFaults
from sitekeeper_lab.sql.handshake import Security
from sitekeeper_lab.sql.login import ENCRYPTION_MODES
from sitekeeper_lab.sql.session import RequestSeen, Session

_FIRST_USER_SPID = 51


class TdsServer:
    """Serves one instance on one address.

    Args:
        address: a loopback address.
        port: 0 takes a free one, see ``port`` after ``start``.
        instance: what is served.
        logins: who may log in, with passwords; default the instance's.
        encryption: ``off`` (the login, and what the client wants), ``required``, ``not_supported``, ``strict``.
        certificate: PEM file; without one the server says that it cannot encrypt.
        key: PEM file of its key, when not in the same file.
        audit: called for every batch and procedure call before it runs, in that connection's thread.

    """

    def __init__(
        self,
        address: str,
        port: int,
        instance: Instance,
        logins: tuple[Login, ...] | None = None,
        *,
        encryption: str = "off",
        certificate: Path | None = None,
        key: Path | None = None,
        audit: Callable[[RequestSeen], None] | None = None,
        keytab: Path | None = None,
        failed: Failed = unhandled,
    ) -> None:
        if encryption not in ENCRYPTION_MODES:
            raise ValueError(f"encryption is one of {', '.join(ENCRYPTION_MODES)}, not {encryption}")
        self.address, self.port, self.instance = address, port, instance
        self.faults = TdsFaults()
        self._failed = failed
        self._logins = logins
        self._security = replace(_security(encryption, certificate, key), keytab=keytab)
        self._audit = audit if audit is not None else lambda _seen: None
        self._requests = itertools.count(1)
        self._spids = itertools.count(_FIRST_USER_SPID)
        self._lock = threading.Lock()
        self._sessions: dict[threading.Thread, Session] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    def start(self) -> None:
        """Bind and serve; returns at once."""
        listener = socket.create_server((self.address, self.port), backlog=128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        work = loud(lambda: self._accept(listener), self._failed)
        self._acceptor = threading.Thread(target=work, name=f"tds-{self.port}", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Cut every connection and wait for every thread; twice is fine."""
        listener, self._listener = self._listener, None
        if listener is None or self._acceptor is None:
            return
        with contextlib.suppress(OSError):  # some systems refuse to shut down a listening socket
            listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        listener.close()
        self.disconnect_all()

    def cut(self) -> None:
        """Listen no more and cut every connection, without waiting for a thread: any thread may call it."""
        listener = self._listener
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.abort()

    def disconnect_all(self) -> None:
        """Cut every connection; the server goes on."""
        with self._lock:
            sessions = dict(self._sessions)
        for session in sessions.values():
            session.abort()
        for thread in sessions:
            thread.join()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        with self._lock:
            return sum(thread.is_alive() for thread in self._sessions)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            spid = next(self._spids)
            session = Session(
                Channel(connection, spid),
                spid,
                self.instance,
                self._logins if self._logins is not None else self.instance.logins,
                self._security,
                self.faults,
                lambda: next(self._requests),
                self._audit,
            )
            thread = threading.Thread(
                target=loud(session.run, self._failed), name=f"tds-{self.port}-{spid}", daemon=True
            )
            thread.start()
            with self._lock:
                # Ended threads are forgotten here, not by themselves: whoever stops the server must find every thread.
                self._sessions = {each: known for each, known in self._sessions.items() if each.is_alive()}
                self._sessions[thread] = session


def _security(mode: str, certificate: Path | None, key: Path | None) -> Security:
    if certificate is None:
        if mode in {"required", "strict"}:
            raise ValueError(f"encryption {mode} needs a certificate")
        return Security("not_supported", None, None)
    tls12, strict = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    for context in (tls12, strict):
        context.load_cert_chain(certificate, key)
    tls12.maximum_version = ssl.TLSVersion.TLSv1_2
    strict.set_alpn_protocols(["tds/8.0"])
    return Security(mode, None if mode == "not_supported" else tls12, None if mode == "not_supported" else strict)
