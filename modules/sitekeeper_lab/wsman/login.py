"""Authentication of one connection: Negotiate with NTLM or Kerberos, Basic over TLS, client certificates over TLS.

NTLM and Kerberos authenticate the TCP connection, so one :class:`Login` belongs to one connection and lives as long.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import spnego

from .accounts import Account, Accounts
from .wirefaults import WireFaults

_CERTIFICATE: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Answer 401 with these WWW-Authenticate headers: another step is needed, or the login failed."""

    headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passed:
    """The request is from this connection's user; ``token`` goes into the answer's WWW-Authenticate."""

    token: str | None = None


class Login:
    """The state of one connection's authentication."""

    def __init__(
        self,
        accounts: Accounts,
        faults: WireFaults,
        wait: Callable[[float], object],
        *,
        certificate: bytes | None,
        tls: bool,
    ) -> None:
        self._accounts = accounts
        self._faults = faults
        self._wait = wait
        self._certificate = certificate
        self._tls = tls
        self.user: Account | None = None
        self.method: str | None = None
        """How the user logged in: ntlm, kerberos, basic or certificate."""
        self.context: spnego.ContextProxy | None = None
        """The keys for message encryption; None for Basic and certificates."""

    def step(self, authorization: str | None) -> Challenge | Passed:
        """Judge a request by its Authorization header."""
        if authorization is None:
            return Passed() if self.user else self._refused()
        scheme, _, credentials = authorization.partition(" ")
        if authorization.strip() == _CERTIFICATE:
            return self._by_certificate()
        try:
            token = base64.b64decode(credentials, validate=True)
        except binascii.Error:
            return self._refused()
        if scheme.lower() == "basic":
            return self._basic(token)
        if scheme.lower() in ("negotiate", "ntlm"):
            return self._negotiate(scheme, token)
        return self._refused()

    def _refused(self) -> Challenge:
        self.user = self.context = None
        offers = ("Negotiate", 'Basic realm="WSMAN"') if self._tls else ("Negotiate",)
        return Challenge(offers)

    def _admit(self, account: Account | None, name: str, method: str) -> bool:
        self._wait(self._faults.login_delay())
        if account is None or self._faults.at_login(name):
            return False
        self.user, self.method = account, method
        return True

    def _basic(self, token: bytes) -> Challenge | Passed:
        try:
            name, _, password = token.decode("utf-8").partition(":")
        except UnicodeDecodeError:
            name, _, password = token.decode("latin-1").partition(":")  # as requests writes it
        if self.user is not None and self._accounts.check(name, password) is self.user:
            return Passed()
        if not self._tls or not self._admit(self._accounts.check(name, password), name, "basic"):
            return self._refused()
        return Passed()

    def _by_certificate(self) -> Challenge | Passed:
        if not self._certificate:
            return self._refused()
        if self.user is not None:
            return Passed()
        thumbprint = hashlib.sha256(self._certificate).hexdigest()
        if not self._admit(self._accounts.by_certificate(thumbprint), thumbprint, "certificate"):
            return self._refused()
        return Passed()

    def _negotiate(self, scheme: str, token: bytes) -> Challenge | Passed:
        if self.context is None or self.context.complete:
            self.user = None
            # the options keep NTLM from a GSSAPI that may be installed and knows nothing of our accounts
            raw = token.startswith(b"NTLMSSP\0")
            options = spnego.NegotiateOptions.use_ntlm if raw else spnego.NegotiateOptions.use_negotiate
            with self._accounts.lent_to_the_acceptor():
                self.context = spnego.server(protocol="ntlm" if raw else "negotiate", options=options)
        try:
            with self._accounts.lent_to_the_acceptor():
                reply = self.context.step(token)
        except Exception:  # noqa: BLE001  wrong password, unknown user; a token that is none raises just anything
            self._wait(self._faults.login_delay())
            return self._refused()
        written = f"{scheme} {base64.b64encode(reply).decode('ascii')}" if reply else None
        if not self.context.complete:
            return Challenge((written,)) if written else self._refused()
        name = self.context.client_principal or ""
        if not self._admit(self._accounts.find(name), name, self.context.negotiated_protocol or ""):
            return self._refused()
        return Passed(written)
