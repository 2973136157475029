"""From the first byte of a connection to its LOGINACK: encryption, login, first database."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sitekeeper_lab.sql.channel import PRELOGIN, Channel, ClientGone
from sitekeeper_lab.sql.database import Instance, Login
from sitekeeper_lab.sql.datatypes import TDS71, TDS72, TDS73, TDS73B, TDS74
from sitekeeper_lab.sql.failure import SqlFailure
from sitekeeper_lab.sql.kerberos import accept
from sitekeeper_lab.sql.login import (
    ENCRYPTION,
    NOT_SUPPORTED,
    OFF,
    ON,
    REQUIRED,
    Login7,
    encryption_reply,
    read_login7,
    read_prelogin,
    write_prelogin,
)
from sitekeeper_lab.sql.ntlm import NtlmAcceptor
from sitekeeper_lab.sql.tokens import ERROR, TokenWriter

LOGIN7, SSPI, TLS_RECORD = 0x10, 0x11, 0x16
_UTF8_SUPPORT = 0x0A


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who is in, and how."""

    login: Login
    database: str
    request: Login7


@dataclass(frozen=True, slots=True)
class Security:
    """The server's side of encryption, and of logins by ticket."""

    mode: str
    tls12: ssl.SSLContext | None
    """For the handshake inside PRELOGIN: TLS 1.2 at most, because 1.3 sends tickets after the handshake."""
    strict: ssl.SSLContext | None
    keytab: Path | None = None
    """The keys of this server's Kerberos principal; without it there is no Kerberos."""


class Handshake:
    """Lets one client in, or not."""

    def __init__(
        self, channel: Channel, tokens: TokenWriter, instance: Instance, logins: tuple[Login, ...], security: Security
    ) -> None:
        self._channel, self._tokens, self._instance = channel, tokens, instance
        self._logins, self._security = logins, security

    def run(self, gate: Callable[[], int]) -> LoggedIn:
        """Return who logged in; ``gate`` is asked before the answer: the number of the error that refuses it, or 0.

        Raises:
            ClientGone: nobody did.

        """
        encryption = self._encrypt()
        message = self._channel.receive()
        if message.kind != LOGIN7:
            raise ClientGone
        if encryption == OFF:  # both sides said off: TLS was for this message alone
            self._channel.stop_tls()
        request = read_login7(message.payload)
        self._tokens.version = _agree(request.tds_version, self._instance.release.tds)
        if 512 <= request.packet_size <= 32767:
            self._channel.packet_size = request.packet_size
        try:
            refusal = gate()
            login = self._windows_login(request) if request.sspi is not None else self._sql_login(request)
            if refusal:
                raise _refused(login.name, refusal)
            database = self._database(request, login)
        except SqlFailure as failure:
            self._refuse(failure, request.user)
            raise ClientGone from failure
        self._acknowledge(request, database)
        return LoggedIn(login, database, request)

    def _encrypt(self) -> int:
        if self._channel.peek() == TLS_RECORD:
            if self._security.strict is None:
                raise ClientGone
            self._channel.start_tls(self._security.strict, in_packets=False)
            self._prelogin(ON)
            return ON
        if self._security.mode == "strict":
            raise ClientGone
        encryption = self._prelogin(None)
        if encryption in {NOT_SUPPORTED, REQUIRED} and self._security.mode == "not_supported":
            return encryption
        if encryption != NOT_SUPPORTED and self._security.tls12 is not None:
            self._channel.start_tls(self._security.tls12, in_packets=True)
        return encryption

    def _prelogin(self, fixed: int | None) -> int:
        message = self._channel.receive()
        if message.kind != PRELOGIN:
            raise ClientGone
        client = read_prelogin(message.payload).get(ENCRYPTION, b"\x02")[0]
        encryption = encryption_reply(self._security.mode, client) if fixed is None else fixed
        self._channel.write(write_prelogin(self._instance.version, encryption))
        self._channel.end()
        if encryption == REQUIRED and client & 0x7F == NOT_SUPPORTED:  # told, and sent away
            raise ClientGone
        return encryption

    def _sql_login(self, request: Login7) -> Login:
        login = next((known for known in self._logins if known.name.lower() == request.user.lower()), None)
        if login is None or login.windows or login.password is None or login.password != request.password:
            raise _refused(request.user)
        if login.disabled:
            reason = f"Login failed for user '{login.name}'. Reason: The account is disabled."
            raise SqlFailure(18470, reason, 14)
        return login

    def _windows_login(self, request: Login7) -> Login:
        windows = [login for login in self._logins if login.windows]
        domain = windows[0].name.partition("\\")[0] if windows else self._instance.host
        acceptor = NtlmAcceptor(domain.upper(), self._instance.host)
        challenge = acceptor.challenge(request.sspi or b"")
        untrusted = SqlFailure(
            18452,
            "Login failed. The login is from an untrusted domain and cannot be used with Windows authentication.",
            14,
        )
        if challenge is None:
            login = self._by_ticket(request.sspi or b"", windows)
            if login is None:
                raise untrusted
            return login
        self._tokens.sspi(challenge)
        message = self._channel.receive()
        if message.kind != SSPI:
            raise ClientGone
        by_name = {login.name.lower(): login for login in windows}

        def password_of(name: str) -> str | None:
            login = by_name.get(name.lower())
            return None if login is None else login.password

        name = acceptor.verify(message.payload, password_of)
        if name is None:
            raise untrusted
        return by_name[name.lower()]

    def _by_ticket(self, token: bytes, windows: list[Login]) -> Login | None:
        accepted = accept(self._security.keytab, token) if self._security.keytab is not None else None
        if accepted is None:
            return None
        answer, principal = accepted
        user, _, realm = principal.lower().partition("@")
        name = f"{realm.partition('.')[0]}\\{user}"  # the lab's domain has the first part of its DNS name
        login = next((one for one in windows if one.name.lower() == name), None)
        if login is not None and answer:
            self._tokens.sspi(answer)  # a message of its own: Microsoft's driver waits for ever otherwise
        return login

    def _database(self, request: Login7, login: Login) -> str:
        wanted = request.database or login.default_database
        if wanted.lower() in {"master", "tempdb", "model", "msdb"}:
            return wanted.lower()
        database = self._instance.database(wanted)
        if database is None or not login.may_use(database.name):
            text = f'Cannot open database "{wanted}" requested by the login. The login failed.'
            raise SqlFailure(4060, text, 11)
        return database.name

    def _refuse(self, failure: SqlFailure, user: str) -> None:
        failures = [failure] if failure.number != 4060 else [failure, _refused(user)]
        for each in failures:
            self._tokens.message(each.number, each.message, each.severity, each.state)
        self._tokens.done(ERROR)
        self._tokens.end()

    def _acknowledge(self, request: Login7, database: str) -> None:
        tokens = self._tokens
        tokens.environment(1, database, "master")
        tokens.message(5701, f"Changed database context to '{database}'.", 10, 2)
        tokens.environment_collation()
        tokens.environment(2, "us_english")
        tokens.message(5703, "Changed language setting to us_english.", 10)
        tokens.login_ack(self._instance.version)
        size = str(self._channel.packet_size)
        tokens.environment(4, size, size)
        if _UTF8_SUPPORT in request.features and self._instance.release.major >= 15:
            tokens.features({_UTF8_SUPPORT: b"\x01"})
        tokens.done()
        tokens.end()


_REASONS = {
    18456: ".",
    18486: " because the account is currently locked out. The system administrator can unlock it.",
    18487: ".  Reason: The password of the account has expired.",
}
"""What follows the user's name (``sys.messages``)."""


def _refused(user: str, number: int = 18456) -> SqlFailure:
    return SqlFailure(number, f"Login failed for user '{user}'{_REASONS[number]}", 14)


def _agree(client: int, server: int) -> int:
    for version in (TDS74, TDS73B, TDS73, TDS72, TDS71):
        if version <= client and version <= server:
            return version
    raise ClientGone  # TDS 7.0 and older
