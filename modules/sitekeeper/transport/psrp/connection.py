"""How to reach a host: Ansible's connection variables, and pypsrp's WSMan built from them."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.wsman import WSMan
from requests.adapters import BaseAdapter
from spnego.exceptions import SpnegoError

from sitekeeper.engine.errors import AuthError, InventoryError, RemoteError, SitekeeperError, UnreachableError
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.secrets import Secret
from sitekeeper.transport.kerberos_names import principal_hint

try:
    from krb5 import Krb5Error
except ImportError:  # it comes with the extra "kerberos"
    LOGIN_FAILED: tuple[type[Exception], ...] = (AuthenticationError, SpnegoError, ImportError)
else:
    LOGIN_FAILED = (AuthenticationError, SpnegoError, ImportError, Krb5Error)
"""What pypsrp raises when a login fails; ImportError if the packages for Kerberos are missing."""

AUTHS = ("negotiate", "ntlm", "basic", "certificate", "kerberos")
_KNOWN = frozenset(
    "ansible_psrp_" + name
    for name in (
        "protocol",
        "auth",
        "cert_validation",
        "ca_cert",
        "certificate_pem",
        "certificate_key_pem",
        "connection_timeout",
        "read_timeout",
        "operation_timeout",
        "configuration_name",
        "message_encryption",
        "max_envelope_size",
        "path",
        "proxy",
        "ignore_proxy",
        "host",
        "port",
        "user",
        "password",
        "negotiate_delegate",
        "negotiate_hostname_override",
        "negotiate_send_cbt",
        "negotiate_service",
        "reconnection_retries",
        "reconnection_backoff",
    )
)
_UNRESOLVED = ("NameResolutionError", "Failed to resolve", "Name or service not known", "failure in name resolution")
"""Texts of urllib3 and of getaddrinfo for a name that does not resolve."""
_PASSED_ON = (
    "negotiate_delegate",
    "negotiate_hostname_override",
    "negotiate_send_cbt",
    "negotiate_service",
    "proxy",
)
"""Variables that pypsrp knows by the same name. Ansible's ``reconnection_*`` have no effect: ``shell`` reconnects in our own
way."""
_CHOICES = {
    "ansible_psrp_protocol": ("http", "https"),
    "ansible_psrp_auth": AUTHS,
    "ansible_psrp_cert_validation": ("validate", "ignore"),
    "ansible_psrp_message_encryption": ("auto", "always", "never"),
    "ansible_connection": ("psrp",),
}


@dataclass(frozen=True, slots=True)
class PsrpTarget:
    """Everything needed to reach a host. The password is a Secret until the connection is opened."""

    host: str
    server: str
    port: int
    ssl: bool
    auth: str
    user: str | None
    password: Secret | None
    verify: bool | str = True
    """True, False, or the path of a CA file."""
    configuration: str = "Microsoft.PowerShell"
    connection_timeout: int = 30
    operation_timeout: int = 20
    read_timeout: int = 30
    encryption: str = "auto"
    path: str = "wsman"
    envelope: int | None = None
    certificate: str | None = None
    certificate_key: str | None = None
    passed_on: tuple[tuple[str, Any], ...] = ()
    """Further settings of pypsrp."""
    origin: Origin | None = None
    password_origin: Origin | None = field(default=None)


def target_of(host: str, variables: Mapping[str, Any], origin: Origin, origins: Mapping[str, Origin]) -> PsrpTarget:
    """Build a host's PsrpTarget from its variables (``ansible_host``, ``ansible_port``, ``ansible_psrp_*`` ...).

    Raises:
        InventoryError: a variable is unknown or invalid; points at its line.

    """
    for name, value in variables.items():
        place = origins.get(name, origin)
        if name.startswith("ansible_psrp_") and name not in _KNOWN:
            raise InventoryError(
                f"unknown connection variable {name}",
                host=host,
                origin=place,
                hint="see Ansible's documentation of psrp",
            )
        if name in _CHOICES and value not in _CHOICES[name]:
            raise InventoryError(
                f"{name} must be one of {', '.join(_CHOICES[name])}, not {value}", host=host, origin=place
            )

    def number(name: str, default: int) -> int:
        return number_of(variables, name, default, host=host, origin=origins.get(name, origin))

    port = number("ansible_port", number("ansible_psrp_port", 0))
    protocol = variables.get("ansible_psrp_protocol", "http" if port in {80, 5985} else "https")
    ssl = protocol == "https"
    auth = str(variables.get("ansible_psrp_auth", "negotiate"))
    if auth == "basic" and not ssl:
        raise InventoryError(
            "ansible_psrp_auth: basic over http would send the password in the clear",
            host=host,
            origin=origins.get("ansible_psrp_auth", origin),
            hint="use https, or ansible_psrp_auth: negotiate",
        )
    certificate = variables.get("ansible_psrp_certificate_pem"), variables.get("ansible_psrp_certificate_key_pem")
    if auth == "certificate" and not (ssl and all(isinstance(one, str) and one for one in certificate)):
        raise InventoryError(
            "ansible_psrp_auth: certificate needs https, ansible_psrp_certificate_pem and ansible_psrp_certificate_key_pem",
            host=host,
            origin=origins.get("ansible_psrp_auth", origin),
        )
    verify: bool | str = variables.get("ansible_psrp_cert_validation", "validate") != "ignore"
    if verify and variables.get("ansible_psrp_ca_cert"):
        verify = str(variables["ansible_psrp_ca_cert"])
    user = variables.get("ansible_user", variables.get("ansible_psrp_user"))
    if auth == "kerberos" and isinstance(user, str) and "\\" in user:
        raise InventoryError(
            f"{user} is not a Kerberos principal",
            host=host,
            origin=origins.get("ansible_user", origin),
            hint=principal_hint(user),
        )
    password = variables.get("ansible_password", variables.get("ansible_psrp_password"))
    if password is not None and not isinstance(password, Secret):
        raise InventoryError("ansible_password must be a text or a secret", host=host, origin=origin)
    operation = number("ansible_psrp_operation_timeout", 20)
    return PsrpTarget(
        host=host,
        server=str(variables.get("ansible_host", variables.get("ansible_psrp_host", host))),
        port=port or (5986 if ssl else 5985),
        ssl=ssl,
        auth=auth,
        user=user.reveal() if isinstance(user, Secret) else None if user is None else str(user),
        password=password,
        verify=verify,
        configuration=str(variables.get("ansible_psrp_configuration_name", "Microsoft.PowerShell")),
        connection_timeout=number("ansible_psrp_connection_timeout", 30),
        operation_timeout=operation,
        read_timeout=max(number("ansible_psrp_read_timeout", 30), operation + 5),
        encryption=str(variables.get("ansible_psrp_message_encryption", "auto")),
        path=str(variables.get("ansible_psrp_path", "wsman")),
        envelope=number("ansible_psrp_max_envelope_size", 0) or None,
        certificate=certificate[0],
        certificate_key=certificate[1],
        passed_on=tuple(
            (name, variables[f"ansible_psrp_{name}"]) for name in _PASSED_ON if f"ansible_psrp_{name}" in variables
        ),
        origin=origins.get("ansible_host", origin),
        password_origin=origins.get("ansible_password", origin),
    )


def number_of(variables: Mapping[str, Any], name: str, default: int, *, host: str, origin: Origin) -> int:
    """A variable that is a number; digits in a text count too, because ``-e name=value`` passes texts.

    Raises:
        InventoryError: it is not a number.

    """
    value = variables.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InventoryError(f"{name} must be a number, not {value!r}", host=host, origin=origin)
    return value


def wsman_of(target: PsrpTarget) -> WSMan:
    """Build a pypsrp connection, not yet used. Only this function reveals the password."""
    extra: dict[str, Any] = dict(target.passed_on)
    if target.auth == "certificate":
        extra |= {"certificate_pem": target.certificate, "certificate_key_pem": target.certificate_key}
    if target.envelope is not None:
        extra["max_envelope_size"] = target.envelope
    wsman = WSMan(
        target.server,
        port=target.port,
        username=target.user,
        password=target.password.reveal() if target.password is not None else None,
        ssl=target.ssl,
        path=target.path,
        auth=target.auth,
        cert_validation=target.verify,  # type: ignore[arg-type]  # a CA file works too; the annotation is too narrow
        connection_timeout=target.connection_timeout,
        read_timeout=target.read_timeout,
        operation_timeout=target.operation_timeout,
        encryption=target.encryption,
        no_proxy="proxy" not in extra,  # proxies in the environment are meant for browsers
        **extra,
    )
    build = wsman.transport._build_session  # noqa: SLF001 - it is called late, with each new login, and has no public name
    setattr(wsman.transport, "_build_session", lambda: _mount_closing_adapters(build()))  # noqa: B010 - no method to override
    return wsman


class ClosingAdapter(BaseAdapter):
    """An adapter whose ``close`` also closes the connection of a response that was not read.

    pypsrp's login is a hook on the response. If the hook raises, the connection of that response is not in the pool, where
    requests would close it: it would stay open until Python's garbage collector finds it.
    """

    def __init__(self, inner: BaseAdapter) -> None:
        super().__init__()
        self._inner = inner
        self._answer: requests.Response | None = None

    def send(self, request: requests.PreparedRequest, *given: Any, **named: Any) -> requests.Response:
        """Send through the inner adapter; a login goes on through the response's ``connection``, which is this one."""
        self._answer = self._inner.send(request, *given, **named)
        setattr(self._answer, "connection", self)  # noqa: B010 - requests sets it too, but its stubs do not have it
        return self._answer

    def close(self) -> None:
        """Close the last response, then all idle connections."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None
        self._inner.close()


def _mount_closing_adapters(session: requests.Session) -> requests.Session:
    for prefix, adapter in list(session.adapters.items()):
        session.mount(prefix, ClosingAdapter(adapter))
    return session


def explain_error(error: Exception, target: PsrpTarget) -> SitekeeperError:
    """Explain a failed connection, and what to do."""
    where = f"{target.server}:{target.port}"
    if isinstance(error, SitekeeperError):
        return error
    if isinstance(error, AuthenticationError):
        return AuthError(
            f"the login of {target.user} to {where} was refused ({target.auth})",
            host=target.host,
            origin=target.password_origin,
            hint="check ansible_user and ansible_password, and that the account may use WinRM on this host",
        )
    if isinstance(error, ImportError):
        return AuthError(
            f"the login to {where} by {target.auth} needs Python packages that are not installed: {error}",
            host=target.host,
            origin=target.origin,
            hint="pip install 'sitekeeper[kerberos]' (on Debian first: apt-get install gcc python3-dev libkrb5-dev)",
        )
    if isinstance(error, LOGIN_FAILED):
        return AuthError(
            f"the login to {where} by {target.auth} failed: {_minor(error)}",
            host=target.host,
            origin=target.password_origin,
            hint="get a ticket with kinit (KRB5CCNAME names its cache), or set ansible_user and ansible_password"
            if target.auth == "kerberos"
            else "set ansible_user and ansible_password",
        )
    if isinstance(error, requests.exceptions.SSLError):
        return AuthError(
            f"the certificate of {where} is not trusted: {_reason(error)}",
            host=target.host,
            origin=target.origin,
            hint="set ansible_psrp_ca_cert to the CA that signed it",
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        text = f"{where} did not respond within {target.connection_timeout} s"
        return UnreachableError(
            text,
            host=target.host,
            origin=target.origin,
            hint="check that the host is up, and that no firewall blocks the port",
        )
    if isinstance(error, requests.exceptions.Timeout):
        return UnreachableError(f"{where} stopped responding", host=target.host, origin=target.origin)
    if _is_unresolved(error):
        return UnreachableError(
            f"{target.server}: the name does not resolve on this machine",
            host=target.host,
            origin=target.origin,
            hint="check DNS, and ansible_host in the inventory; or use an address",
        )
    if isinstance(error, requests.exceptions.ConnectionError | OSError):
        return UnreachableError(
            f"cannot connect to {where}: {_reason(error)}",
            host=target.host,
            origin=target.origin,
            hint="is WinRM listening there? (winrm enumerate winrm/config/listener)",
        )
    if isinstance(error, WSManFaultError):
        return _fault(error, target, where)
    if isinstance(error, WinRMTransportError):
        return UnreachableError(f"{where} returned HTTP status {error.code}", host=target.host, origin=target.origin)
    return UnreachableError(f"{where}: {type(error).__name__}", host=target.host, origin=target.origin)


def is_quota(error: Exception) -> bool:
    """Whether a quota of WinRM is used up: this fault has no number as the others have, only its SOAP subcode."""
    return isinstance(error, WSManFaultError) and str(error.code).endswith("QuotaLimit")


def _fault(error: WSManFaultError, target: PsrpTarget, where: str) -> SitekeeperError:
    if error.code == 5:
        return AuthError(
            f"{target.user} is not allowed to use WinRM on {where}",
            host=target.host,
            origin=target.origin,
            hint="make the account an administrator of the host, or allow it on the endpoint",
        )
    if error.code == 2150858811:
        return RemoteError(
            f"the endpoint {target.configuration} does not exist on {where}",
            host=target.host,
            origin=target.origin,
            hint="check ansible_psrp_configuration_name",
        )
    if is_quota(error):
        return RemoteError(
            f"{where} refused the connection: a quota of WinRM is used up for {target.user}",
            host=target.host,
            origin=target.origin,
            hint="look for open shells of the account there (winrm enumerate shell), or raise MaxShellsPerUser (winrm/config/winrs)",
        )
    return RemoteError(f"{where} refused the request: WSMan fault {error.code}", host=target.host, origin=target.origin)


def _minor(error: Exception) -> str:
    """The error of GSSAPI's mechanism: it is wrapped in an error of GSSAPI that says nothing."""
    text = str(getattr(error, "base_error", None) or error)
    found = re.search(r"Minor \(-?\d+\): (.+)", text)
    return found[1] if found else text


def _is_unresolved(error: BaseException) -> bool:
    """Whether the name of the host could not be resolved. A proxy's name is not meant."""
    if isinstance(error, requests.exceptions.ProxyError):
        return False
    return isinstance(error, socket.gaierror) or any(text in str(error) for text in _UNRESOLVED)


def _reason(error: Exception) -> str:
    """The innermost reason of a chain of wrapped connection errors, without the addresses of Python objects."""
    text = str(error)
    for pattern in (
        r"certificate verify failed: ([^(\"']+)",
        r"\[Errno -?\d+\] ([^\"')]+)",
        r"(Remote end closed connection[^\"')]*)",
    ):
        found = re.search(pattern, text)
        if found:
            return found[1].strip()
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    return "the connection was closed" if "aborted" in text or "closed" in text else type(error).__name__
