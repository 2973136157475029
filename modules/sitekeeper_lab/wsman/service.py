"""The WS-Management operations of one host, over its shells."""

from __future__ import annotations

import base64
import binascii
import logging
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sitekeeper_lab.engines.api import Engine, Prompt, PsrpProcess

from . import fault, shell_xml, soap
from .audit import CommandSeen
from .crew import Crew
from .forwarded import ForwardedShell, PowerShell
from .limits import Limits, is_old
from .outbox import OutboxClosed, Superseded
from .replays import Replays
from .shell import Shell, ShellFacts
from .shells import Shells
from .soap import PWSH, RSP, SHELL, Request
from .winrs import URI as COMMAND_LINES
from .winrs import CommandShell

_POWERSHELL: Final = "http://schemas.microsoft.com/powershell/"
_CONFIG: Final = "http://schemas.microsoft.com/wbem/wsman/1/config"
_SIGNALS: Final = {
    "powershell/signal/ctrl_c": "stop",
    "powershell/signal/crtl_c": "stop",  # spelled so by Windows itself and by pypsrp
    f"{SHELL}/signal/ctrl_c": "stop",
    f"{SHELL}/signal/Terminate": "terminate",
    f"{SHELL}/signal/terminate": "terminate",
}
_log: Final = logging.getLogger(__name__)
_DONE: Final = f"{SHELL}/CommandState/Done"


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
        monotonic: Callable[[], float],
        prompt: Prompt | None = None,
    ) -> None:
        self.shells = Shells(limits, monotonic)
        self._engine = engine
        self._prompt = prompt
        self._crew = crew
        self._limits = limits
        self._configurations = {_POWERSHELL.lower() + each.lower() for each in configurations}
        self._on_command = on_command
        self._old = is_old(engine.versions)
        self._replays = Replays()
        self._operations: dict[str, Callable[[Request, Caller], str]] = {
            "Create": self._create,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
            "Get": self._get,
            "Enumerate": self._enumerate,
        }
        if not self._old:  # disconnected shells came with 3.0
            self._operations["Disconnect"] = self._disconnect
            self._operations["Reconnect"] = self._reconnect
            self._operations["Connect"] = self._connect

    def add_configuration(self, name: str) -> None:
        """One more session configuration."""
        self._configurations.add(_POWERSHELL.lower() + name.lower())

    @property
    def product_version(self) -> str:
        """As Identify says it. The build is that of PowerShell's BuildVersion."""
        versions = self._engine.versions
        build = ".".join(versions.get("BuildVersion", "0.0.0").split(".")[:3])
        return f"OS: {build} SP: 0.0 Stack: {versions.get('WSManStackVersion', '3.0')}"

    def handle(self, request: Request, caller: Caller) -> Answer:
        """Answer one request; every fault is an answer too."""
        shell_id, command_id = request.shell_id, request.command_id
        key = caller.user, request.message_id
        kept = self._replays.find(key, shell_id, command_id) if request.message_id else None
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
        return Answer(500, envelope, request.shell_id or None, request.command_id or None)

    def _operation(self, request: Request) -> Callable[[Request, Caller], str]:
        operation = self._operations.get(request.operation)
        if operation is None:
            raise fault.unknown_action(request.action)
        soap.seconds(request.operation_timeout)  # refuses what is no duration, of every operation
        return operation

    def _create(self, request: Request, caller: Caller) -> str:
        uri = request.resource_uri
        if uri.lower() == COMMAND_LINES and self._prompt is not None:
            return self._create_of_command_lines(request, caller, self._prompt)
        if uri.lower().startswith(SHELL):
            raise fault.not_emulated(f"the shell {uri}")
        if uri.lower() not in self._configurations:
            raise fault.unknown_resource(uri)
        asked = _body(request, "Shell")
        creation = asked.find(f"{PWSH}creationXml")
        if creation is None:
            raise fault.schema_violation("rsp:Shell without creationXml")
        facts = self._facts(request, caller, asked)
        try:
            opened = self._engine.open(caller.user, uri.rpartition("/")[2])
        except PermissionError as error:
            raise fault.access_denied() from error
        shell: PowerShell
        if isinstance(opened, PsrpProcess):
            shell = ForwardedShell(facts, opened, self._crew, own_ids=self._old, on_command=self._on_command)
        else:
            shell = Shell(facts, opened, self._crew, own_ids=self._old, on_command=self._on_command)
        try:
            shell.open(_decoded(creation), self._engine.versions)
        except fault.WsmanFault:
            shell.close()
            raise
        self.shells.add(shell)
        created = shell_xml.created(request.to, uri, facts.shell_id)
        return created if self._old else created + shell_xml.shell(facts, "Connected", 0, 0)

    def _create_of_command_lines(self, request: Request, caller: Caller, prompt: Prompt) -> str:
        asked = _body(request, "Shell")
        try:
            prompt.check(caller.user)
        except PermissionError as error:
            raise fault.access_denied() from error
        facts = self._facts(request, caller, asked)
        shell = CommandShell(replace(facts, input_streams="stdin", output_streams="stdout stderr"), prompt, asked)
        self.shells.add(shell)
        return shell_xml.created(request.to, request.resource_uri, facts.shell_id) + shell.shown()

    def _facts(self, request: Request, caller: Caller, asked: ET.Element) -> ShellFacts:
        asked_id = _guid(asked.get("ShellId", ""))
        idle = asked.findtext(f"{RSP}IdleTimeOut")
        return ShellFacts(
            shell_id=asked_id if asked_id and not self._old else str(uuid.uuid4()).upper(),
            resource_uri=request.resource_uri,
            owner=caller.user,
            client_ip=caller.address,
            idle_timeout=soap.seconds(idle) if idle else self._limits.idle_timeout,
            process_id=self.shells.new_process(caller.user),
            profile=request.options.get("WINRS_NOPROFILE", "").upper() != "TRUE",
        )

    def _powershell(self, request: Request, caller: Caller, *, connected: bool = True) -> PowerShell:
        shell = self.shells.use(request.shell_id, caller.user, connected=connected)
        if isinstance(shell, CommandShell):
            raise fault.not_emulated(f"{request.operation} with a shell of command lines")
        return shell

    def _command(self, request: Request, caller: Caller) -> str:
        shell = self.shells.use(request.shell_id, caller.user)
        line = _body(request, "CommandLine")
        if isinstance(shell, CommandShell):
            command_id = shell.start(line)
        else:
            data = b"".join(_decoded(each) for each in line.findall(f"{RSP}Arguments"))
            command_id = shell.start(_guid(line.get("CommandId", "")), data, self._limits.commands_per_shell)
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, request: Request, caller: Caller) -> str:
        shell = self._powershell(request, caller)
        for stream in _body(request, "Send").findall(f"{RSP}Stream"):
            command_id = stream.get("CommandId", "")
            if command_id:
                shell.command(command_id)
            shell.feed(_decoded(stream), command_id)
        return "<rsp:SendResponse/>"

    def _receive(self, request: Request, caller: Caller) -> str:
        shell = self.shells.use(request.shell_id, caller.user)
        command_id = request.command_id
        if isinstance(shell, CommandShell):
            return shell.receive(command_id)
        outbox = shell.command(command_id).outbox if command_id else shell.outbox
        room = min(request.room, self._limits.max_envelope)
        try:
            with self.shells.waited_for(shell):
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
        shell = self.shells.use(request.shell_id, caller.user)
        body = _body(request, "Signal")
        code = body.findtext(f"{RSP}Code") or ""
        command_id = body.get("CommandId", "")
        action = _SIGNALS.get(code)
        if action is None:
            raise fault.not_emulated(f"the signal {code}")
        if action == "stop" and isinstance(shell, Shell):
            shell.command(command_id).stop()
        else:
            shell.terminate(command_id)
            self._replays.forget(shell.facts.shell_id, command_id.upper())
        return "<rsp:SignalResponse/>"

    def _delete(self, request: Request, caller: Caller) -> str:
        shell = self.shells.use(request.shell_id, caller.user, connected=False)
        self.shells.remove(shell)
        self._replays.forget(shell.facts.shell_id)
        return ""

    def _get(self, request: Request, caller: Caller) -> str:
        if request.resource_uri == _CONFIG:
            return self._limits.config()
        return self.shells.look(request.shell_id, caller.user).xml(self.shells.monotonic())

    def _enumerate(self, request: Request, caller: Caller) -> str:
        uri = request.resource_uri.lower()
        if uri == SHELL.lower():
            items = "".join(each.xml(self.shells.monotonic()) for each in self.shells.of(caller.user))
        elif uri == SHELL.lower() + "/command":
            wanted = request.body.find(f".//{soap.W}Selector[@Name='ShellId']") if request.body is not None else None
            held = self.shells.look((wanted.text or "") if wanted is not None else "", caller.user)
            items = "".join(shell_xml.command(each) for each in held.shell.command_ids)
        else:
            raise fault.unknown_resource(request.resource_uri)
        return (
            "<n:EnumerateResponse><n:EnumerationContext></n:EnumerationContext>"
            f"<w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
        )

    def _disconnect(self, request: Request, caller: Caller) -> str:
        shell = self._powershell(request, caller)
        shell.connected = False
        return ""

    def _reconnect(self, request: Request, caller: Caller) -> str:
        self._powershell(request, caller, connected=False).connected = True
        return ""

    def _connect(self, request: Request, caller: Caller) -> str:
        shell = self._powershell(request, caller, connected=False)
        body = _body(request, "Connect")
        if command_id := body.get("CommandId"):
            shell.command(command_id)
            return "<rsp:ConnectResponse/>"
        connection = body.find(f"{PWSH}connectXml")
        if connection is None:
            raise fault.schema_violation("rsp:Connect without connectXml")
        shell.connected = True
        fragments = base64.b64encode(shell.connect(_decoded(connection), self._engine.versions)).decode("ascii")
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


def _guid(written: str) -> str:
    """A GUID that a client chose, in upper case; empty if it chose none."""
    try:
        return str(uuid.UUID(written)).upper() if written else ""
    except ValueError as error:
        raise fault.schema_violation(f"{written} is no GUID.") from error


def _decoded(element: ET.Element) -> bytes:
    try:
        return base64.b64decode(element.text or "", validate=True)
    except binascii.Error as error:
        raise fault.schema_violation(f"{element.tag}: {error}.") from error
