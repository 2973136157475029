r"""What a Linux PowerShell lacks of Windows, answered by the lab: one JSON object a line over a Unix socket.

{"cmdlet": "Get-Service", "parameters": {"Name": ["x"]}} -> {"output": ["<Obj …"], "errors": [{…}], "failed": null | {…}}
{"tool": "reg.exe", "arguments": [...]}                  -> {"lines": [...], "errors": [...], "code": 0}
{"tools": true}                                          -> {"tools": ["reg.exe", ...]}
{"acl": "D:\\x"} or with "sddl"                          -> {"sddl": "O:..D:..."}
{"opsmgr": "kind" | "objects" | "hosted" | "window" | "start" | "end" | "agent", ...}: see ``lab.opsmgr.stand_in``
{"fault": "snapshot_fails"}                              -> {}
"""

from __future__ import annotations

import json
import shutil
import socketserver
import sys
import tempfile
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from sitekeeper_lab.engines.api import Command, ErrorRecord
from sitekeeper_lab.engines.binding import bind
from sitekeeper_lab.engines.call import Call, Cmdlet, Session
from sitekeeper_lab.failing import loud
from sitekeeper_lab.host import Host
from sitekeeper_lab.opsmgr.stand_in import answer as answer_opsmgr
from sitekeeper_lab.windows.native import find_tool, tools_of
from sitekeeper_lab.windows.wmi import Wmi
from sitekeeper_lab.wsman.clixml import dumps


class _Collected:
    """A Sink that keeps what a cmdlet writes."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.errors: list[ErrorRecord] = []
        self.stopped = threading.Event()

    def output(self, value: Any) -> None:
        self.values.append(value)

    def error(self, record: ErrorRecord) -> None:
        self.errors.append(record)

    def warning(self, message: str) -> None:
        raise NotImplementedError(message)


class StandIn:
    r"""Windows, as far as the lab has it, for the PowerShells of one host.

    ``shares``: the folder in which those PowerShells run. On Linux ``\\\\127.0.0.1\\D$\\@GMT-…`` is the name of a file there,
    so a link of that name stands for each shadow copy that a client may read through its share.
    """

    def __init__(self, host: Host, cmdlets: Mapping[str, Cmdlet], shares: Path) -> None:
        self.host = host
        self.shares = shares
        self.cmdlets = cmdlets
        self.wmi = Wmi(host)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request.

        Raises:
            LookupError: there is no such request, tool or cmdlet.

        """
        answer = self._answer(request)
        self._link_shares()
        return answer

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"cmdlet": name, "parameters": parameters}:
                return self._cmdlet(self.cmdlets[name.lower()], parameters)
            case {"tool": name, "arguments": arguments}:
                tool = find_tool(name, self.host)
                if tool is None:
                    raise LookupError(name)
                answer = tool(arguments, self.host)
                return {"lines": answer.lines, "errors": answer.errors, "code": answer.code}
            case {"tools": True}:
                return {"tools": tools_of(self.host)}
            case {"opsmgr": what}:
                return answer_opsmgr(self.host, what, request)
            case {"acl": path, "sddl": sddl}:
                self.host.set_acl(path, sddl)
                return {}
            case {"acl": path}:
                return {"sddl": self.host.owner(path) + self.host.acl(path)}
            case {"fault": name}:
                self.host.faults.add(name)
                return {}
            case _:
                raise LookupError(f"no such request: {sorted(request)}")

    def _link_shares(self) -> None:
        with self.host.lock:
            wanted = {}
            for copy in self.host.machine.shadows:
                volume = next(one for one in self.host.machine.volumes if one.id == copy.volume_id)
                if copy.client_accessible and volume.letter:
                    stamp = datetime.fromisoformat(copy.created).strftime("%Y.%m.%d-%H.%M.%S")
                    share = rf"\\127.0.0.1\{volume.letter[0]}$\@GMT-{stamp}"
                    wanted[share] = self.host.files.root / copy.folder
            for link in list(self.shares.iterdir()):
                if link.name not in wanted:
                    link.unlink()
            for name, folder in wanted.items():
                if not (self.shares / name).is_symlink():
                    (self.shares / name).symlink_to(folder)

    def _cmdlet(self, cmdlet: Cmdlet, parameters: Mapping[str, Any]) -> dict[str, Any]:
        sink = _Collected()
        failed: ErrorRecord | None = None
        try:
            command = Command(cmdlet.name, parameters=tuple(parameters.items()))
            bound = bind(command, cmdlet.type_name, cmdlet.parameters, function=False)
            call = Call(cmdlet.name, self.host, self.wmi, sink, bound, (), Session({}), bound.error_action)
            for value in cmdlet.run(call):
                sink.output(value)
        except ErrorRecord as record:
            failed = record
        return {
            "output": [dumps(value) for value in sink.values],
            "errors": [_record(one) for one in sink.errors],
            "failed": None if failed is None else _record(failed),
        }


def _record(record: ErrorRecord) -> dict[str, Any]:
    """PowerShell itself puts the class of the cmdlet behind the comma of an error id."""
    return {
        "message": record.message,
        "id": record.error_id.partition(",")[0],
        "category": record.category,
        "exception": record.exception_type,
        "target": record.target,
    }


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False  # server_close() waits for them

    def __init__(self, path: Path, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        super().__init__(str(path), _Handler)

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A PowerShell that is gone is none; of anything else the lab ends."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.stand_in.host.failed(error)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        for line in self.rfile:
            try:
                answer = self.server.stand_in.answer(json.loads(line))
            except Exception as error:  # noqa: BLE001 - PowerShell hears whatever the lab runs into
                answer = {"broken": f"{type(error).__name__}: {error}"}
            try:
                self.wfile.write(json.dumps(answer).encode() + b"\n")
            except OSError:
                return  # the PowerShell is gone


class StandInServer:
    """Serves the stand-in of one host on a Unix socket; one thread for each PowerShell that is connected."""

    def __init__(self, host: Host, cmdlets: Mapping[str, Cmdlet]) -> None:
        # Not in the lab's folder: the path of a socket has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="sitekeeper-lab-"))
        self.path = self._folder / "windows"
        self.shares = self._folder / "shares"
        self.shares.mkdir()
        self._server = _Server(self.path, StandIn(host, cmdlets, self.shares))
        self._thread = threading.Thread(
            target=loud(lambda: self._server.serve_forever(0.1), host.failed), name="lab-windows", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and wait for the PowerShells that are still connected."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self._folder)
