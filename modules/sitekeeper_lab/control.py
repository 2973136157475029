"""The lab's control address: JSON over HTTP on loopback, to ask for faults, move the clock, look, and stop.

POST   /fault  {"host": "PR2", "name": "slow_stop", "times": 1, "service": "SMS_EXECUTIVE", "seconds": 1500}
DELETE /faults
POST   /operate {"host": "PR2", "deed": "wreck"}
POST   /exchange
POST   /clock  {"advance": 60}
GET    /state
GET    /audit?after=17
POST   /stop
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from sitekeeper_lab.configmgr.setup_script import Refused
from sitekeeper_lab.failing import Failure, LabFailedError, loud


class Controlled(Protocol):
    """What the control address steers."""

    def fault(self, host: str, name: str, **arguments: Any) -> None:
        """Ask for a fault."""

    def operate(self, host: str, deed: str, **arguments: Any) -> None:
        """Do something on a site server."""

    def exchange(self) -> list[str]:
        """Let the sites send to each other; answers what was rejected."""

    def clear_faults(self) -> None:
        """Forget all faults."""

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""

    def state(self) -> dict[str, Any]:
        """The lab at a glance."""

    def audit_lines(self, after: int) -> list[dict[str, Any]]:
        """What happened since line ``after``."""

    @property
    def failure(self) -> Failure | None:
        """What ended the lab, where something has."""

    def failed(self, error: BaseException) -> None:
        """Told what a thread was not made for."""

    def request_stop(self) -> None:
        """Ask the one who serves the lab to stop it."""


class Control:
    """The HTTP server in a thread of its own."""

    def __init__(self, lab: Controlled, address: str = "127.0.0.1", port: int = 0) -> None:
        class Handler(_Handler):
            controlled = lab

        self._server = _Server((address, port), Handler)
        self._server.controlled = lab
        self._server.daemon_threads = False
        self._server.block_on_close = True
        self._thread = threading.Thread(
            target=loud(lambda: self._server.serve_forever(0.05), lab.failed), name="lab-control", daemon=True
        )

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def stop(self) -> None:
        """End and join."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    controlled: Controlled

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is none; of anything else the lab ends."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.controlled.failed(error)


class _Handler(BaseHTTPRequestHandler):
    controlled: Controlled
    timeout = 5
    protocol_version = "HTTP/1.0"

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the audit log is the log."""

    def do_GET(self) -> None:  # the name that http.server looks for
        """Look."""
        self._answer()

    def do_POST(self) -> None:  # the name that http.server looks for
        """Act."""
        self._answer()

    def do_DELETE(self) -> None:  # the name that http.server looks for
        """Clear."""
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        try:
            length = int(self.headers.get("Content-Length") or 0)
            body: dict[str, Any] = json.loads(self.rfile.read(length)) if length else {}
            status, answer = self._act(self.command, url.path, parse_qs(url.query), body)
        except (ValueError, KeyError, TypeError, Refused) as error:
            status, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        except (LabFailedError, TimeoutError) as error:
            status, answer = 500, {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the one who asked hears of it, and the lab ends of it
            self.controlled.failed(error)
            status, answer = 500, {"error": str(self.controlled.failure)}
        data = json.dumps(answer, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _act(
        self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        lab = self.controlled
        if lab.failure is not None and path != "/stop":
            raise LabFailedError(str(lab.failure))
        match method, path:
            case "POST", "/fault":
                arguments = dict(body)
                lab.fault(arguments.pop("host"), arguments.pop("name"), **arguments)
            case "POST", "/operate":
                arguments = dict(body)
                lab.operate(arguments.pop("host"), arguments.pop("deed"), **arguments)
            case "POST", "/exchange":
                return 200, {"rejected": lab.exchange()}
            case "DELETE", "/faults":
                lab.clear_faults()
            case "POST", "/clock":
                lab.advance(float(body["advance"]))
            case "GET", "/state":
                return 200, lab.state()
            case "GET", "/audit":
                return 200, {"lines": lab.audit_lines(int(query.get("after", ["0"])[0]))}
            case "POST", "/stop":
                lab.request_stop()
            case _:
                return 404, {"error": f"no {method} {path}"}
        return 200, {"ok": True}
