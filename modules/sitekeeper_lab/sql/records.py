"""What an instance remembers of logins and of backups: rows of ``sys.server_principals`` and ``msdb.dbo.backupset``."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Login:
    """A server principal."""

    name: str
    """``sa``, or ``DOMAIN\\user`` for a Windows login (a computer account ends with ``$``)."""
    password: str | None = field(default=None, repr=False)
    """None: nobody can log in with it over TDS."""
    sid: bytes = b""
    """Default: made from the name; ``sa`` has 0x01."""
    roles: tuple[str, ...] = ("sysadmin",)
    group: bool = False
    disabled: bool = False
    default_database: str = "master"
    databases: tuple[str, ...] | None = None
    """User databases that it may use; None: every one. For a login that is not sysadmin."""

    def may_use(self, database: str) -> bool:
        """Whether it has access to a user database."""
        if self.databases is None or "sysadmin" in self.roles:
            return True
        return database.lower() in {name.lower() for name in self.databases}

    @property
    def windows(self) -> bool:
        """A Windows login, by the backslash in its name."""
        return "\\" in self.name

    @property
    def security_id(self) -> bytes:
        """The SID as ``sys.server_principals.sid`` has it."""
        if self.sid:
            return self.sid
        if self.name.lower() == "sa":
            return b"\x01"
        made = uuid.uuid5(uuid.NAMESPACE_DNS, self.name.lower()).bytes
        if not self.windows:
            return made
        # S-1-5-21-x-y-z-rid, as Windows lays it out: revision, count, authority, sub-authorities.
        return bytes.fromhex("010500000000000515000000") + made[:12] + made[12:14] + b"\0\0"


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """One row of ``msdb.dbo.backupset``."""

    database: str
    started: datetime
    finished: datetime
    kind: str = "D"
    """``D`` full, ``I`` differential, ``L`` log."""
    name: str | None = None
    copy_only: bool = False
    snapshot: bool = False
    checksums: bool = False
    size: int = 0
    device: str = ""
    """Path of the file that it was written to; empty for one that no file of the lab's holds."""
    guid: uuid.UUID | None = None
    compressed_size: int = 0
