"""Where to connect and how, and what each driver's connection string makes of it."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.secrets import Secret
from sitekeeper.transport.sql.driver import FREETDS, MICROSOFT, Driver

ENCRYPT = ("yes", "trust", "no", "strict")


@dataclass(frozen=True, slots=True)
class SqlTarget:
    r"""One database on one SQL Server.

    ``encrypt``: ``yes`` encrypts and verifies the certificate, ``trust`` encrypts and takes any certificate, ``no`` leaves
    it to the server, ``strict`` is TDS 8.0 (SQL Server 2022 and later, Microsoft's driver only).
    """

    server: str
    """Host name or address."""
    port: int | None = None
    """Default 1433; of a named instance, what its host's SQL Server Browser says."""
    instance: str | None = None
    database: str = "master"
    user: str | None = None
    r"""A SQL login, or ``DOMAIN\user`` for a Windows login by NTLM (FreeTDS only)."""
    password: Secret | None = None
    kerberos: bool = False
    """Log in with the ticket that is at hand; without ``user`` and ``password``."""
    principal: str | None = None
    """The server's name in Kerberos, where it is not ``MSSQLSvc/SERVER:PORT``."""
    driver: str | None = None
    """A registered name or the path of a driver; default: what is there."""
    encrypt: str = "yes"
    trust_ca: Path | None = None
    """PEM file of the authority to trust, for ``yes``; the server's own certificate for ``strict``."""
    certificate_name: str | None = None
    """The name that the certificate has, where it is not ``server`` (an address): Microsoft's driver only."""
    tds_version: str | None = None
    """``7.1`` to ``7.4`` for old servers (FreeTDS only); default 7.4."""
    login_timeout: int = 15
    """Seconds for each of: the TCP connection, the login."""
    idle_timeout: int = 0
    """Seconds without any answer after which a statement is given up; 0 waits for ever."""
    host: str = ""
    """What errors call it: its name in the inventory. Empty: ``server``."""

    def __post_init__(self) -> None:
        if self.encrypt not in ENCRYPT:
            raise UsageError(f"encrypt is one of {', '.join(ENCRYPT)}, not {self.encrypt!r}")
        for name in ("server", "instance", "database", "user", "principal", "certificate_name"):
            value = getattr(self, name)
            if value is not None and any(char in value for char in ";{}\0\n"):
                raise UsageError(f"{name} has a character that no connection string can carry")
        if self.windows_login and self.encrypt == "strict":
            raise UsageError("a Windows login with encrypt: strict needs Kerberos: set ansible_psrp_auth to it")

    @property
    def windows_login(self) -> bool:
        """A Windows login, by the backslash in its name."""
        return self.user is not None and "\\" in self.user

    @property
    def prefers(self) -> str | None:
        """The kind of driver that this target needs, if it needs one."""
        if self.windows_login or self.tds_version is not None:
            return FREETDS
        return MICROSOFT if self.encrypt == "strict" else None


def connection_string(target: SqlTarget, driver: Driver, port: int) -> str:
    """The whole string, password and all: to be handed to the driver and nowhere else.

    Raises:
        UsageError: this driver cannot do what the target asks for.

    """
    build = _freetds if driver.kind == FREETDS else _microsoft
    # Every part ends with a semicolon: FreeTDS takes braces off a value only before one.
    return "".join(f"{key}={value};" for key, value in build(target, driver, port))


def _reveal_password(target: SqlTarget) -> str:
    return target.password.reveal() if target.password is not None else ""


def _microsoft(target: SqlTarget, driver: Driver, port: int) -> Iterator[tuple[str, str]]:
    if target.windows_login:
        raise UsageError(
            f"Microsoft's driver cannot log in {target.user} with a password",
            hint="use FreeTDS: apt-get install tdsodbc",
        )
    if target.tds_version is not None:
        raise UsageError("only FreeTDS lets the TDS version be chosen", hint="apt-get install tdsodbc")
    yield "DRIVER", f"{{{driver.name}}}"
    yield "SERVER", f"tcp:{target.server},{port}"
    yield "DATABASE", f"{{{target.database}}}"
    if target.kerberos:
        yield from _ticket(target, port)
    elif target.user is not None:
        yield "UID", f"{{{target.user}}}"
        yield "PWD", "{" + _reveal_password(target).replace("}", "}}") + "}"
    yield "Encrypt", {"yes": "yes", "trust": "yes", "no": "no", "strict": "strict"}[target.encrypt]
    if target.encrypt in {"trust", "no"}:
        yield "TrustServerCertificate", "yes"
    if target.encrypt == "strict" and target.trust_ca is not None:
        yield "ServerCertificate", f"{{{target.trust_ca}}}"
    if target.certificate_name is not None:
        yield "HostNameInCertificate", target.certificate_name
    yield "ConnectRetryCount", "0"  # a connection that was lost is reported, not quietly made anew
    yield "APP", "sitekeeper"


def _ticket(target: SqlTarget, port: int) -> Iterator[tuple[str, str]]:
    yield "Trusted_Connection", "yes"
    yield "ServerSPN", target.principal or f"MSSQLSvc/{target.server}:{port}"


def _freetds(target: SqlTarget, driver: Driver, port: int) -> Iterator[tuple[str, str]]:
    if target.encrypt == "strict":
        raise UsageError("FreeTDS has no encrypt: strict", hint="use Microsoft's driver, msodbcsql18")
    if target.certificate_name is not None:
        raise UsageError(
            "FreeTDS knows a server's certificate by the name that it connects to alone", hint="use that name as server"
        )
    password = _reveal_password(target)
    if "};" in password:
        raise UsageError(
            "FreeTDS takes no password with the characters }; in it", hint="use Microsoft's driver, msodbcsql18"
        )
    yield "DRIVER", f"{{{driver.name}}}"
    if target.encrypt == "yes":
        # Certificates are verified only as freetds.conf says, so this one connection gets an entry there.
        yield "SERVERNAME", _CONFIGURATION.entry(target.server, port, target.trust_ca)
    else:
        yield "SERVER", target.server
        yield "PORT", str(port)
    yield "DATABASE", target.database
    if target.kerberos:
        yield from _ticket(target, port)
    elif target.user is not None:
        yield "UID", target.user
        yield "PWD", f"{{{password}}}"
    # Never left to the driver: Debian's default, auto, waits for ever on a server that accepts and says nothing.
    yield "TDS_Version", target.tds_version or "7.4"
    yield "Encryption", {"yes": "require", "trust": "require", "no": "request"}[target.encrypt]
    yield "ClientCharset", "UTF-8"
    yield "UseNTLMv2", "yes"
    yield "APP", "sitekeeper"


class _FreetdsConfiguration:
    """A freetds.conf of this process, with one entry for every server whose certificate is to be verified."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._known: dict[tuple[str, int, Path | None], str] = {}

    def entry(self, server: str, port: int, trust_ca: Path | None) -> str:
        """Return the entry's name; without an authority the system's are trusted."""
        with self._lock:
            if self._path is None:
                folder = tempfile.mkdtemp(prefix="sitekeeper-")
                atexit.register(shutil.rmtree, folder, ignore_errors=True)
                self._path = Path(folder) / "freetds.conf"
                os.environ["FREETDSCONF"] = str(self._path)
            key = (server, port, trust_ca)
            if key not in self._known:
                self._known[key] = f"server{len(self._known)}"
                authority = trust_ca if trust_ca is not None else "system"
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(
                        f"[{self._known[key]}]\n\thost = {server}\n\tport = {port}\n\tca file = {authority}\n"
                        "\tcheck certificate hostname = yes\n\tencryption = require\n\ttds version = 7.4\n"
                    )
            return self._known[key]


_CONFIGURATION = _FreetdsConfiguration()
_environment = threading.Lock()


@contextlib.contextmanager
def trust_authority(target: SqlTarget, driver: Driver) -> Iterator[None]:
    """Let Microsoft's driver trust ``trust_ca`` for the connection made inside.

    Its only way with ``encrypt: yes`` is OpenSSL's variable SSL_CERT_FILE, so such connections are made one at a time.
    """
    if target.trust_ca is None or target.encrypt != "yes" or driver.kind != MICROSOFT:
        yield
        return
    with _environment:
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(target.trust_ca)
        try:
            yield
        finally:
            if before is None:
                del os.environ["SSL_CERT_FILE"]
            else:
                os.environ["SSL_CERT_FILE"] = before
