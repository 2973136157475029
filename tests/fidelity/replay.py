"""Real Windows as a transport: our session code asks, and recorded answers come.

Our requests differ from the recorded ones (other commands, other ids), so they are matched by what they do: a Create gets the
next Create's answer, a Command the next Command's, a Receive the next one of its own pipeline. In the answers only ids are
exchanged: RelatesTo, and the ids that the client chose, where Windows took those of the recorded client, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pypsrp.exceptions import WinRMTransportError

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.secrets import Secret
from sitekeeper.transport.psrp import connection, shell
from sitekeeper.transport.psrp.connection import PsrpTarget
from sitekeeper.transport.psrp.session import PsrpSession

from .recorded import Asked, Exchange, asked, dialogue, shell_of

NEVER_ASKED = frozenset({"Send", "Get", "Enumerate", "Disconnect", "Reconnect", "Connect"})
"""Requests in the recordings that our client never sends: it gives no input, and a lost shell is opened anew."""
_PLAIN = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"


class UnexpectedRequestError(AssertionError):
    """Our client asked for something that this machine was not asked for."""


class Replay:
    """Answers as the recorded machine did; stands in for pypsrp's HTTP transport, of every connection of a session."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self.endpoint = "http://recorded:5985/wsman"
        self.session: Any = None
        self.encryption: Any = None
        self.seen: list[Asked] = []
        """What our client asked for."""
        self.sent: list[bytes] = []
        """The same, as it was sent."""
        self._left = deque(exchanges)
        self._shells: dict[str, str] = {}
        """Our client's name of a shell or pipeline: the recorded one."""

    def close(self) -> None:
        """Nothing is open."""

    @property
    def left(self) -> list[str]:
        """Operations whose answers were not fetched, of those that our client knows."""
        return [one.asked.operation for one in self._left if one.asked.operation not in NEVER_ASKED]

    def answer_next(self, exchange: Exchange) -> None:
        """Let the next request, whatever it is, be answered by this."""
        self._left.appendleft(
            Exchange(Asked("*", "", exchange.asked.message, "", ""), exchange.answer, exchange.status)
        )

    def send(self, message: bytes, **_: Any) -> bytes:
        """The recorded answer.

        Raises:
            WinRMTransportError: it was a fault.

        """
        request = asked(message)
        self.seen.append(request)
        self.sent.append(message)
        exchange = self._take(request) or self._borrowed(request)
        answer = exchange.answer.replace(exchange.asked.message, request.message)
        answer = self._with_our_ids(request, exchange, answer)
        if exchange.status != 200:
            raise WinRMTransportError("http", exchange.status, answer)
        return answer.encode()

    def _take(self, request: Asked) -> Exchange | None:
        command = self._shells.get(request.command, request.command)
        for exchange in self._left:
            theirs = exchange.asked
            if theirs.operation == "*":
                break
            if theirs.operation != request.operation:
                continue
            if request.operation == "Create" and theirs.resource != request.resource:
                raise UnexpectedRequestError(f"{request.resource} was opened, {theirs.resource} is recorded")
            if request.operation == "Create" or (
                theirs.shell == self._shells.get(request.shell)
                and (request.operation == "Command" or theirs.command == command)
            ):
                break
        else:
            return None
        self._left.remove(exchange)
        return exchange

    def _borrowed(self, request: Asked) -> Exchange:
        """The end of a pipeline or a shell, which the recorded client did not ask for here, from another recording."""
        if request.operation not in {"Signal", "Delete"} or request.shell not in self._shells:
            raise UnexpectedRequestError(f"no answer to {request.operation} of {request.shell} {request.command}")
        return next(one for one in dialogue("psrp-multiple-invocations") if one.asked.operation == request.operation)

    def _with_our_ids(self, request: Asked, exchange: Exchange, answer: str) -> str:
        if request.operation == "Create" and exchange.status == 200:
            given = shell_of(exchange)
            kept = given == exchange.asked.shell  # Server 2008 R2 gives a shell an id of its own
            self._shells[request.shell if kept else given] = given
            return answer.replace(given, request.shell) if kept else answer
        if request.operation == "Command" and exchange.status == 200:
            given = answer.partition("CommandId>")[2].partition("<")[0]
            kept = given == exchange.asked.command
            self._shells[request.command if kept else given] = given
            return answer.replace(given, request.command) if kept else answer
        return answer.replace(exchange.asked.command, request.command) if exchange.asked.command else answer


def target(resource: str = _PLAIN) -> PsrpTarget:
    """A host whose session configuration is the recorded one."""
    return PsrpTarget(
        host="PR1",
        server="recorded",
        port=5985,
        ssl=False,
        auth="ntlm",
        user="LAB\\keeper",
        password=Secret("test", lambda: "x"),
        configuration=resource.rpartition("/")[2],
    )


@contextmanager
def replayed(exchanges: list[Exchange]) -> Iterator[tuple[PsrpSession, Replay]]:
    """A session of ours whose every connection leads to the recorded machine."""
    transport = Replay(exchanges)

    def wsman_of(to: PsrpTarget) -> Any:
        wsman: Any = connection.wsman_of(to)
        wsman.transport = transport
        return wsman

    creates = [one.asked.resource for one in exchanges if one.asked.operation == "Create"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shell, "wsman_of", wsman_of)
        session = PsrpSession(target(creates[0] if creates else _PLAIN), SystemClock())
        yield session, transport
        session.close()
