"""A shell whose PowerShell is a process that speaks PSRP itself: messages go through as they are.

The lab takes part in the wire only: it keeps what the process says until the client fetches it, and sees when a
pipeline has ended.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sitekeeper_lab.engines.api import Pipeline, PsObject, PsrpProcess

from . import fault, records
from .audit import CommandSeen
from .clixml_reader import ClixmlError, loads
from .crew import Crew
from .messages import Assembler, FragmentError, Message, MessageType, encoded
from .outbox import Outbox, PipelineStopped
from .pipeline_message import parse
from .shell import Shell, ShellFacts

_ENDED = (3, 4, 5)
"""PSInvocationState: Stopped, Completed, Failed."""


class ForwardedPipeline:
    """A command of a shell, from Command to Terminate."""

    def __init__(
        self, command_id: str, pipeline: uuid.UUID, outbox: Outbox, process: PsrpProcess, told: Assembler
    ) -> None:
        self.command_id = command_id
        self.pipeline = pipeline
        self.outbox = outbox
        self.heard = Assembler()
        self.told = told
        """What the client sends: its pipeline may come in several pieces."""
        self._process = process

    def stop(self) -> None:
        """The client's Ctrl+C; PowerShell itself says when it has stopped."""
        self._process.stop(self.pipeline)


class ForwardedShell:
    """As ``Shell``, over a process. Its methods are called from connection threads and raise WsmanFault."""

    def __init__(
        self,
        facts: ShellFacts,
        process: PsrpProcess,
        crew: Crew,
        *,
        own_ids: bool,
        on_command: Callable[[CommandSeen], None],
    ) -> None:
        self.facts = facts
        self.connected = True
        self._ids = itertools.count(1)
        self.outbox = Outbox(self._object_id)
        self._process = process
        self._crew = crew
        self._own_ids = own_ids
        self._on_command = on_command
        self._protocol = ""
        self._lock = threading.Lock()
        self._heard = Assembler()
        self._commands: dict[str, ForwardedPipeline] = {}
        self._by_pipeline: dict[uuid.UUID, ForwardedPipeline] = {}

    def _object_id(self) -> int:
        return next(self._ids)

    @property
    def command_ids(self) -> list[str]:
        """The commands that nobody terminated yet."""
        with self._lock:
            return list(self._commands)

    def command(self, command_id: str) -> ForwardedPipeline:
        """One of them."""
        with self._lock:
            running = self._commands.get(command_id.upper())
        if running is None:
            raise fault.unknown_command()
        return running

    def open(self, creation: bytes, versions: Mapping[str, str]) -> None:
        """Send the client's side of the opening; the process' side waits for its Receive."""
        self._protocol = versions.get("PSRemotingProtocolVersion", "2.3")
        self._crew.start(f"powershell of {self.facts.shell_id}", self._listen)
        self._process.send(None, creation)

    def connect(self, connection: bytes, versions: Mapping[str, str]) -> bytes:
        """A process with one client knows of no other."""
        raise fault.not_emulated("taking over a shell of a real PowerShell")

    def start(self, command_id: str, data: bytes, limit: int) -> str:
        """Command: the id of the new command, the server's own with WS-Management 2.0."""
        if len(self.command_ids) >= limit:
            raise fault.too_many_commands()
        told = Assembler()
        messages = _messages(told, data)
        identity = (str(uuid.uuid4()) if self._own_ids or not command_id else command_id).upper()
        pipeline = messages[0].pipeline if messages else uuid.UUID(command_id or identity)
        running = ForwardedPipeline(identity, pipeline, Outbox(self._object_id), self._process, told)
        with self._lock:
            self._commands[identity] = running
            self._by_pipeline[pipeline] = running
        self._process.begin(pipeline)
        self._note(running, messages)
        self._process.send(pipeline, data)
        return identity

    def _note(self, running: ForwardedPipeline, messages: list[Message]) -> None:
        """A pipeline that comes in several pieces is noted before its last piece is handed on."""
        for message in messages:
            if message.type == MessageType.CREATE_PIPELINE:
                try:
                    statements = parse(message.data).statements
                except ClixmlError:
                    return  # the process will say what it thinks of it
                self._process.note(Pipeline(statements))
                self._on_command(CommandSeen(self.facts.owner, self.facts.shell_id, running.command_id, statements))

    def feed(self, data: bytes, command_id: str = "") -> None:
        """Send: fragments for the pool or for one of its pipelines."""
        if not command_id:
            self._process.send(None, data)
            return
        running = self.command(command_id)
        self._note(running, _messages(running.told, data))
        self._process.send(running.pipeline, data)

    def terminate(self, command_id: str) -> None:
        """Signal Terminate: the command and all it still had to say is gone."""
        running = self.command(command_id)
        with self._lock:
            self._commands.pop(running.command_id, None)
            self._by_pipeline.pop(running.pipeline, None)
        running.outbox.close()
        self._process.end(running.pipeline)

    def close(self) -> None:
        """Delete: end the process."""
        with self._lock:
            commands = list(self._commands.values())
        for running in commands:
            running.outbox.close()
        self.outbox.close()
        self._process.close()

    def _listen(self) -> None:
        self._process.listen(self._hear)
        # The process is gone: whoever waits for it hears that.
        self.outbox.close()
        with self._lock:
            commands = list(self._commands.values())
        for running in commands:
            running.outbox.close()

    def _hear(self, pipeline: uuid.UUID | None, data: bytes) -> None:
        if pipeline is None:
            for message in self._heard.feed(data):
                ends = message.type == MessageType.APPLICATION_PRIVATE_DATA
                self.outbox.put(encoded(self._as_the_host(message)), force=True, ends_answer=ends)
            return
        with self._lock:
            running = self._by_pipeline.get(pipeline)
        if running is None:
            return  # terminated meanwhile
        for message in running.heard.feed(data):
            if message.type == MessageType.PIPELINE_STATE and _state(message) in _ENDED:
                running.outbox.finish(encoded(message))
                continue
            try:
                running.outbox.put(encoded(message))
            except PipelineStopped:
                return

    def _as_the_host(self, message: Message) -> Message:
        """By its protocol version a client knows how long an envelope may be: there the host's own counts."""
        if message.type == MessageType.SESSION_CAPABILITY:
            return replace(message, data=records.session_capability(self._protocol).encode())
        return message


PowerShell = Shell | ForwardedShell


def _state(message: Message) -> Any:
    value = loads(message.data)
    return value.extended.get("PipelineState") if isinstance(value, PsObject) else None


def _messages(assembler: Assembler, data: bytes) -> list[Message]:
    try:
        return assembler.feed(data)
    except FragmentError as error:
        raise fault.schema_violation(f"PSRP: {error}.") from error
