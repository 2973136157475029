"""Where and how to connect to SQL Server, and the connection string for each driver."""

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
from sitekeeper.transport.kerberos_names import principal_hint
from sitekeeper.transport.sql.driver import FREETDS, MICROSOFT, Driver

ENCRYPT = ("yes", "trust", "no", "strict")


@dataclass(frozen=True, slots=True)
class SqlTarget:
    r"""One database on one SQL Server.

    ``encrypt``: ``yes`` encrypts and verifies the certificate, ``trust`` encrypts and accepts any certificate, ``no`` lets
    the server decide, ``strict`` is TDS 8.0 (SQL Server 2022 and later, Microsoft's driver only).
    """

    server: str
    """Host name or address."""
    port: int | None = None
    """Default 1433; for a named instance the port that its host's SQL Server Browser reports."""
    instance: str | None = None
    database: str = "master"
    user: str | None = None
    r"""A SQL login, or ``DOMAIN\user`` for a Windows login by NTLM (FreeTDS only)."""
    password: Secret | None = None
    kerberos: bool = False
    """Log in with the Kerberos ticket of this process; without ``user`` and ``password``."""
    principal: str | None = None
    """The server's name in Kerberos, if it is not ``MSSQLSvc/SERVER:PORT``."""
    driver: str | None = None
    """A registered name or the path of a driver; default: an installed one."""
    encrypt: str = "yes"
    trust_ca: Path | None = None
    """PEM file of the CA to trust, for ``yes``; the server's own certificate for ``strict``."""
    certificate_name: str | None = None
    """The name in the certificate, if it is not ``server`` (an address): Microsoft's driver only."""
    tds_version: str | None = None
    """``7.1`` to ``7.4`` for old servers (FreeTDS only); default 7.4."""
    login_timeout: int = 15
    """Seconds for each of: the TCP connection, the login."""
    idle_timeout: int = 0
    """Seconds without data after which a statement is cancelled; 0 waits for ever."""
    host: str = ""
    """Its name in error messages, from the inventory. Empty: ``server``."""

    def __post_init__(self) -> None:
        if self.encrypt not in ENCRYPT:
            raise UsageError(f"sql_encrypt must be one of {', '.join(ENCRYPT)}, not {self.encrypt!r}")
        for name in ("server", "instance", "database", "user", "principal", "certificate_name"):
            value = getattr(self, name)
            if value is not None and any(char in value for char in ";{}\0\n"):
                raise UsageError(
                    f"{name} of the SQL Server connection contains a character that is not allowed: one of ; {{ }}, a line break or NUL"
                )
        if self.windows_login and self.encrypt == "strict":
            raise UsageError(
                f"sql_encrypt: strict needs Kerberos for the Windows login {self.user}",
                hint=f"set ansible_psrp_auth: kerberos, and {principal_hint(str(self.user))}",
            )

    @property
    def windows_login(self) -> bool:
        """A Windows login, by the backslash in its name."""
        return self.user is not None and "\\" in self.user

    @property
    def prefers(self) -> str | None:
        """The kind of driver that this target needs, if any."""
        if self.windows_login or self.tds_version is not None:
            return FREETDS
        return MICROSOFT if self.encrypt == "strict" else None


def connection_string(target: SqlTarget, driver: Driver, port: int) -> str:
    """The complete string, with the password: only for the driver.

    Raises:
        UsageError: this driver cannot do what the target needs.

    """
    build = _freetds if driver.kind == FREETDS else _microsoft
    # Every part ends with a semicolon: FreeTDS removes the braces of a value only before one.
    return "".join(f"{key}={value};" for key, value in build(target, driver, port))


def _reveal_password(target: SqlTarget) -> str:
    return target.password.reveal() if target.password is not None else ""


def _microsoft(target: SqlTarget, driver: Driver, port: int) -> Iterator[tuple[str, str]]:
    if target.windows_login:
        raise UsageError(
            f"Microsoft's ODBC driver cannot log in the Windows account {target.user} with a password",
            hint="use FreeTDS (apt-get install tdsodbc), or Kerberos (ansible_psrp_auth: kerberos)",
        )
    if target.tds_version is not None:
        raise UsageError("sql_tds_version works with FreeTDS only", hint="apt-get install tdsodbc")
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
    yield "ConnectRetryCount", "0"  # a lost connection is reported, not silently opened again
    yield "APP", "sitekeeper"


def _ticket(target: SqlTarget, port: int) -> Iterator[tuple[str, str]]:
    yield "Trusted_Connection", "yes"
    yield "ServerSPN", target.principal or f"MSSQLSvc/{target.server}:{port}"


def _freetds(target: SqlTarget, driver: Driver, port: int) -> Iterator[tuple[str, str]]:
    if target.encrypt == "strict":
        raise UsageError("FreeTDS does not support sql_encrypt: strict", hint="use Microsoft's driver, msodbcsql18")
    if target.certificate_name is not None:
        raise UsageError(
            "FreeTDS compares the certificate only with the name that it connects to",
            hint="use the name in the certificate as the server name",
        )
    password = _reveal_password(target)
    if "};" in password:
        raise UsageError(
            "FreeTDS does not accept a password that contains the characters };",
            hint="use Microsoft's driver, msodbcsql18",
        )
    yield "DRIVER", f"{{{driver.name}}}"
    if target.encrypt == "yes":
        # FreeTDS verifies certificates only by settings in freetds.conf, so this connection gets an entry there.
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
    # Always set: Debian's default, auto, waits for ever on a server that accepts the connection and sends nothing.
    yield "TDS_Version", target.tds_version or "7.4"
    yield "Encryption", {"yes": "require", "trust": "require", "no": "request"}[target.encrypt]
    yield "ClientCharset", "UTF-8"
    yield "UseNTLMv2", "yes"
    yield "APP", "sitekeeper"


class _FreetdsConfiguration:
    """A freetds.conf of this process, with one entry for every server whose certificate is verified."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._known: dict[tuple[str, int, Path | None], str] = {}

    def entry(self, server: str, port: int, trust_ca: Path | None) -> str:
        """Return the entry's name; without a CA file the system's CAs are trusted."""
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

    With ``encrypt: yes`` it can be set only by OpenSSL's variable SSL_CERT_FILE, so such connections are made one at a time.
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
