"""Errors by SQL Server's own number: both drivers hide it in their text, under different SQLSTATEs and classes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sitekeeper.engine.errors import AuthError, SitekeeperError, SqlError, UnreachableError

LOGIN_FAILURES = frozenset({18452, 18456, 18470, 18486, 18487, 18488})
"""Untrusted domain, wrong password, disabled, locked, expired, must be changed."""
_CALL = re.compile(r"\((-?\d+)\) \(SQL\w+\)")
_STATE_NUMBER = re.compile(r"\[(\w{5})\] \((-?\d+)\)")
_PREFIXES = re.compile(r"^(?:\[[^\]]*\]\s*)*")
_ENDED = {"08S01", "08003", "08007", "01000"}
"""SQLSTATEs of a connection that has ended; FreeTDS reports its 20017 under 01000."""
_FREETDS_ENDED = {20003, 20004, 20006, 20017, 20047}


class SqlCancelled(SqlError):  # noqa: N818  # what happened, at the caller's wish
    """``cancel()`` ended the statement."""


class SqlIdleTimeout(SqlError):  # noqa: N818  # what happened
    """The server sent nothing for longer than the idle timeout."""


@dataclass(frozen=True, slots=True)
class SqlMessage:
    """One message or error of the server. ODBC does not return the severity of a message."""

    number: int
    text: str
    state: str = ""
    """The driver's SQLSTATE."""


def read_message(state: str, text: str) -> SqlMessage:
    """Read one entry of ``cursor.messages``: ('[01000] (3211)', '[...][SQL Server]10 percent processed.')."""
    match = _STATE_NUMBER.match(state)
    return SqlMessage(int(match[2]) if match else 0, _plain(text), match[1] if match else "")


def read_error(error: Exception, password: str | None = None) -> SqlMessage:
    """Read a driver's exception; if the driver repeats the password, it is removed."""
    state = str(error.args[0]) if len(error.args) > 1 else ""
    text = scrub(str(error.args[-1]) if error.args else "", password)
    match = _CALL.search(text)
    return SqlMessage(int(match[1]) if match else 0, _plain(text[: match.start()] if match else text), state)


def scrub(text: str, password: str | None) -> str:
    """Remove a password from a text, as it is and as it is written in a connection string."""
    if password:
        for form in (password.replace("}", "}}"), password):
            text = text.replace(form, "***")
    return text


def login_error(message: SqlMessage, where: str, user: str | None) -> SitekeeperError:
    """Explain a failed connection."""
    text = message.text
    if message.number in LOGIN_FAILURES:
        hint = "check user and password, that the database exists, and that this login may use it; the SQL Server error log has the reason"
        return AuthError(f"{where} refused the login of {user or 'nobody'}: {text}", host=None, hint=hint)
    if message.number == 4060:
        return SqlError(f"{where}: {text}", number=4060, hint="check the name of the database, and that it is online")
    if "certificate" in text.lower() or "SSL Provider" in text:
        hint = "set sql_ca_cert to the CA that signed it, or sql_encrypt: trust to accept any certificate"
        return AuthError(f"the certificate of {where} is not trusted, or the TLS handshake failed: {text}", hint=hint)
    if message.state in {"HYT00", "HYT01"}:
        hint = "the server is overloaded, or another program uses this port"
        return UnreachableError(f"{where} accepted the connection, but the login did not finish in time", hint=hint)
    if message.state.startswith("08") or message.number in {20002, 20009, *_FREETDS_ENDED}:
        hint = "FreeTDS does not report the reason: untrusted certificate (sql_ca_cert), no encryption there, or another TDS version"
        return UnreachableError(f"{where} closed the connection during login: {text}", hint=hint)
    return SqlError(f"{where}: {text}", number=message.number)


def statement_error(message: SqlMessage, where: str, *, cancelled: bool, idle_timeout: int) -> SitekeeperError:
    """Explain a failed statement."""
    # HY008 cancelled, HY010 between two calls; FreeTDS: HY000 "Unknown error". None has a number of the server.
    if message.state == "HY008" or (cancelled and message.number == 0):
        return SqlCancelled(f"{where}: cancelled")
    if message.state in {"HYT00", "HYT01"} or message.number == 20003:
        return SqlIdleTimeout(f"{where} sent nothing for {idle_timeout} s; the statement was cancelled")
    lost = message.state in _ENDED or message.number in _FREETDS_ENDED or "Unknown error" in message.text
    if lost and message.number not in range(1, 20000):
        return UnreachableError(f"the connection to {where} was lost: {message.text}")
    if message.number == 596 or message.state.startswith("08"):
        return UnreachableError(f"{where} ended the session: {message.text}")
    return SqlError(f"{where}: {message.text}", number=message.number)


def _plain(text: str) -> str:
    _, found, rest = text.rpartition("[SQL Server]")
    return (rest if found else _PREFIXES.sub("", text)).strip()
