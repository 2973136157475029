"""The WS-Management operations of one host, over its shells."""

from __future__ import annotations

import base64
import binascii
import logging
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sitekeeper.lab.engines.api import Engine

from . import fault, shell_xml, soap
from .audit import CommandSeen
from .crew import Crew
from .outbox import OutboxClosed, Superseded
from .replays import Replays
from .shell import Shell, ShellFacts
from .soap import PWSH, RSP, SHELL, Request

_POWERSHELL: Final = "http://schemas.microsoft.com/powershell/"
_SIGNALS: Final = {
    "powershell/signal/ctrl_c": "stop",
    "powershell/signal/crtl_c": "stop",  # spelled so by Windows itself and by pypsrp
    f"{SHELL}/signal/ctrl_c": "stop",
    f"{SHELL}/signal/Terminate": "terminate",
    f"{SHELL}/signal/terminate": "terminate",
}
_log: Final = logging.getLogger(__name__)
_DONE: Final = f"{SHELL}/CommandState/Done"
_COMMANDLESS: Final = "Create", "Delete", "Get", "Enumerate", "Disconnect", "Reconnect"


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas of ``winrm/config``; the defaults are those of Windows Server 2012 and newer."""

    shells_per_user: int = 30
    commands_per_shell: int = 1000
    max_envelope: int = 512_000
    """Bytes (MaxEnvelopeSizekb is 500; 150 on Server 2008 R2)."""
    idle_timeout: float = 7_200.0
    """Seconds without a request after which a shell shows as Disconnected."""
    answer_bytes: int = 131_072
    """A Receive is answered once this much is in it, as recorded servers do, however big the envelope may be."""


@dataclass(slots=True)
class _Held:
    shell: Shell
    made: float
    used: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and whether they are still there."""

    user: str
    address: str
    alive: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope to send, and what the audit says about the request."""

    status: int
    envelope: bytes
    shell_id: str | None = None
    command_id: str | None = None
    replayed: bool = False


class Service:
    """Thread-safe; called from connection threads."""

    def __init__(
        self,
        engine: Engine,
        crew: Crew,
        limits: Limits,
        configurations: frozenset[str],
        on_command: Callable[[CommandSeen], None],
    ) -> None:
        self._engine = engine
        self._crew = crew
        self._limits = limits
        self._configurations = {_POWERSHELL.lower() + each.lower() for each in configurations}
        self._on_command = on_command
        self._lock = threading.Lock()
        self._shells: dict[str, _Held] = {}
        self._replays = Replays()
        self._process_id = 1_000

    @property
    def _versions(self) -> Mapping[str, str]:
        return self._engine.versions

    @property
    def _old(self) -> bool:
        """WS-Management 2.0: Server 2003 to 2008 R2 with PowerShell 2.0."""
        return self._versions.get("WSManStackVersion", "3.0").startswith("2.")

    @property
    def product_version(self) -> str:
        """As Identify says it. The build is that of PowerShell's BuildVersion."""
        build = ".".join(self._versions.get("BuildVersion", "0.0.0").split(".")[:3])
        return f"OS: {build} SP: 0.0 Stack: {self._versions.get('WSManStackVersion', '3.0')}"

    @property
    def shell_ids(self) -> list[str]:
        """The open shells."""
        with self._lock:
            return list(self._shells)

    def close(self) -> None:
        """Close every shell."""
        with self._lock:
            held = list(self._shells.values())
            self._shells.clear()
        for each in held:
            each.shell.close()

    def handle(self, request: Request, caller: Caller) -> Answer:
        """Answer one request; every fault is an answer too."""
        shell_id = request.selectors.get("ShellId", "").upper()
        command_id = _command_id(request)
        key = caller.user, request.message_id
        kept = self._replays.find(key, shell_id, command_id)
        if kept is not None:
            return Answer(200, kept, shell_id or None, command_id or None, replayed=True)
        try:
            body = self._operation(request)(request, caller)
        except fault.WsmanFault as problem:
            return self._fault(problem, request)
        except Exception as error:  # noqa: BLE001  the lab's own mistake must reach whoever made the request
            _log.error("%s failed", request.operation, exc_info=error)
            return self._fault(fault.broken(error), request)
        envelope = soap.answer(request.action, request.message_id, body)
        if request.operation == "Receive":
            self._replays.keep_receive(key, shell_id, command_id, envelope)
        else:
            self._replays.keep(key, envelope)
        return Answer(200, envelope, shell_id or None, command_id or None)

    @staticmethod
    def _fault(problem: fault.WsmanFault, request: Request) -> Answer:
        envelope = soap.fault(problem, request.message_id, request.machine)
        return Answer(500, envelope, request.selectors.get("ShellId"), _command_id(request) or None)

    def _operation(self, request: Request) -> Callable[[Request, Caller], str]:
        operations = {
            "Create": self._create,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
            "Get": self._get,
            "Enumerate": self._enumerate,
            "Disconnect": self._disconnect,
            "Reconnect": self._reconnect,
            "Connect": self._connect,
        }
        if request.operation not in operations:
            raise fault.not_emulated(f"the action {request.action}")
        return operations[request.operation]

    def _held(self, request: Request, caller: Caller, *, connected: bool = True) -> _Held:
        with self._lock:
            held = self._shells.get(request.selectors.get("ShellId", "").upper())
            if held is not None:
                held.used = time.monotonic()
        if held is None:
            raise fault.unknown_shell()
        if held.shell.facts.owner != caller.user:
            raise fault.access_denied()
        if connected and not held.shell.connected:
            raise fault.disconnected()
        return held

    def _create(self, request: Request, caller: Caller) -> str:
        uri = request.resource_uri
        if uri.lower().startswith(SHELL):
            raise fault.not_emulated(f"the shell {uri}")
        if uri.lower() not in self._configurations:
            raise fault.unknown_resource(uri)
        asked = _body(request, "Shell")
        creation = asked.find(f"{PWSH}creationXml")
        if creation is None:
            raise fault.schema_violation("rsp:Shell without creationXml")
        own = self._old or not asked.get("ShellId")
        idle = asked.findtext(f"{RSP}IdleTimeOut")
        with self._lock:
            self._process_id += 4
            facts = ShellFacts(
                shell_id=str(uuid.uuid4()).upper() if own else asked.get("ShellId", "").upper(),
                resource_uri=uri,
                owner=caller.user,
                client_ip=caller.address,
                idle_timeout=soap.seconds(idle) if idle else self._limits.idle_timeout,
                process_id=self._process_id,
            )
            if sum(each.shell.facts.owner == caller.user for each in self._shells.values()) >= (
                self._limits.shells_per_user
            ):
                raise fault.too_many_shells(self._limits.shells_per_user)
        shell = Shell(facts, self._engine.open(caller.user), self._crew, own_ids=self._old, on_command=self._on_command)
        try:
            shell.open(_decoded(creation), self._versions)
        except fault.WsmanFault:
            shell.close()
            raise
        now = time.monotonic()
        with self._lock:
            self._shells[facts.shell_id] = _Held(shell, now, now)
        created = shell_xml.created(request.to, uri, facts.shell_id)
        return created if self._old else created + shell_xml.shell(facts, "Connected", 0, 0)

    def _command(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller).shell
        line = _body(request, "CommandLine")
        data = b"".join(_decoded(each) for each in line.findall(f"{RSP}Arguments"))
        command_id = shell.start(line.get("CommandId", ""), data, self._limits.commands_per_shell)
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller).shell
        for stream in _body(request, "Send").findall(f"{RSP}Stream"):
            if command_id := stream.get("CommandId"):
                shell.command(command_id)
            shell.feed(_decoded(stream))
        return "<rsp:SendResponse/>"

    def _receive(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller).shell
        command_id = _command_id(request)
        outbox = shell.command(command_id).outbox if command_id else shell.outbox
        room = min(request.room, self._limits.max_envelope)
        try:
            taken = outbox.take(request.timeout, room, self._limits.answer_bytes, caller.alive)
        except (OutboxClosed, Superseded):
            raise fault.aborted() from None
        if taken is None:
            raise fault.timed_out()
        attribute = f' CommandId="{command_id}"' if command_id else ""
        start = f'<rsp:Stream Name="stdout"{attribute}>'
        parts = ["<rsp:ReceiveResponse>"]
        for each in taken.fragments:
            parts += (start, binascii.b2a_base64(each, newline=False).decode("ascii"), "</rsp:Stream>")
        if taken.done and command_id:
            parts.append(
                f'<rsp:CommandState CommandId="{command_id}" State="{_DONE}"><rsp:ExitCode>0</rsp:ExitCode>'
                "</rsp:CommandState>"
            )
        parts.append("</rsp:ReceiveResponse>")
        return "".join(parts)

    def _signal(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller).shell
        body = _body(request, "Signal")
        code = body.findtext(f"{RSP}Code") or ""
        command_id = body.get("CommandId", "")
        action = _SIGNALS.get(code)
        if action is None:
            raise fault.not_emulated(f"the signal {code}")
        if action == "stop":
            shell.command(command_id).stop()
        else:
            shell.terminate(command_id)
            self._replays.forget(shell.facts.shell_id, command_id.upper())
        return "<rsp:SignalResponse/>"

    def _delete(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller, connected=False).shell
        with self._lock:
            self._shells.pop(shell.facts.shell_id, None)
        shell.close()
        self._replays.forget(shell.facts.shell_id)
        return ""

    def _shown(self, held: _Held) -> str:
        now = time.monotonic()
        idle = now - held.used
        facts = held.shell.facts
        state = "Connected" if held.shell.connected and idle < facts.idle_timeout else "Disconnected"
        return shell_xml.shell(facts, state, now - held.made, idle, used=True)

    def _get(self, request: Request, caller: Caller) -> str:
        with self._lock:
            held = self._shells.get(request.selectors.get("ShellId", "").upper())
            before = held.used if held else 0.0
        held = self._held(request, caller, connected=False)
        held.used = before  # looking at a shell is not using it
        return self._shown(held)

    def _enumerate(self, request: Request, caller: Caller) -> str:
        uri = request.resource_uri.lower()
        if uri == SHELL.lower():
            with self._lock:
                shells = [each for each in self._shells.values() if each.shell.facts.owner == caller.user]
            items = "".join(self._shown(each) for each in shells)
        elif uri == SHELL.lower() + "/command":
            wanted = request.body.find(f".//{soap.W}Selector[@Name='ShellId']") if request.body is not None else None
            with self._lock:
                held = self._shells.get((wanted.text or "").upper() if wanted is not None else "")
            if held is None or held.shell.facts.owner != caller.user:
                raise fault.unknown_shell()
            items = "".join(shell_xml.command(each) for each in held.shell.command_ids)
        else:
            raise fault.unknown_resource(request.resource_uri)
        return (
            "<n:EnumerateResponse><n:EnumerationContext></n:EnumerationContext>"
            f"<w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
        )

    def _disconnect(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller).shell
        shell.connected = False
        return "<rsp:Disconnect />"

    def _reconnect(self, request: Request, caller: Caller) -> str:
        self._held(request, caller, connected=False).shell.connected = True
        return ""

    def _connect(self, request: Request, caller: Caller) -> str:
        shell = self._held(request, caller, connected=False).shell
        body = _body(request, "Connect")
        if command_id := body.get("CommandId"):
            shell.command(command_id)
            return "<rsp:ConnectResponse/>"
        connection = body.find(f"{PWSH}connectXml")
        if connection is None:
            raise fault.schema_violation("rsp:Connect without connectXml")
        shell.connected = True
        fragments = base64.b64encode(shell.connect(_decoded(connection), self._versions)).decode("ascii")
        return (
            "<rsp:ConnectResponse><rsp:InputStreams>stdin pr</rsp:InputStreams>"
            "<rsp:OutputStreams>stdout</rsp:OutputStreams>"
            f'<connectResponseXml xmlns="http://schemas.microsoft.com/powershell">{fragments}</connectResponseXml>'
            "</rsp:ConnectResponse>"
        )


def _body(request: Request, name: str) -> ET.Element:
    if request.body is None or request.body.tag != RSP + name:
        raise fault.schema_violation(f"{request.operation} without rsp:{name}")
    return request.body


def _command_id(request: Request) -> str:
    """The CommandId that a request names, in upper case; empty for the shell itself."""
    body = request.body
    if body is None or request.operation in _COMMANDLESS:
        return ""
    carrier = body if request.operation in ("Signal", "Connect", "Command") else body.find("*")
    return (carrier.get("CommandId", "") if carrier is not None else "").upper()


def _decoded(element: ET.Element) -> bytes:
    try:
        return base64.b64decode(element.text or "", validate=True)
    except binascii.Error as error:
        raise fault.schema_violation(f"{element.tag}: {error}.") from error
