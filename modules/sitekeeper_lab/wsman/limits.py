"""The quotas of a WinRM service, as ``winrm get winrm/config`` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Limits:
    """The defaults are those of WS-Management 3.0: Windows Server 2012 and newer."""

    shells_per_user: int = 30
    commands_per_shell: int = 1000
    max_envelope: int = 512_000
    """Bytes; MaxEnvelopeSizekb counts 1024 each."""
    idle_timeout: float = 7_200.0
    """Seconds without a request after which a shell is deleted, unless the client names its own."""
    answer_bytes: int = 131_072
    """A Receive is answered once this much is in it, as recorded servers do, however big the envelope may be."""

    @classmethod
    def of(cls, versions: Mapping[str, str]) -> Self:
        """The defaults of a host's WS-Management stack: 2.0 allows 5 shells, 150 KB, and three idle minutes (MS-WSMV 2.2.4.42)."""
        if is_old(versions):
            return cls(shells_per_user=5, max_envelope=153_600, idle_timeout=180.0)
        return cls()

    def config(self) -> str:
        """The part of winrm/config that the lab has; Windows shows more."""
        return (
            '<cfg:Config xmlns:cfg="http://schemas.microsoft.com/wbem/wsman/1/config">'
            f"<cfg:MaxEnvelopeSizekb>{self.max_envelope // 1024}</cfg:MaxEnvelopeSizekb>"
            "<cfg:MaxTimeoutms>60000</cfg:MaxTimeoutms><cfg:Service><cfg:AllowUnencrypted>false</cfg:AllowUnencrypted>"
            "</cfg:Service><cfg:Winrs>"
            f"<cfg:IdleTimeout>{int(self.idle_timeout * 1000)}</cfg:IdleTimeout>"
            f"<cfg:MaxShellsPerUser>{self.shells_per_user}</cfg:MaxShellsPerUser></cfg:Winrs></cfg:Config>"
        )


def is_old(versions: Mapping[str, str]) -> bool:
    """WS-Management 2.0: Server 2003 to 2008 R2 with PowerShell 2.0."""
    return versions.get("WSManStackVersion", "3.0").startswith("2.")
