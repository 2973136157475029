"""What a server tells those who watch it: every HTTP request and every pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sitekeeper_lab.engines.api import Command


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One HTTP request, told when its answer is ready and before it is sent (or lost)."""

    number: int
    """1, 2, 3 ... in the order of arrival at this server."""
    operation: str
    """Create, Command, Send, Receive, Signal, Delete, Get, Enumerate, Connect, Disconnect, Reconnect, Identify; or
    Login for the steps of authentication and Refused for what never became an operation."""
    status: int
    """HTTP status; 0 when the connection was dropped by a fault."""
    shell_id: str | None
    command_id: str | None
    message_id: str | None
    user: str | None
    login: str | None
    """How the user logged in: ntlm, kerberos, basic or certificate."""
    bytes_in: int
    """Of the body as it came over the wire."""
    bytes_out: int
    replayed: bool = False
    """The answer of an earlier request with the same MessageID was sent again."""


@dataclass(frozen=True, slots=True)
class CommandSeen:
    """One pipeline, told before it runs."""

    user: str
    shell_id: str
    command_id: str
    statements: tuple[tuple[Command, ...], ...]


OnRequest = Callable[[RequestSeen], None]
OnCommand = Callable[[CommandSeen], None]
