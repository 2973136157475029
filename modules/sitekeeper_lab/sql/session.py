"""One client's connection, from login to good-bye: requests in, replies out."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from sitekeeper_lab.sql.batch import Batch
from sitekeeper_lab.sql.channel import ATTENTION, Channel, ClientGone, Message
from sitekeeper_lab.sql.database import Instance, Login
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.faults import TdsFaults
from sitekeeper_lab.sql.handshake import Handshake, LoggedIn, Security
from sitekeeper_lab.sql.procedures import Procedures
from sitekeeper_lab.sql.reply import Cancelled, Column
from sitekeeper_lab.sql.rpc import after_headers, read_calls
from sitekeeper_lab.sql.state import SessionState
from sitekeeper_lab.sql.tokens import ERROR, TokenWriter

SQL_BATCH, RPC, TRANSACTION_MANAGER = 0x01, 0x03, 0x0E
_RESET = 0x08 | 0x10
_ROWS_BETWEEN_LOOKS = 64


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One request, as the audit gets it before it runs."""

    number: int
    """Counted over all connections of the server, from 1."""
    spid: int
    kind: str
    """``batch``, ``rpc`` or ``transaction``."""
    text: str
    """The batch, or the procedure's name and its first text parameter (the statement, mostly)."""
    login: str
    database: str


class TdsReply:
    """Writes a batch's results as tokens."""

    def __init__(self, channel: Channel, tokens: TokenWriter) -> None:
        self._channel, self._tokens = channel, tokens
        self._rows = 0

    def columns(self, columns: Sequence[Column]) -> None:
        """COLMETADATA."""
        self._tokens.columns(columns)

    def row(self, values: Sequence[object]) -> None:
        """ROW; looks for an attention signal now and then."""
        self._tokens.row(values)
        self._rows += 1
        if self._rows % _ROWS_BETWEEN_LOOKS == 0:
            self.check()

    def done(self, count: int | None, command: int = 0) -> None:
        """DONE or DONEINPROC."""
        self._tokens.done(0, count, command)

    def info(self, number: int, message: str, severity: int = 0, state: int = 1) -> None:
        """INFO."""
        self._tokens.message(number, message, severity, state)

    def error(self, failure: SqlFailure) -> None:
        """ERROR, and the DONE of its statement."""
        self._tokens.failure(failure)
        self._tokens.done(ERROR)

    def database_changed(self, new: str, old: str) -> None:
        """ENVCHANGE and 5701."""
        self._tokens.environment(1, new, old)
        self._tokens.message(5701, f"Changed database context to '{new}'.", 10, 2)

    def flush(self) -> None:
        """Send now."""
        self._tokens.flush()

    def check(self, seconds: float = 0.0) -> None:
        """Raise Cancelled when the client says so."""
        if self._channel.poll(seconds):
            raise Cancelled

    def cut(self) -> NoReturn:
        """Cut the connection, in the middle of a reply."""
        self._tokens.flush()
        self._channel.abort()
        raise ClientGone


def _internal(error: Exception) -> SqlFailure:
    return SqlFailure(50002, f"emulator: internal error: {type(error).__name__}: {error}", 16)


class Session:
    """Serves one connection until the client, or the server, ends it."""

    def __init__(
        self,
        channel: Channel,
        spid: int,
        instance: Instance,
        logins: tuple[Login, ...],
        security: Security,
        faults: TdsFaults,
        count: Callable[[], int],
        audit: Callable[[RequestSeen], None],
    ) -> None:
        self._channel, self._spid, self._instance = channel, spid, instance
        self._tokens = TokenWriter(channel, instance.server_name)
        self._handshake = Handshake(channel, self._tokens, instance, logins, security)
        self._faults, self._count, self._audit = faults, count, audit
        self._fault: str | None = None

    def run(self) -> None:
        """Run to the end; never raises for what a client does."""
        try:
            try:
                who = self._handshake.run(self._gate)
            except (struct.error, IndexError, KeyError, UnicodeDecodeError):
                return  # not a TDS client
            self._serve(who)
        except ClientGone:
            return
        finally:
            self._instance.activity.leave(self._spid)
            self._channel.close()

    def abort(self) -> None:
        """End it from another thread."""
        self._channel.abort()

    def _gate(self) -> int:
        delay = self._faults.login_delay()
        if delay:
            self._channel.poll(delay)
        return self._faults.refused()

    def _serve(self, who: LoggedIn) -> None:
        state = SessionState(
            self._instance, who.login, who.database, self._spid, who.request.host, who.request.application
        )
        state.faults = self._faults
        self._instance.activity.enter(self._spid, state, self.abort)
        reply = TdsReply(self._channel, self._tokens)
        batch = Batch(state, reply)
        procedures = Procedures(batch, self._tokens)
        while True:
            message = self._channel.receive()
            if message.kind == ATTENTION:
                self._tokens.acknowledge_attention()
                continue
            if message.ignored:
                self._tokens.done(ERROR)
                self._tokens.end()
                continue
            if message.status & _RESET:
                state.reset(who.database)
                procedures.forget()
                self._tokens.environment_reset()
            self._request(message, state, batch, procedures)

    def _request(self, message: Message, state: SessionState, batch: Batch, procedures: Procedures) -> None:
        number = self._count()
        self._fault = self._faults.at_request(number)
        if self._fault == "before":
            self._channel.abort()
            raise ClientGone
        try:
            self._dispatch(number, message, state, batch, procedures)
        except Cancelled:
            self._tokens.done(ERROR)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001  # a fault of the lab must reach the client as one, not as a lost connection
            self._tokens.failure(error if isinstance(error, SqlFailure) else _internal(error))
            self._tokens.done(ERROR)
        self._tokens.in_procedure = False
        if self._fault is not None:
            if self._fault == "during":
                self._tokens.flush()
            self._channel.abort()
            raise ClientGone
        self._tokens.end()
        if self._channel.attention:
            self._channel.attention = False
            self._tokens.acknowledge_attention()

    def _dispatch(
        self, number: int, message: Message, state: SessionState, batch: Batch, procedures: Procedures
    ) -> None:
        def seen(kind: str, text: str) -> None:
            self._audit(RequestSeen(number, self._spid, kind, text, state.login.name, state.database))

        version = self._tokens.version
        if message.kind == SQL_BATCH:
            text = message.payload[after_headers(message.payload, version) :].decode("utf-16-le")
            seen("batch", text)
            batch.run(text)
        elif message.kind == RPC:
            for call in read_calls(message.payload, version):
                first = next((each.value for each in call.parameters if isinstance(each.value, str)), "")
                seen("rpc", f"{call.procedure} {first}".strip())
                procedures.call(call)
        elif message.kind == TRANSACTION_MANAGER:
            seen("transaction", message.payload[after_headers(message.payload, version) :].hex())
            self._transaction(message.payload[after_headers(message.payload, version) :], state)
        else:
            raise not_emulated(f"the request of type 0x{message.kind:02X}")

    def _transaction(self, body: bytes, state: SessionState) -> None:
        request = struct.unpack_from("<H", body)[0]
        if request == 5:  # TM_BEGIN_XACT
            state.begin()
            self._tokens.environment_transaction(8, state.transaction, 0)
        elif request in {7, 8}:  # TM_COMMIT_XACT, TM_ROLLBACK_XACT
            ended = state.transaction
            if request == 7:
                state.commit()
            else:
                state.rollback()
            self._tokens.environment_transaction(9 if request == 7 else 10, 0, ended)
        else:
            raise not_emulated(f"transaction manager request {request}")
        self._tokens.done()
