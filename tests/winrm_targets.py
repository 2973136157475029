"""What a WinRM endpoint of the tests says that it is, and how our own session reaches it."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.secrets import Secret
from sitekeeper.transport.psrp.connection import PsrpTarget
from sitekeeper_lab.wsman import Account, WsmanServer

MODERN = {
    "PSVersion": "5.1.14393.2248",
    "PSEdition": "Desktop",
    "PSCompatibleVersions": "1.0, 2.0, 3.0, 4.0, 5.0, 5.1.14393.2248",
    "CLRVersion": "4.0.30319.42000",
    "BuildVersion": "10.0.14393.2248",
    "WSManStackVersion": "3.0",
    "PSRemotingProtocolVersion": "2.3",
    "SerializationVersion": "1.1.0.1",
}
OLD = {
    "WSManStackVersion": "2.0",
    "PSCompatibleVersions": "1.0, 2.0",
    "SerializationVersion": "1.1.0.1",
    "BuildVersion": "6.1.7601.17514",
    "PSVersion": "2.0",
    "CLRVersion": "2.0.50727.5420",
    "PSRemotingProtocolVersion": "2.1",
}
KEEPER = Account("LAB", "keeper", "Pa55")


def target_of(server: WsmanServer, **options: Any) -> PsrpTarget:
    """PR1 by http and NTLM, as the account KEEPER."""
    return PsrpTarget(
        host="PR1",
        server=server.address,
        port=int(server.http_port or 0),
        ssl=False,
        auth="ntlm",
        user="LAB\\keeper",
        password=Secret("test", lambda: "Pa55"),
        **options,
    )
