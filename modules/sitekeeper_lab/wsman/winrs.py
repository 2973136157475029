"""The other kind of shell, ``winrs``: command lines instead of PowerShell (MS-WSMV 3.1.4.1; answers as recorded).

A command runs to its end before Command is answered, and nothing can be sent to its standard input.
"""

from __future__ import annotations

import binascii
import threading
import uuid
import xml.etree.ElementTree as ET
from typing import Final
from xml.sax.saxutils import escape

from sitekeeper_lab.engines.api import Prompt

from . import fault
from .shell import ShellFacts
from .soap import RSP, SHELL

URI: Final = f"{SHELL}/cmd"
_CHUNK: Final = 48 * 1024


class CommandShell:
    """A shell of command lines. Its methods are called from connection threads and raise WsmanFault."""

    def __init__(self, facts: ShellFacts, prompt: Prompt, asked: ET.Element) -> None:
        self.facts = facts
        self.connected = True
        self._prompt = prompt
        self._environment = {
            each.get("Name", ""): each.text or "" for each in asked.iterfind(f"{RSP}Environment/{RSP}Variable")
        }
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[str, bytes]]] = {}
        self._codes: dict[str, int] = {}

    @property
    def command_ids(self) -> list[str]:
        """The commands that nobody terminated yet."""
        with self._lock:
            return list(self._waiting)

    def shown(self) -> str:
        """The ``rsp:Shell`` that answers a Create: fewer members than a PowerShell's."""
        members = (
            ("ShellId", self.facts.shell_id),
            ("ResourceUri", self.facts.resource_uri),
            ("Owner", self.facts.owner),
            ("ClientIP", self.facts.client_ip),
            ("IdleTimeOut", f"PT{self.facts.idle_timeout:.3f}S"),
            ("InputStreams", self.facts.input_streams),
            ("OutputStreams", self.facts.output_streams),
            ("ShellRunTime", "P0DT0H0M0S"),
            ("ShellInactivity", "P0DT0H0M0S"),
        )
        inner = "".join(f"<rsp:{name}>{escape(value)}</rsp:{name}>" for name, value in members)
        return f'<rsp:Shell xmlns:rsp="{SHELL}">{inner}</rsp:Shell>'

    def start(self, line: ET.Element) -> str:
        """Command: run it; the id of the command."""
        words = [line.findtext(f"{RSP}Command") or "", *(each.text or "" for each in line.iterfind(f"{RSP}Arguments"))]
        try:
            printed = self._prompt.run(" ".join(words), self._environment)
        except NotImplementedError as error:
            raise fault.not_emulated(str(error)) from error
        identity = (line.get("CommandId") or str(uuid.uuid4())).upper()
        streams = (("stdout", printed.output), ("stderr", printed.errors))
        with self._lock:
            self._codes[identity] = printed.code
            self._waiting[identity] = [
                (name, data[at : at + _CHUNK]) for name, data in streams for at in range(0, len(data), _CHUNK)
            ]
        return identity

    def receive(self, command_id: str) -> str:
        """Receive: one piece of what was printed, and with the last one the end."""
        if not command_id:
            raise fault.incorrect_parameter()
        with self._lock:
            waiting = self._waiting.get(command_id)
            if waiting is None:
                raise fault.unknown_command()
            pieces = [waiting.pop(0)] if waiting else []
            done = not waiting
        parts = [
            f'<rsp:Stream Name="{name}" CommandId="{command_id}">{binascii.b2a_base64(data, newline=False).decode("ascii")}'
            "</rsp:Stream>"
            for name, data in pieces
        ]
        if done:
            parts += [
                f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"></rsp:Stream>'
                for name in ("stdout", "stderr")
            ]
            parts.append(
                f'<rsp:CommandState CommandId="{command_id}" State="{SHELL}/CommandState/Done"><rsp:ExitCode>'
                f"{self._codes[command_id]}</rsp:ExitCode></rsp:CommandState>"
            )
        return f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"

    def terminate(self, command_id: str) -> None:
        """Signal Terminate, or Ctrl+C to a command that has ended already: it is forgotten."""
        with self._lock:
            if self._waiting.pop(command_id.upper(), None) is None:
                raise fault.unknown_command()
            del self._codes[command_id.upper()]

    def close(self) -> None:
        """Delete."""
        with self._lock:
            self._waiting.clear()
            self._codes.clear()
