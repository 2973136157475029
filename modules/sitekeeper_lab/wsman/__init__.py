"""The lab's WinRM: real HTTP, NTLM, message encryption, WS-Management and PSRP on a loopback address."""

from .accounts import Account
from .audit import CommandSeen, RequestSeen
from .limits import Limits
from .server import Tls, WsmanServer
from .wirefaults import Faults, WireFaults

__all__ = ["Account", "CommandSeen", "Faults", "Limits", "RequestSeen", "Tls", "WireFaults", "WsmanServer"]
