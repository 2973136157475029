"""The simulated hierarchy as its YAML file describes it: hosts, volumes, sites, SQL Servers, accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VolumeSpec(_Strict):
    r"""A volume: mounted at a letter (``D:\\``) or in a folder (``E:\\Mounts\\Log\\``)."""

    mount: str
    size_gb: int = 60
    label: str = ""

    @field_validator("mount")
    @classmethod
    def _ends_with_backslash(cls, value: str) -> str:
        if value[1:3] != ":\\" or not value.endswith("\\"):
            raise ValueError(f"a mount is like D:\\ or E:\\Mounts\\Log\\, not {value!r}")
        return value


class SqlSpec(_Strict):
    """A SQL Server on a host."""

    version: Literal["2005", "2008", "2008 R2", "2012", "2014", "2016"]
    instance: str = "MSSQLSERVER"
    edition: Literal["Standard Edition", "Enterprise Edition", "Developer Edition", "Express Edition"] = (
        "Standard Edition"
    )


VERSIONS = {2007: "4.00.6487.2000", 2012: "5.00.7958.1000"}
"""2007 R2 SP2 and 2012 R2."""


class SiteSpec(_Strict):
    """A ConfigMgr site on a host, and where its database is."""

    code: str
    kind: Literal["central", "primary"] = "primary"
    generation: Literal[2007, 2012] = 2012
    version: str | None = None
    """``5.00.9128.1000``: a current branch; None: 2007 R2 SP2 or 2012 R2, by the generation."""
    parent: str | None = None
    install: str
    """``D:\\SMS``"""
    database_host: str | None = None
    """The host that has the SQL Server; this one when left out."""
    data: str = "D:\\MSSQL\\Data"
    log: str = "D:\\MSSQL\\Data"
    backup_to: str | None = None
    """Where its backup task writes; None: nobody ever said."""
    size: float = 1
    """1 is about 300 files and 4 MB."""
    out_of_reach: bool = False
    """With files that no .NET program on such a system can open: too deep, or with a dot at the end of the name."""

    @property
    def full_version(self) -> str:
        """As its registry and its database have it."""
        return self.version or VERSIONS[self.generation]

    @property
    def current_branch(self) -> bool:
        """1511 (build 8325) and later."""
        return int(self.full_version.split(".")[2]) >= 8325

    @property
    def file_version(self) -> str:
        """As its programs carry it."""
        return ".".join(str(int(part)) for part in self.full_version.split("."))


class AccountSpec(_Strict):
    """An account of the lab's domain."""

    user: str
    password: str = Field(repr=False)
    domain: str = "LAB"
    administrator: bool = False


class HostSpec(_Strict):
    """A machine."""

    address: str
    windows: Literal["2003", "2008 R2", "2012 R2", "2016"] = "2012 R2"
    volumes: tuple[VolumeSpec, ...] = (VolumeSpec(mount="C:\\"), VolumeSpec(mount="D:\\"))
    sql: SqlSpec | None = None
    site: SiteSpec | None = None
    sql_work_dir: str | None = None
    """``D:\\Drill``: a folder that an operator made, opened to SQL Server's service and put a marker file into."""
    scratch: bool = False
    """A SQL Server to try restores on, with nothing of value."""
    bias: int = 0
    """Minutes east of UTC."""
    opsmgr: Literal["scom", "opsmgr2007"] | None = None
    """The management server of Operations Manager (2012 and later, or 2007) that monitors all other hosts."""
    opsmgr_agent: bool = False
    """With an agent that takes wishes for maintenance mode on the host itself (SCOM 2016 and later)."""


class Ports(_Strict):
    """Where each host listens on its address; 0 takes any free port."""

    http: int = 5985
    https: int = 5986
    sql: int = 1433


class Hierarchy(_Strict):
    """The whole lab."""

    hosts: dict[str, HostSpec]
    accounts: tuple[AccountSpec, ...]
    sql_logins: tuple[AccountSpec, ...] = ()
    domain: str = "LAB"
    dns: str = "lab.example"
    seed: int = 2007
    keytab: Path | None = None
    """Keys of the hosts' Kerberos principals, from a KDC that is not the lab's: WinRM and SQL Server then take tickets."""
    ports: Ports = Ports()

    @model_validator(mode="after")
    def _fits_together(self) -> Hierarchy:
        codes = {spec.site.code: name for name, spec in self.hosts.items() if spec.site}
        if sum(spec.opsmgr is not None for spec in self.hosts.values()) > 1:
            raise ValueError("a lab has one management server")
        for name, spec in self.hosts.items():
            if not spec.address.startswith("127."):
                raise ValueError(f"{name}: the lab listens on 127.0.0.0/8 only, not {spec.address}")
            site = spec.site
            if site is None:
                continue
            if site.parent is not None and site.parent not in codes:
                raise ValueError(f"{name}: parent {site.parent} is no site of this hierarchy")
            holder = site.database_host or name
            if holder not in self.hosts or self.hosts[holder].sql is None:
                raise ValueError(f"{name}: there is no SQL Server on {holder}")
            mounts = {volume.mount.lower() for volume in spec.volumes}
            if site.install[:3].lower() not in mounts:
                raise ValueError(f"{name}: {site.install} is on none of the host's volumes")
        return self

    def with_(self, **changes: Any) -> Hierarchy:
        """The same with some fields replaced."""
        return self.model_copy(update=changes)


def load_hierarchy(path: Path) -> Hierarchy:
    """Read a hierarchy file.

    Raises:
        pydantic.ValidationError: something in it is wrong; the message names the field.

    """
    return Hierarchy.model_validate(yaml.safe_load(path.read_text("utf-8")))
