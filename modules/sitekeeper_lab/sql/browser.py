"""The SQL Server Browser of a machine: tells which TCP port a named instance has (MC-SQLR 2.2)."""

from __future__ import annotations

import socket
import threading

from sitekeeper_lab.failing import Failed, loud, unhandled

PORT = 1434
_ALL, _ONE = (0x02, 0x03), 0x04


class SqlBrowser:
    """Answers on UDP for one address. An unknown instance gets no answer, as from the real one."""

    def __init__(self, address: str, host: str, port: int = PORT, failed: Failed = unhandled) -> None:
        self.address, self.port = address, port
        self._host = host
        self._failed = failed
        self._instances: dict[str, tuple[str, int]] = {}
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def add(self, instance: str, version: str, port: int) -> None:
        """Make an instance known; its version is that of its first service pack, so the build may be an old one."""
        self._instances = {**self._instances, instance.upper(): (version, port)}

    def start(self) -> None:
        """Bind and answer."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listener.bind((self.address, self.port))
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        self._socket = listener
        work = loud(lambda: self._serve(listener), self._failed)
        self._thread = threading.Thread(target=work, name=f"ssrp-{self.address}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering; twice is fine."""
        listener, self._socket = self._socket, None
        if listener is None or self._thread is None:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waking:
            waking.sendto(b"", (self.address, self.port))
        self._thread.join()
        listener.close()

    def _serve(self, listener: socket.socket) -> None:
        while self._socket is not None:
            request, client = listener.recvfrom(1024)
            wanted = list(self._instances)
            if request[:1] == bytes([_ONE]):
                wanted = [request[1:].split(b"\0")[0].decode("ascii", "replace").upper()]
            elif not request or request[0] not in _ALL:
                continue
            text = "".join(self._line(name) for name in wanted if name in self._instances).encode("ascii", "replace")
            if text:
                listener.sendto(b"\x05" + len(text).to_bytes(2, "little") + text, client)

    def _line(self, name: str) -> str:
        version, port = self._instances[name]
        return f"ServerName;{self._host};InstanceName;{name};IsClustered;No;Version;{version};tcp;{port};;"
