"""Finds the port of a SQL Server and tests the connection before a driver tries.

Microsoft's driver reports a closed port, an unknown name and a silent host alike: "Login timeout expired", after the full
timeout. A plain connection first distinguishes them at once.
"""

from __future__ import annotations

import socket

from sitekeeper.engine.errors import UnreachableError
from sitekeeper.transport.sql.target import SqlTarget

BROWSER_PORT = 1434
DEFAULT_PORT = 1433
_BY_NAME = b"\x04"
_ANSWER = 0x05


def find_port(target: SqlTarget) -> int:
    """Find the target's port; for a named instance ask the SQL Server Browser of its host (MC-SQLR 2.2).

    Raises:
        UnreachableError: the browser does not respond, or its response has no TCP port.

    """
    if target.port is not None:
        return target.port
    if target.instance is None or target.instance.upper() == "MSSQLSERVER":
        return DEFAULT_PORT
    hint = "start the SQL Server Browser there and open UDP 1434, or set sql_port"
    request = _BY_NAME + target.instance.encode("ascii", "replace") + b"\0"
    try:
        address = socket.getaddrinfo(target.server, BROWSER_PORT, type=socket.SOCK_DGRAM)[0]
        with socket.socket(address[0], socket.SOCK_DGRAM) as asking:
            asking.settimeout(target.login_timeout)
            asking.connect(address[4])
            asking.send(request)
            answer = asking.recv(4096)
    except socket.gaierror as error:
        raise _build_unknown_host(target.server) from error
    except OSError as error:
        text = (
            f"the SQL Server Browser of {target.server} did not return the port of instance {target.instance}: {error}"
        )
        raise UnreachableError(text, host=target.server, hint=hint) from error
    words = answer[3:].decode("ascii", "replace").split(";") if answer[:1] == bytes([_ANSWER]) else []
    fields = dict(zip(words[::2], words[1::2], strict=False))
    if not fields.get("tcp", "").isdigit():
        text = f"instance {target.instance} on {target.server} has no TCP port"
        raise UnreachableError(
            text,
            host=target.server,
            hint="enable TCP/IP for the instance (SQL Server Configuration Manager), then restart it",
        )
    return int(fields["tcp"])


def reach(server: str, port: int, timeout: float) -> None:
    """Connect and close again.

    Raises:
        UnreachableError: with the reason.

    """
    try:
        socket.create_connection((server, port), timeout=timeout).close()
    except socket.gaierror as error:
        raise _build_unknown_host(server) from error
    except ConnectionRefusedError as error:
        text = f"nothing listens on port {port} of {server}"
        hint = "check sql_port, and that SQL Server runs and has TCP/IP enabled"
        raise UnreachableError(text, host=server, hint=hint) from error
    except TimeoutError as error:
        text = f"{server} does not respond on port {port} within {timeout:g} s"
        raise UnreachableError(text, host=server, hint="a firewall blocks the port, or the host is down") from error
    except OSError as error:
        raise UnreachableError(f"{server} cannot be reached on port {port}: {error}", host=server) from error


def _build_unknown_host(server: str) -> UnreachableError:
    return UnreachableError(
        f"{server}: the name does not resolve on this machine", host=server, hint="check DNS, or use an address"
    )
