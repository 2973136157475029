"""One shell of WS-Management, which for PowerShell is one runspace pool: its messages and its pipelines."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sitekeeper_lab.engines.api import PsObject, Runspace

from . import fault, records
from .audit import CommandSeen
from .clixml_reader import ClixmlError, loads
from .crew import Crew
from .messages import Assembler, FragmentError, Head, Message, MessageType, message_name
from .outbox import Outbox
from .pipeline_message import parse
from .running import RunningPipeline, Turns

_OPENED = 2  # RunspacePoolState


@dataclass(frozen=True, slots=True)
class ShellFacts:
    """What WS-Management shows of a shell."""

    shell_id: str
    resource_uri: str
    owner: str
    client_ip: str
    idle_timeout: float
    """Seconds."""
    process_id: int
    profile: bool = True
    """The user's profile is loaded, unless the client asked for none."""
    input_streams: str = "stdin pr"
    output_streams: str = "stdout"


class Shell:
    """A runspace pool. Its methods are called from connection threads and raise WsmanFault."""

    def __init__(
        self,
        facts: ShellFacts,
        runspace: Runspace,
        crew: Crew,
        *,
        own_ids: bool,
        on_command: Callable[[CommandSeen], None],
    ) -> None:
        self.facts = facts
        self.connected = True
        self.outbox = Outbox(self._object_id)
        self._ids = itertools.count(1)
        self._runspace = runspace
        self._crew = crew
        self._own_ids = own_ids
        self._on_command = on_command
        self._lock = threading.Lock()
        self._feeding = threading.Lock()
        self._turns = Turns()
        self._assembler = Assembler()
        self._commands: dict[str, RunningPipeline] = {}
        self._by_pipeline: dict[uuid.UUID, RunningPipeline] = {}
        self._pool = uuid.UUID(int=0)
        self._head = Head(self._pool)
        self._sizes = 1, 1
        self._working = 0
        self._closed = False

    def _object_id(self) -> int:
        return next(self._ids)

    @property
    def hresult(self) -> bool:
        """PowerShell 3 and newer write HResult into their exceptions, 2.0 does not."""
        return not self._own_ids

    @property
    def command_ids(self) -> list[str]:
        """The commands that nobody terminated yet."""
        with self._lock:
            return list(self._commands)

    def command(self, command_id: str) -> RunningPipeline:
        """One of them."""
        with self._lock:
            running = self._commands.get(command_id.upper())
        if running is None:
            raise fault.unknown_command()
        return running

    def open(self, creation: bytes, versions: Mapping[str, str]) -> None:
        """Take the client's SESSION_CAPABILITY and INIT_RUNSPACEPOOL, queue the server's side of the opening."""
        kinds = []
        for message in self._assemble(creation):
            kinds.append(message.type)
            if message.type == MessageType.INIT_RUNSPACEPOOL:
                self._pool = message.pool
                self._head = Head(message.pool)
                members = _members(message)
                self._sizes = int(members["MinRunspaces"]), int(members["MaxRunspaces"])
        if kinds != [MessageType.SESSION_CAPABILITY, MessageType.INIT_RUNSPACEPOOL]:
            raise fault.schema_violation("creationXml is not SESSION_CAPABILITY and INIT_RUNSPACEPOOL")
        protocol = versions.get("PSRemotingProtocolVersion", "2.1" if self._own_ids else "2.3")
        capability = Head(uuid.UUID(int=0)).message(
            MessageType.SESSION_CAPABILITY, records.session_capability(protocol)
        )
        self.outbox.put(capability, force=True)
        # recorded servers send the state in an answer of its own
        self._tell(MessageType.APPLICATION_PRIVATE_DATA, records.application_private_data(versions), ends_answer=True)
        self._tell(MessageType.RUNSPACEPOOL_STATE, records.runspacepool_state(_OPENED))

    def connect(self, connection: bytes, versions: Mapping[str, str]) -> bytes:
        """A new client takes the shell over: the fragments for its connectResponseXml."""
        kinds = [message.type for message in Assembler().feed(connection)]
        if MessageType.CONNECT_RUNSPACEPOOL not in kinds:
            raise fault.schema_violation("connectXml has no CONNECT_RUNSPACEPOOL")
        protocol = versions.get("PSRemotingProtocolVersion", "2.3")
        answer = Outbox(self._object_id)
        answer.put(self._head.message(MessageType.SESSION_CAPABILITY, records.session_capability(protocol)))
        answer.put(self._head.message(MessageType.RUNSPACEPOOL_INIT_DATA, records.runspacepool_init_data(*self._sizes)))
        self._tell(MessageType.RUNSPACEPOOL_STATE, records.runspacepool_state(_OPENED))
        with self._feeding:
            self._assembler = Assembler()  # the new client counts its objects from 1 again
        taken = answer.take(0, 1 << 20, 1 << 20, lambda: True)
        return b"".join(taken.fragments) if taken else b""

    def _tell(self, kind: MessageType, clixml: str, *, ends_answer: bool = False) -> None:
        self.outbox.put(self._head.message(kind, clixml), force=True, ends_answer=ends_answer)

    def _assemble(self, data: bytes) -> list[Message]:
        try:
            with self._feeding:
                return self._assembler.feed(data)
        except FragmentError as error:
            raise fault.schema_violation(f"PSRP: {error}.") from error

    def start(self, command_id: str, data: bytes, limit: int) -> str:
        """Command: the id of the new command, the server's own with WS-Management 2.0."""
        if len(self.command_ids) >= limit:
            raise fault.too_many_commands()
        identity = (str(uuid.uuid4()) if self._own_ids or not command_id else command_id).upper()
        messages = self._assemble(data)
        pipeline_id = messages[0].pipeline if messages else uuid.UUID(command_id or identity)
        running = RunningPipeline(
            identity, Outbox(self._object_id), Head(self._pool, pipeline_id), hresult=self.hresult
        )
        with self._lock:
            if self._closed:
                raise fault.unknown_shell()
            self._commands[identity] = running
            self._by_pipeline[pipeline_id] = running
        for message in messages:
            self._dispatch(message)
        return identity

    def feed(self, data: bytes, command_id: str = "") -> None:
        """Send: fragments for the pool or for any of its pipelines."""
        for message in self._assemble(data):
            self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        kind = message.type
        if kind == MessageType.CREATE_PIPELINE:
            self._create_pipeline(message)
        elif kind in (MessageType.PIPELINE_INPUT, MessageType.END_OF_PIPELINE_INPUT):
            with self._lock:
                running = self._by_pipeline.get(message.pipeline)
            if running is None:
                raise fault.unknown_command()
            if kind == MessageType.PIPELINE_INPUT:
                running.input.put(message.data)
            else:
                running.input.end()
        elif kind == MessageType.GET_AVAILABLE_RUNSPACES:
            self._answer_call(message, self._sizes[1])
        elif kind in (MessageType.SET_MAX_RUNSPACES, MessageType.SET_MIN_RUNSPACES):
            members = _members(message)
            low, high = self._sizes
            low, high = int(members.get("MinRunspaces", low)), int(members.get("MaxRunspaces", high))
            if valid := 1 <= low <= high:
                self._sizes = low, high
            self._answer_call(message, valid)
        else:
            raise fault.not_emulated(f"PSRP message {message_name(kind)}")

    def _answer_call(self, message: Message, answer: bool | int) -> None:
        members = _members(message)
        call = int(members.get("ci", members.get("CI", 0)))
        self._tell(MessageType.RUNSPACE_AVAILABILITY, records.runspace_availability(call, answer))

    def _create_pipeline(self, message: Message) -> None:
        with self._lock:
            running = self._by_pipeline.get(message.pipeline)
        if running is None:
            raise fault.unknown_command()
        try:
            pipeline = parse(message.data)
        except ClixmlError as error:
            running.fail(error)
            return
        seen = CommandSeen(self.facts.owner, self.facts.shell_id, running.command_id, pipeline.statements)
        self._on_command(seen)

        def work() -> None:
            try:
                running.run(pipeline, self._runspace, self._turns)
            finally:
                self._left()

        with self._lock:
            self._working += 1
        self._turns.join(running)
        self._crew.start(f"pipeline {running.command_id}", work)

    def _left(self) -> None:
        with self._lock:
            self._working -= 1
            last = self._closed and not self._working
        if last:
            self._runspace.close()

    def terminate(self, command_id: str) -> None:
        """Signal Terminate: the command and all it still had to say is gone."""
        running = self.command(command_id)
        running.close()
        with self._lock:
            self._commands.pop(running.command_id, None)
            self._by_pipeline = {key: each for key, each in self._by_pipeline.items() if each is not running}

    def close(self) -> None:
        """Delete: stop every pipeline; the runspace is closed when the last of them has ended."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            commands = list(self._commands.values())
            idle = not self._working
        for running in commands:
            running.close()
        self.outbox.close()
        if idle:
            self._runspace.close()


def _members(message: Message) -> dict[str, Any]:
    try:
        value = loads(message.data)
    except ClixmlError as error:
        raise fault.schema_violation(f"{message_name(message.type)}: {error}.") from error
    return value.extended if isinstance(value, PsObject) else {}
